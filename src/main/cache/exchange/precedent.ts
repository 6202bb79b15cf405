import type { Circumstances } from '../evidence/evidence.ts';

/** What was predicted before models decided. */
export interface PrecedentPrediction {
  readonly action: string;
  readonly isHabit: boolean;
  /** Input of the risk model. Undefined if the prediction was not judged. */
  readonly features: Float64Array | undefined;
}

/** A decision of models in the circumstances of an agent: what tallies, habits, ranks and surprise are learned from. */
export interface Precedent {
  readonly circumstances: Circumstances;
  readonly action: string;
  readonly prediction: PrecedentPrediction | undefined;
  /** The decision is part of the evidence already: it only shows whether this prediction was right. */
  readonly isCounted: boolean;
}
