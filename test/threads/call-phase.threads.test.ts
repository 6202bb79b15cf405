import { expect, test } from 'vitest';
import type { LastSeen } from '../../src/main/models/calls/attempt.ts';
import { AttemptLog } from '../../src/main/models/calls/attempt-log.ts';
import { ExpertPool } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { testDomain } from '../support/make-planner.ts';
import { eventually } from '../support/raw-client.ts';
import { events, FINISH, piece, ScriptedServer, streamHead } from '../support/scripted-server.ts';

const ACTIONS = ['attack', 'block'];

// Schedule: the server takes the call; then each part of its answer comes when the test has seen the phase before it.
test('a call on a worker thread tells how far it has come, in shared memory', async () => {
  await using server = await ScriptedServer.start();
  const pool = new ExpertPool({
    threads: 1,
    tasksPerThread: 4,
    stuckGraceMs: 400,
    domain: testDomain,
    endpoints: [{ name: 'server', baseURL: server.baseURL }],
    clock: systemClock,
  });
  const log = new AttemptLog();
  const attempt = log.begin({ step: 'expert', role: 'one', model: 'm', endpoint: 'server' }, 0);
  attempt.called(0);
  const seen = (): LastSeen | undefined => log.snapshot(1, 0)[0]?.lastSeen;
  const arrival = server.next();
  server.script = () => {};
  const situation = { observation: { place: 'cave', health: 50 }, actions: ACTIONS, topValues: [] };
  const wanted = { kind: 'expert', planId: 1, role: 'one', model: 'm', endpoint: 'server', situation } as const;
  const terms = {
    maxTokens: 100,
    temperature: 0,
    timeoutMs: 30_000,
    answer: 'text',
    thinks: false,
    stream: true,
  } as const;
  const result = pool.run({ ...wanted, ...terms }, undefined, { onSent: (phaseOf) => attempt.sent(phaseOf) });
  const { response } = await arrival;
  await eventually(() => seen() === 'sent', 'it is sent');
  streamHead(response, ': nothing yet\n\n');
  await eventually(() => seen() === 'headers', 'it has headers');
  response.write(events(piece('ACTION: ')));
  await eventually(() => seen() === 'token', 'it has a token');
  response.end(events(piece('block\n'), FINISH, '[DONE]'));
  expect(await result).toMatchObject({ ok: true, vote: { action: 'block' } });
  // The next task of the slot begins anew.
  let next: LastSeen | undefined;
  const second = log.begin({ step: 'expert', role: 'two', model: 'm', endpoint: 'server' }, 0);
  second.called(0);
  const controller = new AbortController();
  const cancelled = pool.run({ ...wanted, ...terms }, controller.signal, {
    onSent: (phaseOf) => {
      second.sent(phaseOf);
      next = log.snapshot(1, 0)[1]?.lastSeen;
    },
  });
  controller.abort();
  await cancelled;
  expect([next, seen()]).toEqual(['called', 'called']);
  await pool.close();
});
