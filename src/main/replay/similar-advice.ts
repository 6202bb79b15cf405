import { COMPARISONS_MIN, MARGIN } from '../cache/standing/tier-standing.ts';
import { wilson } from '../measure/wilson.ts';
import type { ReplayOutcome } from './replay.ts';

/** How good similar states are on a trace: compares all that they answered or would have answered with what was chosen. */
export interface SimilarAdvice {
  readonly compared: number;
  /** Share of the compared that was wrong. */
  readonly wrong: number;
  /** How often the record differs from itself in exactly the same state. */
  readonly selfWrong: number;
  /** True if any of them serve at the end. */
  readonly serving: boolean;
  /** True if they should be switched off: they are clearly worse than the record's agreement with itself, less the margin. */
  readonly advised: boolean;
}

/** Null if too little was compared to be conclusive. */
export function similarAdvice({ similar, cache: { standing } }: ReplayOutcome): SimilarAdvice | null {
  if (standing === false || standing.models.agreement === null) return null;
  const near = standing.tiers.filter(({ tier }) => tier === 'similar' || tier === 'confirmed');
  const total = (of: (tier: (typeof near)[number]) => number): number => near.reduce((sum, tier) => sum + of(tier), 0);
  const isAlways = standing.trust === 'always';
  // If all of them serve, everything they served was judged, and hardly anything else was compared.
  const compared = isAlways ? similar.servedCount : total((tier) => tier.compared);
  const wrong = isAlways ? similar.wrongCount : total((tier) => tier.wrong);
  if (compared < COMPARISONS_MIN) return null;
  const required = standing.models.agreement - MARGIN;
  return {
    compared,
    wrong: wrong / compared,
    selfWrong: 1 - standing.models.agreement,
    serving: near.some(({ serving }) => serving),
    advised: 1 - wilson(wrong, compared).low < required,
  };
}
