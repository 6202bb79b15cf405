import { allFeatures } from '../../src/main/options/features.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';

/** Every expert is asked once, and a synthesis follows: for tests of what such calls do, not of which are made. */
export const PLAIN_LADDER = {
  quorum: 'all',
  answers: 'write',
  features: { ...allFeatures(false), streaming: true },
} as const satisfies Partial<PlannerOptions>;
