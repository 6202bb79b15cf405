import type { SeatUse } from '../health/seat-use.ts';
import type { ModelMemory } from '../memory/model-memory.ts';
import type { CallsAtWork } from '../slots/calls-at-work.ts';
import type { EndpointGate } from '../slots/endpoint-gate.ts';
import type { CallKind } from './latency-profile.ts';
import type { Profiles } from './profiles.ts';

export interface ForecastParts {
  readonly gate: EndpointGate;
  readonly profiles: Profiles;
  readonly works: CallsAtWork;
  readonly memory: ModelMemory;
  readonly use: SeatUse;
}

/** Where no call of a model gives anything, another place is preferred as if these took so much longer. */
const USELESS_MS = 5_000;
const USEFUL_MIN = 0.05;
/** Weight of the latest call in how long a slot is occupied. */
const OCCUPIED_WEIGHT = 0.1;

/** When calls at one endpoint are expected to be answered: with the queue, what is at work, loads, and what is known of times. */
export class Forecast {
  readonly #parts: ForecastParts;
  /** How long calls of all models occupy a slot, of late. */
  #occupiedMs: number | undefined;

  constructor(parts: ForecastParts) {
    this.#parts = parts;
  }

  /** A call has occupied its slot for so long. */
  occupied(ms: number): void {
    this.#occupiedMs = (this.#occupiedMs ?? ms) + OCCUPIED_WEIGHT * (ms - (this.#occupiedMs ?? ms));
  }

  /** How long the call itself is expected to take once it is let in, with a load; milliseconds, undefined while nothing is known. */
  workMs(model: string, kind: CallKind): number | undefined {
    const ms = this.#parts.profiles.of(model, kind).expectedMs;
    return ms === undefined ? undefined : ms + this.#parts.memory.loadMs(model);
  }

  /**
   * When a call that is asked for now is expected to be done, milliseconds from now: its turn at the slots, and its work.
   * Undefined while nothing is known of the model here.
   */
  expectedMs(model: string, kind: CallKind, rankMs: number): number | undefined {
    const workMs = this.workMs(model, kind);
    if (workMs === undefined) return undefined;
    return workMs + this.#parts.works.waitMs(rankMs, workMs);
  }

  /**
   * The same to compare places by: what is not known yet is tried where a slot is idle, and where no call of the model gives
   * anything, that counts as time.
   */
  rankedMs(model: string, kind: CallKind, rankMs: number): number {
    const known = this.expectedMs(model, kind, rankMs) ?? (this.#parts.gate.idle > 0 ? 0 : Number.MAX_VALUE);
    const share = Math.max(this.#parts.use.share(model), USEFUL_MIN);
    return known / share + (1 - share) * USELESS_MS;
  }

  /**
   * When a call that is asked for now is expected to have answered, milliseconds from now, by the latest calls: its turn at the
   * slots, the company it will have, the spread of its times, and what is known of calls that were cut or still run. Where nothing
   * is known, one call after the other finds out: its work is taken for `quickestMs`, or for nothing where that is infinite.
   */
  foreseenMs(model: string, kind: CallKind, rankMs: number, quickestMs: number): number {
    const { gate } = this.#parts;
    const company = Math.min(gate.width, gate.busy - gate.inBackground + 1);
    const loadMs = this.#parts.memory.loadMs(model);
    const workMs = this.meanMs(model, kind, company);
    if (workMs === undefined) {
      if (loadMs > 0) return loadMs + (quickestMs === Number.POSITIVE_INFINITY ? 0 : quickestMs);
      if (quickestMs === Number.POSITIVE_INFINITY) return gate.idle > 0 ? 0 : Number.MAX_VALUE;
      return this.#parts.works.isNone && gate.idle > 0 ? quickestMs : Number.MAX_VALUE;
    }
    const share = Math.max(this.#parts.use.share(model), USEFUL_MIN);
    const untilMs = loadMs + workMs + this.#parts.works.waitMs(rankMs, this.#occupiedMs ?? workMs);
    return untilMs / share + (1 - share) * USELESS_MS;
  }

  /** How long calls of a model take on average, in that company; where nothing is known of the model, of all others here. */
  meanMs(model: string, kind: CallKind, company: number): number | undefined {
    return this.#parts.profiles.meanMs(model, kind, company, (each, of) => this.#parts.works.agesMs(each, of));
  }

  /**
   * The chance that a call which begins now has ended in `ms`, in the company of `company` calls, itself
   * included. Undefined while nothing is known of the model here.
   */
  chanceWithin(model: string, kind: CallKind, ms: number, company: number): number | undefined {
    const workMs = Math.max(0, ms - this.#parts.memory.loadMs(model));
    return this.#parts.profiles.of(model, kind).chanceWithin(workMs, company, this.#parts.works.agesMs(model, kind));
  }
}
