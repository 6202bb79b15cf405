import { FEATURE_NAMES } from '../../src/main/options/features.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { MODELS } from './scenario.ts';

/** What `default` is without one of its parts; everything else stays as it is. */
export interface Ablation {
  readonly name: string;
  readonly options: Partial<PlannerOptions>;
}

const SYNTHESIS = { models: [MODELS[0].id, MODELS[1].id] };

/** Parts that have a switch of their own, besides `features`. */
const PARTS: readonly Ablation[] = [
  { name: 'cache', options: { cache: false } },
  { name: 'similarStates', options: { cache: { similar: false } } },
  { name: 'confirmedStates', options: { cache: { similar: { distanceMax: 0.1, confirmedMax: 0.1 } } } },
  { name: 'earnedTrust', options: { cache: { trust: 'always' } } },
  { name: 'valuesGuard', options: { cache: { valuesMin: false } } },
  { name: 'loopGuard', options: { cache: { loopGuard: false } } },
  { name: 'cycleGuard', options: { cache: { cycleGuard: false } } },
  { name: 'adaptiveTtl', options: { cache: { ttlMs: 120_000 } } },
  { name: 'refreshAhead', options: { cache: { refreshAhead: false } } },
  { name: 'quorum', options: { quorum: 'all' } },
  { name: 'synthesisOnDisagreement', options: { synthesis: { ...SYNTHESIS, when: 'always' } } },
  { name: 'singleFlight', options: { singleFlight: false } },
  { name: 'timeSlices', options: { timeSlices: false } },
];

export const ABLATIONS: readonly Ablation[] = [
  ...PARTS,
  ...FEATURE_NAMES.map((name) => ({ name, options: { features: { [name]: false } } })),
];
