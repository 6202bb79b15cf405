import type { Decision } from '../../shared/decision.ts';
import type { HitJudgement } from './evidence/hit-judge.ts';
import type { HitTier } from './false-hits.ts';
import type { NearKind } from './standing/tier-standing.ts';

/** An answer found for another state, and by what. */
export interface Near {
  readonly kind: NearKind;
  /** 0 for equal states, 1 for opposite ones. */
  readonly distance: number;
}

/** A remembered answer that is served. */
export interface Hit {
  readonly kind: 'hit';
  readonly tier: HitTier;
  /** One of the request's own. */
  readonly action: string;
  readonly reason: string;
  readonly decision: Decision;
  readonly scene: string;
  /** Of the state itself where undefined. */
  readonly near: Near | undefined;
  /** Models are to be asked again in the background: to see whether this was right, by a fair draw, or because it expires soon. */
  readonly again: 'check' | 'refresh' | undefined;
  readonly judgement: HitJudgement | undefined;
}

/** What memory has to say and does not serve before models were asked. It stands where they do not answer in time. */
export interface Standing {
  readonly tier: HitTier;
  /** One of the request's own. */
  readonly action: string;
  readonly reason: string;
  readonly decision: Decision;
}

/** What a tier would have said. */
export interface Said {
  readonly action: string;
  readonly decision: Decision;
}

/** What each tier would have said for a request that models are asked about, to be held against what they decide. */
export interface Shadow {
  /** Of the state itself, fresh. */
  readonly exact: Said | undefined;
  /** Of the state itself, expired. */
  readonly old: Said | undefined;
  readonly near: readonly (Near & Said)[];
}

export interface Miss {
  readonly kind: 'miss';
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
  /** What the agent did here twice without effect, or again and again without getting anywhere. */
  readonly inVain: string | undefined;
  /** Undefined where memory has nothing that it could serve. */
  readonly standing: Standing | undefined;
  /** The agent goes round in a cycle: the newest decision counts, and where there is none in time, memory stands. */
  readonly isCycle: boolean;
  /** Undefined where nothing is compared. */
  readonly shadow: Shadow | undefined;
  /** Where an answer would have come from, had it been served. */
  readonly tier: HitTier;
  /** What was predicted and not served, to be held against what models decide. */
  readonly judgement: HitJudgement | undefined;
}

export type Look = Hit | Miss;
