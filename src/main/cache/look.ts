import type { Decision } from '../../shared/decision.ts';
import type { Judgement } from './evidence/hit-judge.ts';
import type { HitTier } from './false-hits.ts';

/** A remembered answer that is served. */
export interface Hit {
  readonly kind: 'hit';
  readonly tier: HitTier;
  /** One of the request's own. */
  readonly action: string;
  readonly reason: string;
  readonly decision: Decision;
  readonly scene: string;
  /** Models are to be asked again in the background: to see whether this was right, or because it expires soon. */
  readonly again: 'check' | 'refresh' | undefined;
  readonly judgement: Judgement | undefined;
}

export interface Miss {
  readonly kind: 'miss';
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
  /** What the agent did here twice without effect. */
  readonly inVain: string | undefined;
  /** Where an answer would have come from, had it been served. */
  readonly tier: HitTier;
  /** What was predicted and not served, to be held against what models decide. */
  readonly judgement: Judgement | undefined;
}

export type Look = Hit | Miss;
