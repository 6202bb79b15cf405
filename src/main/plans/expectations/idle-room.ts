import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { FlightParts } from '../flights/flight-parts.ts';

/** Time of a call while the times of its model are not known. */
const UNKNOWN_MS = 1_000;
/** All futures together may delay a call of another agent by this share of a call. */
const DELAY_MAX = 0.01;

export interface RoomUse {
  /** The share of all calls that other agents start. */
  readonly othersShare: number;
  /** The number of futures asked for each plan that needs models, at least 1. */
  readonly aheadPerPlan: number;
}

/**
 * Whether a slot may be used for a future. Other agents must not pay for it, and they pay for every call: each makes somebody wait now
 * and then. A future that comes true saves the call that its agent would make when it asks. So a future may start when it delays
 * others no more than that call would, times how often such futures come true: at a moment when a slot is needed less than usual.
 * All of it is measured: the calls that others start, the slots that calls leave idle, how long calls take, and how long aborted
 * ones hold their slots.
 */
export class IdleRoom {
  readonly #parts: Pick<FlightParts, 'options' | 'endpoints'>;

  constructor(parts: Pick<FlightParts, 'options' | 'endpoints'>) {
    this.#parts = parts;
  }

  /** Whether any place of a model is idle. */
  get isIdle(): boolean {
    return this.#somePlace(() => true);
  }

  /** `usedLow`: how often such a future comes true, at least. */
  isWorth(usedLow: number, { othersShare, aheadPerPlan }: RoomUse): boolean {
    if (usedLow === 0) return false;
    const delayMax = DELAY_MAX / aheadPerPlan;
    return this.#somePlace((at, model) => {
      const starts = startsOf(at, model, othersShare);
      const callMs = callMsOf(at, model);
      const wrongMs = (1 - usedLow) * (at.forecast.heldMs ?? callMs);
      const delayMs = chanceOfMore(starts, at.gate.idle - 1) * (callMs + wrongMs);
      return delayMs <= (usedLow * usualChance(at, starts) + delayMax) * callMs;
    });
  }

  /** The chance that other agents need the slot during a usual call, at the place where it is lowest; 1 if no slot is idle. */
  chanceNeeded(othersShare: number): number {
    let lowest = 1;
    this.#somePlace((at, model) => {
      lowest = Math.min(lowest, chanceOfMore(startsOf(at, model, othersShare), at.gate.idle - 1));
      return false;
    });
    return lowest;
  }

  #somePlace(passes: (at: ModelEndpoint, model: string) => boolean): boolean {
    const { experts, synthesis } = this.#parts.options;
    const seats = experts.length > 0 ? experts : synthesis.models.slice(0, 1);
    return seats.some(({ endpoint, alternatives, model }) =>
      [endpoint, ...alternatives].some((name) => {
        const at = this.#parts.endpoints.get(name);
        return at !== undefined && !at.isResting && isIdle(at) && passes(at, model);
      }),
    );
  }
}

/** The chance that others need the slot of a call, at the moments when calls that plans wait for have started. */
function usualChance({ slotsLeft }: ModelEndpoint, starts: number): number {
  return slotsLeft.mean((left) => (left < 0 ? 1 : chanceOfMore(starts, left))) ?? 0;
}

/** The calls that other agents start during a usual call. */
function startsOf(at: ModelEndpoint, model: string, othersShare: number): number {
  return at.expectedStarts(callMsOf(at, model)) * othersShare;
}

function callMsOf(at: ModelEndpoint, model: string): number {
  return at.forecast.workMs(model, 'text') ?? UNKNOWN_MS;
}

/** Where calls slow each other, only those that no plan waits for may have company: they have to share what the machine can do anyway. */
function isIdle({ gate, profiles }: ModelEndpoint): boolean {
  return gate.isIdle && (gate.busy <= gate.inBackground || !profiles.areSlowed);
}

/** The chance that more than `count` events happen where `mean` are expected (Poisson). */
export function chanceOfMore(mean: number, count: number): number {
  let term = Math.exp(-mean);
  let atMost = term;
  for (let nth = 1; nth <= count; nth++) {
    term *= mean / nth;
    atMost += term;
  }
  return Math.max(0, 1 - atMost);
}
