import { LevelTimes } from './level-times.ts';

/**
 * How many calls an endpoint is given at once. If the server reports its slots, that many. If it does not, the number is learned
 * by asking whether twice as many calls get more done: if first tokens take 1.6 times as long at the limit as at half of it,
 * hardly more gets done, and calls queue in the server. Then the limit shrinks; if they take about the same time, it grows, fast
 * until the first queue is seen. A queue in the server is useless: calls in it cannot be reordered, nor cancelled reliably.
 *
 * If no calls start at half the limit, because demand is constant, the limit is halved for some calls to measure their times (as
 * BBR probes for the shortest round trip, Cardwell et al. 2016).
 *
 * Rejected: comparing each call with the fastest ones (TCP Vegas, Brakmo and Peterson 1994, as in Netflix's concurrency-limits).
 * Prompts differ more than links do: that measured their spread, and settled at 2 slots of 16. The test simulates servers.
 */
export interface LimitSample {
  readonly model: string;
  /** Time from the start of the call to its first token. */
  readonly firstTokenMs: number;
  /** Number of running calls when it started, itself included. */
  readonly inFlight: number;
}

const LIMIT_START = 4;
/** The limit grows if first tokens take less than this many times as long at the limit as at half of it. */
const DELAY_LOW = 1.3;
/** The limit shrinks if they take more than this many times as long: twice the calls get a quarter more done. */
const DELAY_HIGH = 1.6;
const GROWTH_FAST = 1.5;
const SHRINKING = 0.8;
const DROP = 0.85;
/** Fewer calls than this are not enough to decide. */
const SAMPLES_MIN = 8;
/** A limit at which there was a queue is tried again after this many calls. */
const SAMPLES_AGAIN = 100;
/** Number of calls made with the limit halved. */
const PROBE_CALLS = 24;
const MODELS_MAX = 64;

export class AdaptiveLimit {
  readonly #max: number;
  readonly #known: number | undefined;
  #limit: number;
  #isFast = true;
  readonly #times = new Map<string, LevelTimes>();
  /** Calls that started at this limit: only a limit that is reached can be too low. */
  #atLimit = 0;
  /** Calls that started at half the limit or below. */
  #atHalf = 0;
  /** The lowest limit at which there was a queue, since that limit or a higher one was last found good. */
  #queuedAt = Number.POSITIVE_INFINITY;
  /** Remaining calls for which the limit is halved. */
  #probeCalls = 0;
  /** Whether the limit was probed since it last changed. */
  #hasProbed = false;

  /** `known`: the number of slots that the server reported. */
  constructor(max: number, known?: number) {
    this.#max = max;
    this.#known = known === undefined ? undefined : Math.max(1, Math.min(known, max));
    this.#limit = this.#known ?? Math.min(LIMIT_START, max);
  }

  /** The current limit, at least 1. */
  get now(): number {
    return this.#probeCalls > 0 ? Math.max(1, this.#whole >> 1) : this.#whole;
  }

  /** The number that was learned, regardless of probing; undefined if it is known. */
  get learned(): number | undefined {
    return this.#known === undefined ? this.#whole : undefined;
  }

  /** Continues from the number that another node has learned. */
  adopt(limit: number): void {
    if (this.#known === undefined && limit !== this.#whole) this.#set(limit);
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  observe({ model, firstTokenMs, inFlight }: LimitSample): void {
    if (this.#known !== undefined || !(firstTokenMs > 0 && firstTokenMs < Number.POSITIVE_INFINITY)) return;
    this.#timesOf(model).record(inFlight, firstTokenMs);
    if (inFlight <= this.#whole / 2) {
      this.#atHalf++;
      if (this.#probeCalls > 0) this.#probeCalls--;
    } else if (inFlight >= this.#whole && this.#probeCalls === 0) this.#judge();
  }

  /** The server rejected a call, or did not answer it in time. */
  dropped(): void {
    if (this.#known !== undefined) return;
    this.#isFast = false;
    this.#set(this.#limit * DROP);
  }

  get #whole(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  #judge(): void {
    if (++this.#atLimit < SAMPLES_MIN) return;
    const limit = this.#whole;
    // A single call at a time does not queue behind others of ours.
    const delay = limit === 1 ? 1 : this.#delay();
    if (delay !== undefined && delay > DELAY_HIGH) {
      this.#isFast = false;
      this.#queuedAt = limit;
      this.#set(Math.min(limit - 1, limit * SHRINKING));
    } else if (delay !== undefined && delay < DELAY_LOW) {
      if (this.#atLimit >= (limit + 1 < this.#queuedAt ? SAMPLES_MIN : SAMPLES_AGAIN)) this.#grow();
    } else this.#probeIfDue(delay === undefined);
  }

  /** Probes if nothing is known, or if the delay is neither good nor bad and the samples at half the limit are too few. */
  #probeIfDue(isUnknown: boolean): void {
    if (this.#atLimit < SAMPLES_AGAIN && (this.#hasProbed || !isUnknown)) return;
    if (!isUnknown && this.#atHalf >= PROBE_CALLS) return;
    this.#hasProbed = true;
    this.#probeCalls = PROBE_CALLS;
    this.#atLimit = 0;
    this.#atHalf = 0;
  }

  #grow(): void {
    const next = this.#whole + 1;
    this.#queuedAt = Number.POSITIVE_INFINITY;
    this.#set(this.#isFast ? Math.max(next, this.#limit * GROWTH_FAST) : next);
  }

  /** How many times as long first tokens take at the limit as at half of it; undefined while too little is known. */
  #delay(): number | undefined {
    const limit = this.#whole;
    let count = 0;
    let sum = 0;
    for (const times of this.#times.values()) {
      const half = times.mean(limit / 4, limit / 2);
      const full = times.mean(limit * 0.75, limit);
      // Each model is compared with itself.
      const both = Math.min(half.count, full.count);
      count += both;
      sum += both * (full.logMs - half.logMs);
    }
    return count < SAMPLES_MIN ? undefined : Math.exp(sum / count);
  }

  #set(limit: number): void {
    this.#limit = Math.max(1, Math.min(this.#max, limit));
    this.#atLimit = 0;
    this.#atHalf = 0;
    this.#probeCalls = 0;
    this.#hasProbed = false;
  }

  #timesOf(model: string): LevelTimes {
    let times = this.#times.get(model);
    if (times === undefined) {
      if (this.#times.size >= MODELS_MAX) this.#times.clear();
      times = new LevelTimes();
      this.#times.set(model, times);
    }
    return times;
  }
}
