import type { Context } from '@opentelemetry/api';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Signature } from '../../shared/signature.ts';
import type { Miss } from '../cache/look.ts';

/** The part of a call of `plan()` that every rung needs to settle it. */
export interface Settling {
  readonly request: PlanRequest;
  readonly signature: Signature;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** The parent of its spans; undefined if no spans are recorded. */
  readonly trace: Context | undefined;
}

/** One call of `plan()` that the cache did not answer: the request, its start and its deadline. */
export interface PlanCall extends Settling {
  /** The result of the cache lookup; undefined without a cache. */
  readonly look: Miss | undefined;
  /** Higher is served first. */
  readonly priority: number;
}
