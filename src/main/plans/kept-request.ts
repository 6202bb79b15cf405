import type { FeatureValue, ImageValue } from '../../shared/domain.ts';
import { isLong, OwnedRequest } from '../../shared/owned-request.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';

/** A copy of a request for use after `plan()` has returned: a host may reuse its lists in the next frame. An owned request is not copied. */
export function keptRequest(request: PlanRequest): PlanRequest {
  if (OwnedRequest.is(request)) return request;
  const { agent, actions, qValues, domain } = request;
  const observation: Record<string, FeatureValue | undefined> = { ...request.observation };
  for (const [name, value] of Object.entries(observation)) {
    if (Array.isArray(value)) observation[name] = [...value];
  }
  const named = domain === undefined ? {} : { domain };
  const kept = { agent, observation, actions: [...actions], ...(qValues && { qValues: { ...qValues } }), ...named };
  return isLong(actions) ? new OwnedRequest(kept) : kept;
}

/** A request that no plan waits for is not kept if it is longer than this, in characters. */
export const REQUEST_CHARS_MAX = 100_000;

/** Approximate length of a request in characters, at least 1. */
export function charsOf({ observation, actions, qValues }: PlanRequest): number {
  let chars = 1;
  for (const action of actions) chars += action.length;
  // To read the names of very many values takes longer than the rest: those of a long request are taken for its actions.
  if (qValues !== undefined && isLong(actions)) chars *= 2;
  else for (const name in qValues) chars += name.length;
  for (const value of Object.values(observation)) chars += charsOfValue(value);
  return chars;
}

function charsOfValue(value: FeatureValue | undefined): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object') return 0;
  return isImage(value) ? value.base64.length : value.reduce((chars, each) => chars + each.length, 0);
}

function isImage(value: Exclude<FeatureValue, string | number | boolean>): value is Exclude<ImageValue, string> {
  return !Array.isArray(value);
}
