import { COMPARISONS_MIN, MARGIN } from '../cache/standing/tier-standing.ts';
import { wilson } from '../measure/wilson.ts';
import type { ReplayOutcome } from './replay.ts';

/** What similar states are worth on a trace: everything that they said or would have said, against what was chosen. */
export interface SimilarAdvice {
  readonly compared: number;
  /** Of the compared. */
  readonly wrong: number;
  /** How often the record differs from itself in exactly the same state. */
  readonly selfWrong: number;
  /** Whether any of them serve at the end. */
  readonly serving: boolean;
  /** Whether to leave them out: they are clearly worse than what the record reaches with itself, less the margin. */
  readonly advised: boolean;
}

/** Null where too little was compared to say anything. */
export function similarAdvice({ similar, cache: { standing } }: ReplayOutcome): SimilarAdvice | null {
  if (standing === false || standing.models.agreement === null) return null;
  const near = standing.tiers.filter(({ tier }) => tier === 'similar' || tier === 'confirmed');
  const total = (of: (tier: (typeof near)[number]) => number): number => near.reduce((sum, tier) => sum + of(tier), 0);
  const isAlways = standing.trust === 'always';
  // Where all of them serve, all that they served was judged, and hardly any was compared beside.
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
