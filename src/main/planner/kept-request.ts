import type { FeatureValue } from '../../shared/domain.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';

/** A copy of a request for the time after `plan()` has returned: a host may reuse its lists in the next frame. */
export function keptRequest(request: PlanRequest): PlanRequest {
  const { agent, actions, qValues } = request;
  const observation: Record<string, FeatureValue | undefined> = { ...request.observation };
  for (const [name, value] of Object.entries(observation)) {
    if (Array.isArray(value)) observation[name] = [...value];
  }
  return { agent, observation, actions: [...actions], ...(qValues && { qValues: { ...qValues } }) };
}
