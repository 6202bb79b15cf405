import { expect, test } from 'vitest';
import { createPlanner, skyrim } from '../../src/main/index.ts';
import { PLAIN_LADDER } from '../support/plain-ladder.ts';
import { startSilentServer } from '../support/silent-server.ts';

const ACTIONS = ['attack', 'block', 'retreat'];

test('1,000 plans against a server that never answers all settle, all legal, 100 at a time', async () => {
  await using server = await startSilentServer();
  await using planner = await createPlanner({
    domain: skyrim,
    endpoints: { silent: { baseURL: server.baseURL, maxConcurrent: 1_000 } },
    experts: skyrim.roles.map((role) => ({ role: role.name, model: 'm' })),
    synthesis: { models: ['m'], when: 'always' },
    ...PLAIN_LADDER,
  });
  const sources = new Set<string>();
  let next = 0;
  let legal = 0;
  const run = async (): Promise<void> => {
    for (let i = next++; i < 1_000; i = next++) {
      const observation = { scene: 'combat' as const, health: 50, inCombat: true, location: `place ${i}` };
      const plan = await planner.plan({ agent: `agent ${i % 7}`, observation, actions: ACTIONS }, { timeoutMs: 200 });
      if (ACTIONS.includes(plan.action)) legal++;
      sources.add(plan.source);
    }
  };
  await Promise.all(Array.from({ length: 100 }, run));
  expect({ legal, sources: [...sources] }).toEqual({ legal: 1_000, sources: ['heuristic'] });
  const stats = planner.stats();
  expect(stats.plans).toMatchObject({ settled: 1_000, inFlight: 0 });
  // 15 ms is for bench:deadline on a quiet machine; here it only has to be nowhere near a model's own time.
  expect(stats.latenessMs.p99).toBeLessThan(2_000);
  // How many calls begin within 200 ms depends on the machine; those of the first hundred plans do on any.
  expect(server.accepted).toBeGreaterThanOrEqual(100);
});

test('the server sees the connections of an abandoned plan close within 100 ms', async () => {
  await using server = await startSilentServer();
  await using planner = await createPlanner({
    domain: skyrim,
    endpoints: { silent: { baseURL: server.baseURL } },
    experts: skyrim.roles.map((role) => ({ role: role.name, model: 'm' })),
    ...PLAIN_LADDER,
  });
  const controller = new AbortController();
  const plan = planner.plan(
    { agent: 'lydia', observation: { scene: 'combat', health: 50, inCombat: true }, actions: ACTIONS },
    { signal: controller.signal },
  );
  plan.catch(() => {});
  await until(() => server.open === 4);
  const abortedAt = performance.now();
  controller.abort();
  await expect(plan).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
  await until(() => server.open === 0);
  expect(performance.now() - abortedAt).toBeLessThan(100);
});

/** Turns the event loop until `condition` holds; bounded by the test's own time limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
