import { createPlanner } from '../../src/main/index.ts';
import { plannerOptions } from './conclave.ts';
import type { Contestant } from './contestant.ts';

/** The same plan read from probabilities: the four roles are questions of one request. */
export async function create(baseURL: string): Promise<Contestant> {
  const planner = await createPlanner({ ...plannerOptions(baseURL), answers: 'read' });
  return {
    plan: async (request) => {
      const plan = await planner.plan(request);
      if (plan.attempts.some(({ step, code }) => step !== 'read' || code !== 'OK'))
        throw new Error(`a plan was not read: ${JSON.stringify(plan.attempts)}`);
      return plan.action;
    },
    close: () => planner.close(),
  };
}
