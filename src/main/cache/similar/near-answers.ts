import type { Placer } from '../../../shared/place.ts';
import { type PlanRequest, valueScale } from '../../../shared/plan-request.ts';
import type { Lookup, StoreEntry } from '../../../shared/store/store-reader.ts';
import type { ResolvedCache } from '../cache-options.ts';
import type { DecisionMemory, NearEntry } from '../decision-memory.ts';
import type { Near, Said, Shadow } from '../look.ts';
import { rememberedAction } from '../remembered-action.ts';

/** What was found near a state, and what was passed over. */
export interface Neighbours {
  /** Confirmed by the request's Q-values, so it may be further away. */
  readonly confirmed: NearAnswer | undefined;
  /** Nearby, and not contradicted by the Q-values. */
  readonly similar: NearAnswer | undefined;
  /** Why there is no similar answer: those nearby had no effect, or the Q-values contradict them. */
  readonly passedOver: 'loop' | 'contradicted' | undefined;
}

export interface NearAnswer extends Near, Said {
  readonly entry: StoreEntry;
}

/** Searches for decisions in states near that of a request. */
export class NearAnswers {
  readonly #options: ResolvedCache;
  readonly #memory: DecisionMemory;
  readonly #placer: Placer;

  constructor(options: ResolvedCache, memory: DecisionMemory, placer: Placer) {
    this.#options = options;
    this.#memory = memory;
    this.#placer = placer;
  }

  /** Finds entries near a state that are fresh, legal now, and not known to have no effect. */
  find(request: PlanRequest, inVain: string | undefined, nowMs: number): Neighbours {
    const none: Neighbours = { confirmed: undefined, similar: undefined, passedOver: undefined };
    const { similar, valuesMin, trust } = this.#options;
    if (similar === false) return none;
    const place = this.#placer.place(request.observation, request.actions);
    if (place === undefined) return none;
    const placeOf = valuesMin === false ? () => undefined : valueScale(request);
    let isHeldBack = false;
    const search = (
      kind: Near['kind'],
      distanceMax: number,
      isGood: (value: number | undefined) => boolean,
    ): NearAnswer | undefined => {
      const found: NearEntry | undefined = this.#memory.nearest(place, distanceMax, nowMs, (entry) => {
        const action = rememberedAction(request, entry.decision);
        if (action === undefined || !isGood(placeOf(action))) return false;
        if (action !== inVain) return true;
        isHeldBack = true;
        return false;
      });
      if (found === undefined) return undefined;
      const { decision } = found.entry;
      return { ...found, kind, decision, action: rememberedAction(request, decision) as string };
    };
    // An answer that current Q-values confirm may be further away.
    const isConfirmed = (value: number | undefined): boolean => value !== undefined && value >= (valuesMin as number);
    const isConfirming = valuesMin !== false && request.qValues !== undefined;
    const confirmed = isConfirming ? search('confirmed', similar.confirmedMax, isConfirmed) : undefined;
    // It is then served, even if another one is nearer.
    if (confirmed !== undefined && trust === 'always') return { ...none, confirmed };
    // A nearby answer need only not be contradicted.
    let wasContradicted = false;
    const nearest = search('similar', similar.distanceMax, (value) => {
      if (value === undefined || isConfirmed(value)) return true;
      wasContradicted = true;
      return false;
    });
    const passedOver = isHeldBack ? 'loop' : wasContradicted ? 'contradicted' : undefined;
    return { confirmed, similar: nearest, passedOver };
  }

  /** Whether the request's Q-values contradict an action. */
  contradicts(request: PlanRequest, action: string): boolean {
    return isContradicted(request, action, this.#options.valuesMin);
  }
}

/** Whether a request's Q-values contradict an action: its place between the worst (0) and the best (1) is below `valuesMin`. */
export function isContradicted(request: PlanRequest, action: string, valuesMin: number | false): boolean {
  if (valuesMin === false || request.qValues === undefined) return false;
  const place = valueScale(request)(action);
  return place !== undefined && place < valuesMin;
}

/** The answers of tiers that were found but not served. */
export function shadowOf(
  request: PlanRequest,
  exact: Lookup,
  near: readonly NearAnswer[],
  inVain: string | undefined,
): Shadow | undefined {
  const expired = exact.kind === 'stale' ? exact.entry.decision : undefined;
  const action = expired && rememberedAction(request, expired);
  const old = expired && action !== undefined && action !== inVain ? { action, decision: expired } : undefined;
  return old === undefined && near.length === 0 ? undefined : { exact: undefined, old, near };
}
