import { DecayedQuantiles } from '../time/decayed-quantiles.ts';

/**
 * How many calls an endpoint is given at once. Where the server tells its slots, that many. Where it does not, the number is
 * learned from the time to the first token (TCP Vegas, Brakmo and Peterson 1994, as in Netflix's concurrency-limits): with
 * `n` calls at work, first tokens that come `r` times later than when the server is idle mean that about `n (1 - 1/r)` of
 * them stand in a queue there. Few: the limit grows, by one a call at first and slower after the first sign of a queue;
 * many: it shrinks. A queue at the server helps nobody: what waits there cannot be put in order, nor cancelled for sure.
 */
export interface LimitSample {
  readonly model: string;
  /** From the start of the call to its first token. */
  readonly firstTokenMs: number;
  /** Calls at work when it began, itself included. */
  readonly inFlight: number;
}

const LIMIT_START = 4;
/** A queue of fewer calls lets the limit grow, */
const QUEUE_LOW = 0.5;
/** one of more makes it shrink. Continuous batching delays first tokens a little without any queue. */
const QUEUE_HIGH = 1.2;
const GROWTH_FAST = 1;
const GROWTH = 0.1;
const SHRINKING = 0.25;
const DROP = 0.85;
/** Idle times known from fewer calls say nothing. */
const SAMPLES_MIN = 8;
const MODELS_MAX = 64;

export class AdaptiveLimit {
  readonly #max: number;
  readonly #known: number | undefined;
  #limit: number;
  #isFast = true;
  /** Times to the first token, by model. Their low quantile is the time of an idle server. */
  readonly #times = new Map<string, DecayedQuantiles>();

  /** `known`: the slots that the server told. */
  constructor(max: number, known?: number) {
    this.#max = max;
    this.#known = known === undefined ? undefined : Math.max(1, Math.min(known, max));
    this.#limit = this.#known ?? Math.min(LIMIT_START, max);
  }

  /** At least 1. */
  get now(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  observe({ model, firstTokenMs, inFlight }: LimitSample): void {
    if (this.#known !== undefined) return;
    const times = this.#timesOf(model);
    times.record(firstTokenMs);
    if (times.count < SAMPLES_MIN) return;
    const idleMs = times.quantile(0.1) as number;
    const queue = inFlight * (1 - Math.min(1, idleMs / firstTokenMs));
    if (queue > QUEUE_HIGH) {
      this.#isFast = false;
      this.#limit = Math.max(1, this.#limit - SHRINKING);
    } else if (queue < QUEUE_LOW && inFlight >= this.now) {
      // Only a limit that is used can be too low.
      this.#limit = Math.min(this.#max, this.#limit + (this.#isFast ? GROWTH_FAST : GROWTH));
    }
  }

  /** The server refused a call, or did not answer it in time. */
  dropped(): void {
    if (this.#known !== undefined) return;
    this.#isFast = false;
    this.#limit = Math.max(1, this.#limit * DROP);
  }

  #timesOf(model: string): DecayedQuantiles {
    let times = this.#times.get(model);
    if (times === undefined) {
      if (this.#times.size >= MODELS_MAX) this.#times.clear();
      times = new DecayedQuantiles(200);
      this.#times.set(model, times);
    }
    return times;
  }
}
