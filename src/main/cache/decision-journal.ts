import type { Decision } from '../../shared/decision.ts';
import type { StatePoint } from '../../shared/place.ts';
import type { Signature } from '../../shared/signature.ts';
import type { Precedent } from './exchange/precedent.ts';

/** Receives every change of what this node remembers, so that other nodes can follow. */
export interface DecisionJournal {
  /** The decision that is now remembered. `isAmended`: an entry was replaced, and its place and its copy on disk stay. */
  decided(
    signature: Signature,
    place: StatePoint | undefined,
    decision: Decision,
    expiresAtMs: number,
    isAmended: boolean,
  ): void;
  cleared(): void;
  /** A decision of models was learned here as evidence. */
  learned(precedent: Precedent): void;
}

/** What an agent did last, as another node learned it. */
export interface AgentAct {
  readonly agent: string;
  readonly signature: Signature;
  readonly scene: string;
  readonly action: string;
  /** Number of times in a row that the action was taken while the state stayed the same. */
  readonly repeats: number;
  /** Number of times in a row that the action was taken, in any state. */
  readonly streak: number;
  readonly isFromMemory: boolean;
}

export interface AgentNews {
  readonly acts: readonly AgentAct[];
  readonly dropped: number;
}
