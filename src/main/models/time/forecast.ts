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

/** Penalty for a place whose calls of the model are all useless. */
const USELESS_MS = 5_000;
const USEFUL_MIN = 0.05;
/** Weight of the latest call in the time that a slot is occupied, and in that for which an aborted one is held. */
const OCCUPIED_WEIGHT = 0.1;

/** Estimates when calls at one endpoint will be answered, from the queue, running calls, loads and known times. */
export class Forecast {
  readonly #parts: ForecastParts;
  /** Recent time that calls of all models occupy a slot, in milliseconds. */
  #occupiedMs: number | undefined;
  #heldMs: number | undefined;

  constructor(parts: ForecastParts) {
    this.#parts = parts;
  }

  /** A call has occupied its slot for `ms`. */
  occupied(ms: number): void {
    this.#occupiedMs = latest(this.#occupiedMs, ms);
  }

  /** An aborted call holds its slot for `ms`. */
  held(ms: number): void {
    this.#heldMs = latest(this.#heldMs, ms);
  }

  /** Recent time for which an aborted call held its slot, in milliseconds; undefined while none was aborted. */
  get heldMs(): number | undefined {
    return this.#heldMs;
  }

  /** Expected time of the call itself once it has a slot, with a load, in milliseconds; undefined while nothing is known. */
  workMs(model: string, kind: CallKind): number | undefined {
    const ms = this.#parts.profiles.of(model, kind).expectedMs;
    return ms === undefined ? undefined : ms + this.#parts.memory.loadMs(model);
  }

  /**
   * Expected time until a call requested now is done, in milliseconds: waiting for a slot, and its work. Undefined while nothing
   * is known about the model here.
   */
  expectedMs(model: string, kind: CallKind, rankMs: number): number | undefined {
    const workMs = this.workMs(model, kind);
    if (workMs === undefined) return undefined;
    return workMs + this.#parts.works.waitMs(rankMs, workMs);
  }

  /**
   * As `expectedMs`, for comparing places: an unknown one is tried if it has an idle slot, and useless calls count as extra time.
   */
  rankedMs(model: string, kind: CallKind, rankMs: number): number {
    const known = this.expectedMs(model, kind, rankMs) ?? (this.#parts.gate.idle > 0 ? 0 : Number.MAX_VALUE);
    const share = Math.max(this.#parts.use.share(model), USEFUL_MIN);
    return known / share + (1 - share) * USELESS_MS;
  }

  /**
   * Expected time until a call requested now has answered, in milliseconds, by the latest calls: its wait for a slot, the company
   * it will have, the spread of its times, and what is known about cut and running calls. While nothing is known, one call after
   * the other finds out: its work is assumed to take `quickestMs`, or no time if that is infinite.
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

  /** Mean time of calls of a model in that company; if the model is unknown, of all others here. */
  meanMs(model: string, kind: CallKind, company: number): number | undefined {
    return this.#parts.profiles.meanMs(model, kind, company, (each, of) => this.#parts.works.agesMs(each, of));
  }

  /**
   * The chance that a call started now ends within `ms`, with `company` running calls, itself included. Undefined while nothing
   * is known about the model here.
   */
  chanceWithin(model: string, kind: CallKind, ms: number, company: number): number | undefined {
    const workMs = Math.max(0, ms - this.#parts.memory.loadMs(model));
    return this.#parts.profiles.of(model, kind).chanceWithin(workMs, company, this.#parts.works.agesMs(model, kind));
  }
}

function latest(meanMs: number | undefined, ms: number): number {
  return meanMs === undefined ? ms : meanMs + OCCUPIED_WEIGHT * (ms - meanMs);
}
