import { expect, test } from 'vitest';
import { ExpertPool } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { testDomain } from '../support/make-planner.ts';
import { startSilentServer } from '../support/silent-server.ts';

test('a pause of the coordinator is not taken for stuck workers', async () => {
  await using server = await startSilentServer();
  const lost: unknown[] = [];
  const pool = new ExpertPool({
    threads: 1,
    tasksPerThread: 64,
    stuckGraceMs: 200,
    domain: testDomain,
    endpoints: [{ name: 'silent', baseURL: server.baseURL }],
    clock: systemClock,
    onThreadLost: (event) => lost.push(event),
  });
  try {
    await pool.ready();
    const task = { kind: 'expert', planId: 1, role: 'one', model: 'm', endpoint: 'silent', timeoutMs: 150 } as const;
    const situation = { observation: { place: 'cave', health: 50 }, actions: ['a', 'b'], topValues: [] };
    const asked = { maxTokens: 10, temperature: 0, answer: 'text', thinks: false, stream: true } as const;
    const results = Array.from({ length: 20 }, () => pool.run({ ...task, situation, ...asked }));
    // In the phase before timers, so that the watchdog is looked at before the messages that came meanwhile.
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        const until = performance.now() + 700;
        while (performance.now() < until);
        resolve();
      }),
    );
    const codes = (await Promise.all(results)).map((result) => (result.ok ? 'OK' : result.error.code));
    expect(new Set(codes)).toEqual(new Set(['ERR_MODEL_TIMEOUT_HEADERS']));
    expect({ lost, stuck: pool.stats().stuck }).toEqual({ lost: [], stuck: 0 });
  } finally {
    await pool.close();
  }
});
