import { expect, test } from 'vitest';
import { embedPlanner, spawnPlanner } from '../../src/main/index.ts';
import { ExpertPool, poolOfDomain } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { startSimulator } from '../../src/workers/simulator/start.ts';
import { asked, GUARD, ROVER } from '../support/make-domains.ts';

const TASK = {
  kind: 'expert',
  planId: 1,
  model: 'microsoft/phi-4-mini-reasoning',
  endpoint: 'server',
  situation: { observation: { place: 'cave', health: 50 }, actions: ['a', 'b'], topValues: [] },
  timeoutMs: 10_000,
  maxTokens: 100,
  temperature: 0,
  answer: 'text',
  thinks: false,
  stream: true,
} as const;

test('one thread asks the roles of each domain, and knows none of another', async () => {
  await using simulator = await startSimulator({ speed: 50, rates: NO_RATES });
  const pool = new ExpertPool({
    threads: 1,
    tasksPerThread: 8,
    stuckGraceMs: 400,
    domain: ROVER,
    domains: { rover: ROVER, guard: GUARD },
    endpoints: [{ name: 'server', baseURL: simulator.baseURL }],
    clock: systemClock,
  });
  try {
    const scout = await poolOfDomain(pool, 'rover').run({ ...TASK, role: 'scout' });
    const sentry = await poolOfDomain(pool, 'guard').run({ ...TASK, role: 'sentry' });
    const stranger = await poolOfDomain(pool, 'guard').run({ ...TASK, role: 'scout' });
    expect([scout.ok, sentry.ok, stranger.ok]).toEqual([true, true, false]);
    expect(!stranger.ok && stranger.error.message).toContain('unknown role scout');
  } finally {
    await pool.close();
  }
});

test.each([
  ['a thread', embedPlanner],
  ['a process', spawnPlanner],
] as const)('a planner in %s plans for each domain, and its host looks into the memory of each', async (_, start) => {
  await using simulator = await startSimulator({ speed: 50, rates: NO_RATES });
  const model = 'microsoft/phi-4-mini-reasoning';
  await using planner = await start({
    domains: {
      rover: { domain: ROVER, experts: [{ role: 'scout', model }] },
      guard: { domain: GUARD, experts: [{ role: 'sentry', model }] },
    },
    endpoints: { local: { baseURL: simulator.baseURL } },
    workers: { threads: 1 },
  });
  const plan = await planner.plan(asked('guard'), { timeoutMs: 10_000 });
  expect(plan).toMatchObject({ domain: 'guard', source: 'vote' });
  expect((await planner.peek(asked('guard')))?.action).toBe(plan.action);
  expect(await planner.peek(asked('rover'))).toBeUndefined();
  await expect(planner.plan(asked('gard'))).rejects.toThrow('did you mean guard?');
  await planner.observe(asked('rover'));
  const { domains } = await planner.stats();
  expect([domains?.rover?.plans.settled, domains?.guard?.plans.settled]).toEqual([0, 1]);
});
