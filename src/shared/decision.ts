/** Where the answer of a plan came from, best first. */
export const PLAN_SOURCES = [
  'cache',
  'similar',
  'quorum',
  'synthesis',
  'fallback',
  'vote',
  'late',
  'stale',
  'heuristic',
] as const;
export type PlanSource = (typeof PLAN_SOURCES)[number];

/** The rungs on which a model decided. Only these are remembered. */
export const MODEL_SOURCES = ['quorum', 'synthesis', 'fallback', 'vote'] as const;
export type ModelSource = (typeof MODEL_SOURCES)[number];

/** How often an action was voted for, and with which confidence in sum. */
export interface TallyEntry {
  readonly action: string;
  readonly count: number;
  readonly weight: number;
}

/** What is remembered for a signature. */
export interface Decision {
  /** The winner of the tally. */
  readonly action: string;
  readonly reason: string;
  /** The rung that decided. */
  readonly source: ModelSource;
  /** The model that decided; empty where votes alone did. */
  readonly model: string;
  /** Milliseconds since the Unix epoch, by the steady clock of its process (`stampNow`). On disk, by the wall clock. */
  readonly decidedAtMs: number;
  /** How long the decision took, milliseconds. */
  readonly latencyMs: number;
  /** The votes by action, the winner first. */
  readonly tally: readonly TallyEntry[];
}
