import type { Context } from '@opentelemetry/api';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Signature } from '../../shared/signature.ts';
import type { Miss } from '../cache/look.ts';

/** What every rung needs to know of a call of `plan()` to settle it. */
export interface Settling {
  readonly request: PlanRequest;
  readonly signature: Signature;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** The parent of its spans; undefined where nobody takes spans. */
  readonly trace: Context | undefined;
}

/** One call of `plan()` that the cache did not answer: what was asked, when, and by when. */
export interface PlanCall extends Settling {
  /** What the cache found; undefined without a cache. */
  readonly look: Miss | undefined;
  /** Higher is served first. */
  readonly priority: number;
}
