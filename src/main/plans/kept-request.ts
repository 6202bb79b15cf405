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

/** A request that no plan waits for is not kept if it is longer than this, in characters. */
export const REQUEST_CHARS_MAX = 100_000;

/** Approximate length of a request in characters, at least 1. */
export function charsOf({ observation, actions }: PlanRequest): number {
  let chars = 1;
  for (const action of actions) chars += action.length;
  for (const value of Object.values(observation)) {
    if (typeof value === 'string') chars += value.length;
    else if (Array.isArray(value)) for (const each of value) chars += String(each).length;
  }
  return chars;
}
