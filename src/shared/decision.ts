/** The sources of a plan's answer, best first. */
export const PLAN_SOURCES = [
  'cache',
  'similar',
  'habit',
  'quorum',
  'synthesis',
  'fallback',
  'vote',
  'late',
  'stale',
  'heuristic',
] as const;
export type PlanSource = (typeof PLAN_SOURCES)[number];

/** Whether memory answered, and not because no model was in time. */
export function isFromTier(source: PlanSource): source is 'cache' | 'similar' | 'habit' {
  return source === 'cache' || source === 'similar' || source === 'habit';
}

/** The sources for which a model decided. Only these are remembered. */
export const MODEL_SOURCES = ['quorum', 'synthesis', 'fallback', 'vote'] as const;
export type ModelSource = (typeof MODEL_SOURCES)[number];

/** How often an action was voted for, and the sum of the votes' confidence. */
export interface TallyEntry {
  readonly action: string;
  readonly count: number;
  readonly weight: number;
}

/** The cache's entry for a signature. */
export interface Decision {
  /** The winner of the tally. */
  readonly action: string;
  readonly reason: string;
  /** The rung that decided. */
  readonly source: ModelSource;
  /** The model that decided. Empty if votes alone decided. */
  readonly model: string;
  /** When it was decided, in milliseconds since the Unix epoch: by the process's steady clock (`stampNow`), on disk by the wall clock. */
  readonly decidedAtMs: number;
  /** How long the decision took, in milliseconds. */
  readonly latencyMs: number;
  /** The votes by action, the winner first. */
  readonly tally: readonly TallyEntry[];
  /** Present if all of it was decided ahead, for a state that an agent was only expected to be in. */
  readonly foreseen?: true;
}
