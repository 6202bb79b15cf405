import { expect, test, vi } from 'vitest';
import { createPlanner, type PlannerOptions, type PlanRequest, skyrim } from '../../src/main/index.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { startSimulator } from '../../src/workers/simulator/start.ts';
import { PLAIN_LADDER } from '../support/plain-ladder.ts';

const request = (health: number, agent = 'lydia'): PlanRequest => ({
  agent,
  observation: { scene: 'combat', health, inCombat: true, enemiesNearby: 3 },
  actions: ['attack', 'block', 'drink potion', 'retreat'],
});

const MODEL = 'microsoft/phi-4-mini-reasoning';

function options(baseURL: string, maxConcurrent: number): PlannerOptions {
  return {
    domain: skyrim,
    endpoints: { sim: { baseURL, maxConcurrent } },
    experts: skyrim.roles.map((role) => ({ role: role.name, model: MODEL })),
    synthesis: { models: [MODEL], when: 'always' },
    ...PLAIN_LADDER,
    cache: { checkShare: 1, refreshAhead: false },
  };
}

test('what was served is asked again on worker threads, and counted', async () => {
  await using simulator = await startSimulator({ speed: 200, rates: NO_RATES, seed: 7 });
  await using planner = await createPlanner(options(simulator.baseURL, 64));
  await planner.plan(request(22));
  expect((await planner.plan(request(22, 'farkas'))).source).toBe('cache');
  await vi.waitFor(() => expect(planner.stats().background.done).toBe(1), { timeout: 10_000 });
  const { cache, calls, background } = planner.stats();
  expect(cache).toMatchObject({ falseHits: { exact: { served: 1, checked: 1 } } });
  expect(calls).toMatchObject({ made: 10, running: 0 });
  expect(background).toMatchObject({ queued: 0, running: 0, failed: 0, cancelled: 0 });
});

// Schedule: a check holds every slot of a slow server; a plan in another state has to wait. It has a minute, so the check ends.
test('a plan that can wait leaves what is asked in the background, down to the server', async () => {
  await using simulator = await startSimulator({ speed: 4, rates: NO_RATES, seed: 7 });
  await using planner = await createPlanner(options(simulator.baseURL, 4));
  await planner.plan(request(22), { timeoutMs: 60_000 });
  await planner.plan(request(22, 'farkas'));
  await vi.waitFor(() => expect(planner.stats().calls.running).toBe(4), { timeout: 10_000, interval: 5 });
  expect((await planner.plan(request(90), { timeoutMs: 60_000 })).source).toBe('synthesis');
  // Which of the two ends first depends on the lengths of their prompts.
  await vi.waitFor(() => expect(planner.stats().background.running).toBe(0), { timeout: 10_000 });
  const { background, calls } = planner.stats();
  expect(background).toMatchObject({ done: 1, cancelled: 0 });
  expect(calls).toMatchObject({ cancelled: 0 });
});

test('close cancels what is asked in the background and ends', async () => {
  await using simulator = await startSimulator({ speed: 4, rates: NO_RATES, seed: 7 });
  const planner = await createPlanner(options(simulator.baseURL, 4));
  await planner.plan(request(22), { timeoutMs: 60_000 });
  await planner.plan(request(22, 'farkas'));
  await vi.waitFor(() => expect(planner.stats().calls.running).toBe(4), { timeout: 10_000, interval: 5 });
  await planner.close();
  expect(planner.stats().background).toMatchObject({ queued: 0, running: 0, done: 0, cancelled: 1 });
  expect(planner.stats().calls.running).toBe(0);
});
