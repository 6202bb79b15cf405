import { expect, test } from 'vitest';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';
import { drive, flush } from '../../../support/drive.ts';
import { request } from '../../../support/make-planner.ts';
import { openFace, RawConnection, rawPlan } from '../../../support/open-face.ts';

const events = { accept: 'text/event-stream' };

/** The events of a stream, as [name, data]. */
function eventsOf(text: string): [string, Record<string, unknown>][] {
  return text
    .split('\n\n')
    .filter((each) => each !== '')
    .map((each) => {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(each) ?? [];
      return [name as string, JSON.parse(data as string)];
    });
}

test('a plan is answered as JSON', async () => {
  await using at = await openFace();
  const response = await drive(at.clock, at.post({ ...request(), timeoutMs: 500, priority: 3 }));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const plan = (await response.json()) as Plan;
  expect(plan).toMatchObject({ id: 1, agent: 'tester', action: 'block', source: 'synthesis' });
  expect(plan.attempts).toHaveLength(3);
});

test('timeoutMs beside the request is the time of the plan', async () => {
  await using at = await openFace({ script: () => ({ kind: 'times-out' }) });
  const startedAtMs = at.clock.now();
  const response = await drive(at.clock, at.post({ ...request(), timeoutMs: 50 }));
  expect(await response.json()).toMatchObject({ source: 'heuristic' });
  expect(at.clock.now() - startedAtMs).toBeLessThanOrEqual(60);
});

test('a cached plan is answered without a model', async () => {
  await using at = await openFace({ planner: { cache: { checkShare: 0 } } });
  await drive(at.clock, at.post(request()));
  const calls = at.models.calls.length;
  const response = await at.post(request({ agent: 'other' }));
  expect(await response.json()).toMatchObject({ source: 'cache', action: 'block' });
  expect(at.models.calls).toHaveLength(calls);
});

test('events tell each attempt as it ends, then the plan', async () => {
  await using at = await openFace({
    script: ({ role }) => ({
      kind: 'answers',
      action: role === 'two' ? 'flee' : 'block',
      afterMs: role === 'two' ? 40 : 10,
    }),
  });
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan(undefined, ['accept: text/event-stream']));
  await client.until((text) => text.includes('\r\n\r\n'));
  expect(client.received).toMatch(/^HTTP\/1.1 200/);
  expect(client.received).not.toContain('event:');
  at.clock.advance(10);
  await client.until((text) => text.includes('event: attempt'));
  expect(client.received).toContain('"role":"one"');
  expect(client.received).not.toContain('"role":"two"');
  await drive(
    at.clock,
    client.until((text) => text.includes('event: plan')),
  );
  expect(client.received.match(/event: attempt/g)).toHaveLength(3);
  await client.until((text) => text.endsWith('0\r\n\r\n'));
});

test('events of a cached plan are the plan alone', async () => {
  await using at = await openFace();
  await drive(at.clock, at.post(request()));
  const response = await at.post(request({ agent: 'other' }), events);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(eventsOf(await response.text())).toMatchObject([['plan', { source: 'cache', action: 'block' }]]);
});

test('what breaks a rule is a problem with its status, also where events are asked for', async () => {
  await using at = await openFace();
  const response = await at.post({ ...request(), actions: [] }, events);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'ERR_REQUEST_INVALID', retryable: false });
});

test('a stream ends with a plan when the planner closes', async () => {
  await using at = await openFace({ script: () => ({ kind: 'times-out' }) });
  const response = await at.post(request(), events);
  await at.planner.close();
  expect(eventsOf(await response.text()).at(-1)).toMatchObject(['plan', { source: 'heuristic' }]);
});

test('an error after the stream has begun is an event', async () => {
  await using at = await openFace();
  const fails = Promise.withResolvers<Plan>();
  at.planner.planNow = () => fails.promise;
  const response = await at.post(request(), events);
  fails.reject(new PlannerError('ERR_PEER_EXITED', 'the thread has ended', { retryable: true }));
  const problem = { code: 'ERR_PEER_EXITED', detail: 'the thread has ended', status: 502, retryable: true };
  expect(eventsOf(await response.text())).toMatchObject([['error', problem]]);
});

test('a full planner is 503 with Retry-After, and the plan in flight is not touched', async () => {
  await using at = await openFace({
    script: () => ({ kind: 'answers', action: 'flee', afterMs: 20 }),
    planner: { maxInFlight: 1 },
  });
  const first = at.post(request());
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  for (const headers of [{}, events]) {
    const refused = await at.post(request({ agent: 'other' }), headers);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'ERR_PLANNER_OVERLOADED', retryable: true });
  }
  expect(await (await drive(at.clock, first)).json()).toMatchObject({ action: 'flee' });
});

test.each([
  ['JSON', {}],
  ['events', events],
])('a client that goes away cancels its plan and its calls (%s)', async (_, headers) => {
  await using at = await openFace({ script: () => ({ kind: 'times-out' }) });
  const gone = new AbortController();
  const asked = at.post(request(), headers, gone.signal).then(
    (response) => response.text(),
    () => '',
  );
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  gone.abort();
  await asked.catch(() => {});
  await expect.poll(() => at.planner.stats().plans.cancelled).toBe(1);
  expect(at.planner.stats().plans.inFlight).toBe(0);
  await expect.poll(() => at.models.calls.every(({ cancelled }) => cancelled)).toBe(true);
});

test('a client that goes away takes no other plan along', async () => {
  await using at = await openFace({ script: () => ({ kind: 'answers', action: 'flee', afterMs: 20 }) });
  const gone = await RawConnection.open(at.port);
  gone.socket.write(rawPlan());
  const stays = at.post(request({ agent: 'other', observation: { place: 'hill', health: 1 } }));
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(2);
  gone.socket.resetAndDestroy();
  await expect.poll(() => at.planner.stats().plans.cancelled).toBe(1);
  expect(await (await drive(at.clock, stays)).json()).toMatchObject({ agent: 'other', action: 'flee' });
});

test('pipelined requests of one connection are answered in their order', async () => {
  await using at = await openFace();
  await drive(at.clock, at.post(request()));
  using client = await RawConnection.open(at.port);
  const agents = ['first', 'second', 'third'];
  client.socket.write(Buffer.concat(agents.map((agent) => rawPlan(JSON.stringify(request({ agent }))))));
  const text = await client.until((received) => received.includes('"agent":"third"'));
  expect([...text.matchAll(/"agent":"(\w+)"/g)].map(([, agent]) => agent)).toEqual(agents);
});

test('no listener and no timer is left by plans of a kept connection', async () => {
  await using at = await openFace({ planner: { cache: { checkShare: 0 } } });
  await drive(at.clock, at.post(request()));
  const timers = at.clock.pendingTimers;
  for (let i = 0; i < 50; i++) await (await at.post(request({ agent: `agent ${i}` }))).text();
  await flush();
  expect(at.planner.stats().plans.settled).toBe(51);
  expect(at.clock.pendingTimers).toBe(timers);
});
