import { createPlanner, type PlannerOptions, skyrim } from '../../src/main/index.ts';
import { allFeatures } from '../../src/main/options/features.ts';
import { MODEL } from '../requests.ts';
import type { Contestant } from './contestant.ts';

/**
 * The calls that every contestant makes: four experts at once, then a synthesis, and nothing that would spare some of them.
 * The cache is on and never hit, since every request is in a state of its own.
 */
export function plannerOptions(baseURL: string): PlannerOptions {
  return {
    domain: skyrim,
    endpoints: { bench: { baseURL } },
    experts: skyrim.roles.map(({ name }) => ({ role: name, model: MODEL })),
    synthesis: { models: [MODEL], when: 'always' },
    cache: { similar: false },
    quorum: 'all',
    features: { ...allFeatures(false), streaming: true },
    answers: 'write',
  };
}

export async function create(baseURL: string): Promise<Contestant> {
  const planner = await createPlanner(plannerOptions(baseURL));
  return {
    plan: async (request) => {
      const plan = await planner.plan(request);
      const failed = plan.attempts.find(({ code }) => code !== 'OK');
      if (failed) throw new Error(`the ${failed.step} ${failed.role ?? ''} failed: ${failed.code} ${failed.message}`);
      return plan.action;
    },
    close: () => planner.close(),
  };
}
