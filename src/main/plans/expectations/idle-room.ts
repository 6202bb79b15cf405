import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { FlightParts } from '../flights/flight-parts.ts';

/** Time of a call while the times of its model are not known. */
const UNKNOWN_MS = 1_000;
/** How much more it costs a plan to wait for a slot than it is worth to have an answer ready. */
const PRICE = 3;
const LIKELIHOOD_MAX = 0.99;

/**
 * Whether a slot is worth being used for a future: by the value rule p · gain > (1 − p) · cost · price, in which the price is the
 * chance that more calls of plans start during a usual call than slots would be left idle.
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

  isWorth(likelihood: number): boolean {
    return this.#somePlace((at, model) => isWorthAt(at, model, Math.min(likelihood, LIKELIHOOD_MAX)));
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

/** Where calls slow each other, only those that no plan waits for may have company: they have to share what the machine can do anyway. */
function isIdle({ gate, profiles }: ModelEndpoint): boolean {
  return gate.isIdle && (gate.busy <= gate.inBackground || !profiles.areSlowed);
}

function isWorthAt(at: ModelEndpoint, model: string, likelihood: number): boolean {
  const starts = at.expectedStarts(at.forecast.workMs(model, 'text') ?? UNKNOWN_MS);
  return likelihood / (1 - likelihood) > PRICE * chanceOfMore(starts, at.gate.idle - 1);
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
