import type { FeatureValue } from '../../shared/domain.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';

/** The same without these features: pictures, say, which are large and of one moment. */
export function keptWithout(request: PlanRequest, features: readonly string[]): PlanRequest {
  const kept = keptRequest(request);
  if (features.length === 0) return kept;
  const entries = Object.entries(kept.observation).filter(([name]) => !features.includes(name));
  return { ...kept, observation: Object.fromEntries(entries) };
}

/** A copy of a request for the time after `plan()` has returned: a host may reuse its lists in the next frame. */
export function keptRequest(request: PlanRequest): PlanRequest {
  const { agent, actions, qValues } = request;
  const observation: Record<string, FeatureValue | undefined> = { ...request.observation };
  for (const [name, value] of Object.entries(observation)) {
    if (Array.isArray(value)) observation[name] = [...value];
  }
  return { agent, observation, actions: [...actions], ...(qValues && { qValues: { ...qValues } }) };
}
