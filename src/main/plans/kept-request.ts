import type { FeatureValue } from '../../shared/domain.ts';
import { isLong, OwnedRequest } from '../../shared/owned-request.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';

/** A copy of a request for use after `plan()` has returned: a host may reuse its lists in the next frame. An owned request is not copied. */
export function keptRequest(request: PlanRequest): PlanRequest {
  if (OwnedRequest.is(request)) return request;
  const { agent, actions, qValues } = request;
  const observation: Record<string, FeatureValue | undefined> = { ...request.observation };
  for (const [name, value] of Object.entries(observation)) {
    if (Array.isArray(value)) observation[name] = [...value];
  }
  const kept = { agent, observation, actions: [...actions], ...(qValues && { qValues: { ...qValues } }) };
  return isLong(actions) ? new OwnedRequest(kept) : kept;
}
