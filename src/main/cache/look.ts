import type { Decision } from '../../shared/decision.ts';
import type { HitJudgement } from './evidence/hit-judge.ts';
import type { HitTier } from './false-hits.ts';
import type { NearKind } from './standing/tier-standing.ts';

/** How an answer for another state was found. */
export interface Near {
  readonly kind: NearKind;
  /** Distance to that state: 0 for equal states, 1 for opposite ones. */
  readonly distance: number;
}

/** A remembered answer that is served. */
export interface Hit {
  readonly kind: 'hit';
  readonly tier: HitTier;
  /** One of the request's actions. */
  readonly action: string;
  readonly reason: string;
  readonly decision: Decision;
  /** When the entry that was served is no longer fresh. */
  readonly expiresAtMs: number;
  readonly scene: string;
  /** The similar state that the decision is for. Undefined if it is for the same state. */
  readonly near: Near | undefined;
  /** Why models are asked again in the background: as a check, drawn at random, or as a refresh, because the entry expires soon. */
  readonly again: 'check' | 'refresh' | undefined;
  readonly judgement: HitJudgement | undefined;
}

/** An answer from memory that is not served before models were asked. It is used if they do not answer in time. */
export interface Standing {
  readonly tier: HitTier;
  /** One of the request's actions. */
  readonly action: string;
  readonly reason: string;
  readonly decision: Decision;
}

/** The answer that a tier would have given. */
export interface Said {
  readonly action: string;
  readonly decision: Decision;
}

/** The answer that each tier would have given for a request that models are asked about, for comparison with their decision. */
export interface Shadow {
  /** A fresh decision for the same state. */
  readonly exact: Said | undefined;
  /** An expired decision for the same state. */
  readonly old: Said | undefined;
  readonly near: readonly (Near & Said)[];
}

export interface Miss {
  readonly kind: 'miss';
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
  /** The action that has had no effect here twice, or that was repeated in a cycle. */
  readonly inVain: string | undefined;
  /** Undefined if memory has nothing that it could serve. */
  readonly standing: Standing | undefined;
  /** True if the agent repeats a cycle: the newest decision counts, and if none comes in time, the answer from memory. */
  readonly isCycle: boolean;
  /** Undefined if nothing is to be compared. */
  readonly shadow: Shadow | undefined;
  /** The tier that the answer would have come from. */
  readonly tier: HitTier;
  /** A prediction that was not served, for comparison with the decision of models. */
  readonly judgement: HitJudgement | undefined;
}

export type Look = Hit | Miss;
