import { createPlanner, type Planner } from '../../../src/main/index.ts';
import { cachedRequest, plannerOptions, STATES } from '../states.ts';

/** A planner that has every state in its cache. */
export async function warmPlanner(modelURL: string): Promise<Planner> {
  const planner = await createPlanner(plannerOptions(modelURL));
  // One after another: a newer request of an agent would replace its older one.
  for (let index = 0; index < STATES; index++) await planner.plan(cachedRequest(index));
  for (let index = 0; index < STATES; index++) {
    const { source } = await planner.plan(cachedRequest(index));
    if (source !== 'cache') throw new Error(`state ${index} was answered from ${source}`);
  }
  return planner;
}
