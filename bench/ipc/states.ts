import { type PlannerOptions, skyrim } from '../../src/main/index.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { MODEL, requestOf } from '../requests.ts';

/** States that are planned over and over: all of them are in the cache. */
export const STATES = 1_000;

/** Request number `index`, whose values speak for what the server answers, so that they do not contradict the cache. */
export function cachedRequest(index: number): PlanRequest {
  const request = requestOf(index);
  return { ...request, qValues: { ...request.qValues, [request.actions[1] as string]: 1 } };
}

/**
 * All hits: an agent that sees the same states again and again would be served each of them twice only, and a check of a hit
 * is a load that no real server would let through as fast as this one does. What is left out is in bench/README.md.
 */
export function plannerOptions(baseURL: string): PlannerOptions {
  return {
    domain: skyrim,
    endpoints: { bench: { baseURL } },
    experts: skyrim.roles.map(({ name }) => ({ role: name, model: MODEL })),
    cache: { entries: 2 * STATES, ttlMs: 3_600_000, similar: false, loopGuard: false, checkShare: 0 },
  };
}
