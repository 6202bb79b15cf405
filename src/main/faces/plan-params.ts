import { describeValue, PlannerError } from '../../shared/errors.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';

/**
 * How a plan is asked for over any wire: the members of a request and, beside them, `timeoutMs` and `priority`. What is in
 * them is checked by the planner itself, once, so that a cached plan does not pay twice.
 */
export interface PlanParams extends PlanRequest {
  /** Time until the plan settles, milliseconds. Default: the planner's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** If plans wait for models, higher numbers are served first. Default: the domain's priority of the scene, else 0. */
  readonly priority?: number;
}

export interface AskedPlan {
  /** Not checked yet: `plan` and `peek` refuse what breaks a rule, an unknown member by its name. */
  readonly request: PlanRequest;
  readonly timeoutMs: number | undefined;
  readonly priority: number | undefined;
}

/** Takes apart what came over a wire. Throws ERR_REQUEST_INVALID where it is no object. */
export function askedPlan(params: unknown): AskedPlan {
  if (params === null || typeof params !== 'object' || Array.isArray(params)) {
    throw new PlannerError('ERR_REQUEST_INVALID', `request must be an object, got ${describeValue(params)}`);
  }
  // Most requests have neither, and are as they should be.
  if (!('timeoutMs' in params || 'priority' in params)) {
    return { request: params as PlanRequest, timeoutMs: undefined, priority: undefined };
  }
  const { timeoutMs, priority, ...request } = params as PlanParams;
  return { request, timeoutMs, priority };
}

/** A plan whose attempts may be reported as they end. */
export interface AskedCall extends AskedPlan {
  readonly progress: boolean;
}

/** Throws ERR_REQUEST_INVALID where `params` is no object or `progress` no flag; the rest is for the planner to check. */
export function askedCall(params: unknown): AskedCall {
  const { request, timeoutMs, priority } = askedPlan(params);
  // Looked for only where it is: a rest without it costs as much as the planner's check.
  if (!('progress' in request)) return { request, timeoutMs, priority, progress: false };
  const { progress, ...rest } = request as PlanRequest & { readonly progress: unknown };
  if (typeof progress !== 'boolean') {
    throw new PlannerError('ERR_REQUEST_INVALID', `progress must be true or false, got ${describeValue(progress)}`);
  }
  return { request: rest, timeoutMs, priority, progress };
}
