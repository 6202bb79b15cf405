import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { FlightParts } from '../flights/flight-parts.ts';

/** Time of a call while the times of its model are not known. */
const UNKNOWN_MS = 1_000;
/** How much more it costs plans of other agents to wait for a slot than it is worth to have an answer ready. */
const PRICE = 10;

/**
 * Whether a slot is worth being used for a future: its likelihood must exceed the price, which is a multiple of the chance that
 * other agents start more calls during a usual call than slots would be left idle.
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

  /** `othersShare`: the share of all calls that other agents start. */
  isWorth(likelihood: number, othersShare: number): boolean {
    return this.#somePlace((at, model) => likelihood > PRICE * chanceNeeded(at, model, othersShare));
  }

  /** The chance that other agents need the slot during a usual call, at the place where it is lowest; 1 if no slot is idle. */
  chanceNeeded(othersShare: number): number {
    let lowest = 1;
    this.#somePlace((at, model) => {
      lowest = Math.min(lowest, chanceNeeded(at, model, othersShare));
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

function chanceNeeded(at: ModelEndpoint, model: string, othersShare: number): number {
  const usualMs = at.forecast.workMs(model, 'text') ?? UNKNOWN_MS;
  return chanceOfMore(at.expectedStarts(usualMs) * othersShare, at.gate.idle - 1);
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
