import { expect, test } from 'vitest';
import { ExpertPool } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { startSimulator } from '../../src/workers/simulator/start.ts';
import { testDomain } from '../support/make-planner.ts';
import { startSilentServer } from '../support/silent-server.ts';

const TASK = {
  kind: 'expert',
  planId: 1,
  role: 'one',
  model: 'microsoft/phi-4-mini-reasoning',
  endpoint: 'server',
  situation: { observation: { place: 'cave', health: 50 }, actions: ['a', 'b'], topValues: [] },
  maxTokens: 100,
  temperature: 0,
  answer: 'text',
  thinks: false,
  stream: true,
} as const;

function pool(baseURL: string): ExpertPool {
  return new ExpertPool({
    threads: 1,
    tasksPerThread: 8,
    stuckGraceMs: 400,
    domain: testDomain,
    endpoints: [{ name: 'server', baseURL }],
    clock: systemClock,
  });
}

test('a task that primes tells its first token once, before its result; others tell nothing', async () => {
  await using simulator = await startSimulator({ speed: 50, rates: NO_RATES });
  const experts = pool(simulator.baseURL);
  try {
    const heard: string[] = [];
    const primed = experts.run({ ...TASK, timeoutMs: 10_000 }, undefined, {
      onFirstToken: () => heard.push('first token'),
    });
    await primed.then(({ ok }) => heard.push(`result ${ok}`));
    // Of the same slot of shared memory as the first one.
    await experts.run({ ...TASK, timeoutMs: 10_000 }).then(({ ok }) => heard.push(`result ${ok}`));
    expect(heard).toEqual(['first token', 'result true', 'result true']);
  } finally {
    await experts.close();
  }
});

test('a task that ends without a token tells none, and leaves nobody waiting', async () => {
  await using server = await startSilentServer();
  const experts = pool(server.baseURL);
  try {
    let heard = 0;
    const result = await experts.run({ ...TASK, timeoutMs: 100 }, undefined, { onFirstToken: () => heard++ });
    expect({ ok: result.ok, heard }).toEqual({ ok: false, heard: 0 });
  } finally {
    await experts.close();
  }
});
