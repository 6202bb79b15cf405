import type { PlanRequest } from '../../shared/plan-request.ts';

/** A copy of a request for the time after `plan()` has returned: a host may reuse its lists in the next frame. */
export function keptRequest(request: PlanRequest): PlanRequest {
  const { agent, observation, actions, qValues } = request;
  return { agent, observation: { ...observation }, actions: [...actions], ...(qValues && { qValues: { ...qValues } }) };
}
