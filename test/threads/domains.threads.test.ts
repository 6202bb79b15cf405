import { expect, test } from 'vitest';
import { ExpertPool, poolOfDomain } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { startSimulator } from '../../src/workers/simulator/start.ts';
import { GUARD, ROVER } from '../support/make-domains.ts';

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
