import { describeValue, PlannerError } from '../../shared/errors.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';

const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;

/** Throws ERR_REQUEST_INVALID if the time or the priority of a plan is invalid. */
export function checkPlanOptions(timeoutMs: number, priority: number | undefined): void {
  if (!(typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
    const rule = `must be a number of milliseconds above 0 and at most ${TIMEOUT_MS_MAX}`;
    throw new PlannerError('ERR_REQUEST_INVALID', `timeoutMs ${rule}, got ${describeValue(timeoutMs)}`);
  }
  if (priority !== undefined && !Number.isFinite(priority)) {
    throw new PlannerError('ERR_REQUEST_INVALID', `priority must be a number, got ${describeValue(priority)}`);
  }
}

/** Default time of a plan: longer if the request has pictures. `imageNames` are those of the domain. */
export function defaultTimeoutMs(
  { timeoutMs, visionTimeoutMs }: Pick<ResolvedOptions, 'timeoutMs' | 'visionTimeoutMs'>,
  imageNames: readonly string[],
  { observation }: PlanRequest,
): number {
  for (const name of imageNames) if (observation[name] !== undefined) return visionTimeoutMs;
  return timeoutMs;
}
