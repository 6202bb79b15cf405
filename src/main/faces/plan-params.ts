import { describeValue, PlannerError } from '../../shared/errors.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Future } from '../plans/expectations/future.ts';

/**
 * A plan request over any wire: the members of a request plus `timeoutMs` and `priority`. The planner itself checks their values, so that a cached
 * plan is not checked twice.
 */
interface PlanParams extends PlanRequest {
  /** Time until the plan settles, in milliseconds. Default: the planner's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** If plans wait for models, higher numbers are served first. Default: the domain's priority of the scene, else 0. */
  readonly priority?: number;
}

export interface AskedPlan {
  /** Not checked yet: `plan` and `peek` reject invalid members, and unknown ones by name. */
  readonly request: PlanRequest;
  readonly timeoutMs: number | undefined;
  readonly priority: number | undefined;
}

/** Splits parameters received over a wire. Throws ERR_REQUEST_INVALID if they are not an object. */
export function askedPlan(params: unknown): AskedPlan {
  if (params === null || typeof params !== 'object' || Array.isArray(params)) {
    throw new PlannerError('ERR_REQUEST_INVALID', `request must be an object, got ${describeValue(params)}`);
  }
  // Most requests have neither, and are used unchanged.
  if (!('timeoutMs' in params || 'priority' in params)) {
    return { request: params as PlanRequest, timeoutMs: undefined, priority: undefined };
  }
  const { timeoutMs, priority, ...request } = params as PlanParams;
  return { request, timeoutMs, priority };
}

/** The futures in parameters received over a wire. Throws ERR_REQUEST_INVALID if there is anything else; the planner checks the futures. */
export function toldFutures(params: unknown): readonly Future[] {
  const { futures, ...others } = Object(params) as { readonly futures: readonly Future[] };
  const [other] = Object.keys(others);
  if (other === undefined) return futures;
  throw new PlannerError('ERR_REQUEST_INVALID', `only futures can be told, got ${describeValue(other)}`);
}

/** A plan whose attempts may be reported as they end. */
interface AskedCall extends AskedPlan {
  readonly progress: boolean;
}

/** Throws ERR_REQUEST_INVALID if `params` is not an object or `progress` not a boolean; the planner checks the rest. */
export function askedCall(params: unknown): AskedCall {
  const { request, timeoutMs, priority } = askedPlan(params);
  // Split only if present: a rest pattern costs as much as the planner's check.
  if (!('progress' in request)) return { request, timeoutMs, priority, progress: false };
  const { progress, ...rest } = request as PlanRequest & { readonly progress: unknown };
  if (typeof progress !== 'boolean') {
    throw new PlannerError('ERR_REQUEST_INVALID', `progress must be true or false, got ${describeValue(progress)}`);
  }
  return { request: rest, timeoutMs, priority, progress };
}
