import { expect, test } from 'vitest';
import { createPlanner, type PlannerOptions, type PlanRequest, skyrim } from '../../src/main/index.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { startSimulator } from '../../src/workers/simulator/start.ts';
import { PLAIN_LADDER } from '../support/plain-ladder.ts';

const request: PlanRequest = {
  agent: 'lydia',
  observation: { scene: 'combat', health: 22, inCombat: true, enemiesNearby: 3, visual: 'three bandits with axes' },
  actions: ['attack', 'block', 'drink potion', 'retreat'],
  qValues: { attack: 0.2, block: 0.5, 'drink potion': 0.8, retreat: 0.7 },
};

const MODELS = ['microsoft/phi-4-mini-reasoning', 'mistralai/mistral-nemo-instruct-2407'] as const;

function options(baseURL: string): PlannerOptions {
  return {
    domain: skyrim,
    endpoints: { sim: { baseURL } },
    experts: skyrim.roles.map((role) => ({ role: role.name, model: MODELS[0] })),
    synthesis: { models: [...MODELS], when: 'always' },
    ...PLAIN_LADDER,
  };
}

test('four experts on worker threads and one synthesis decide; the second time the cache does', async () => {
  await using simulator = await startSimulator({ speed: 200, rates: NO_RATES, seed: 7 });
  await using planner = await createPlanner(options(simulator.baseURL));
  const first = await planner.plan(request);
  expect(first.source).toBe('synthesis');
  expect(first.attempts.map(({ step, code }) => `${step} ${code}`)).toEqual([
    ...Array(4).fill('expert OK'),
    'synthesis OK',
  ]);
  expect(request.actions).toContain(first.action);
  expect(first.reason).not.toBe('');
  const second = await planner.plan({ ...request, agent: 'farkas', actions: [...request.actions].reverse() });
  expect(second).toMatchObject({ source: 'cache', action: first.action, attempts: [] });
  const stats = planner.stats();
  expect(stats.calls).toMatchObject({ made: 5, useful: 5, running: 0 });
  expect(stats.models.reduce((sum, model) => sum + model.completionTokens, 0)).toBeGreaterThan(0);
});

test('a server full of faults costs quality, never an answer', async () => {
  const rates = { illegal: 0.2, ambiguous: 0.1, empty: 0.1, oddFormat: 0.2, think: 0.1, http500: 0.2, reset: 0.1 };
  await using simulator = await startSimulator({ speed: 500, rates: { ...NO_RATES, ...rates }, seed: 3 });
  await using planner = await createPlanner({ ...options(simulator.baseURL), cache: false });
  const plans = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      planner.plan({ ...request, observation: { ...request.observation, location: `place ${i}` } }),
    ),
  );
  expect(plans.every((plan) => request.actions.includes(plan.action))).toBe(true);
  const { sources, calls } = planner.stats();
  expect(sources.synthesis + sources.fallback + sources.vote + sources.heuristic).toBe(60);
  expect(sources.synthesis).toBeGreaterThan(0);
  expect(sources.fallback).toBeGreaterThan(0);
  expect(calls.failed).toBeGreaterThan(0);
});
