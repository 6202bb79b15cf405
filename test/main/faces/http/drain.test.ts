import { expect, test } from 'vitest';
import { drive, flush } from '../../../support/drive.ts';
import { request } from '../../../support/make-planner.ts';
import { openFace, RawConnection, rawPlan } from '../../../support/open-face.ts';

const GET = 'GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n';
const slow = { script: () => ({ kind: 'answers', action: 'flee', afterMs: 20 }) as const };

test('a drain answers what is under way, then ends its connection', async () => {
  await using at = await openFace(slow);
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan());
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  const drained = at.face.drain();
  await drive(at.clock, client.ended);
  expect(client.received).toMatch(/^HTTP\/1.1 200/);
  expect(client.received).toMatch(/connection: close/i);
  expect(client.received).toContain('"flee"');
  await drained;
});

test('a drain lets events end with their plan', async () => {
  await using at = await openFace(slow);
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan(undefined, ['accept: text/event-stream']));
  await client.until((text) => text.includes('event-stream'));
  const drained = at.face.drain();
  await drive(at.clock, client.ended);
  expect(client.received).toContain('event: plan');
  await drained;
});

test('a drain ends connections that wait for nothing, and takes no new ones', async () => {
  await using at = await openFace();
  using idle = await RawConnection.open(at.port);
  idle.socket.write(GET);
  await idle.until((text) => text.includes('ready'));
  await Promise.all([at.face.drain(), idle.ended]);
  await expect(at.call('/healthz')).rejects.toThrow('fetch failed');
});

test('a drain waits for half a request no longer than it may take', async () => {
  await using at = await openFace({ http: { headersTimeoutMs: 100, requestTimeoutMs: 200 } });
  using head = await RawConnection.open(at.port);
  head.socket.write('GET /healthz HTTP/1.1\r\nhost: loc');
  using body = await RawConnection.open(at.port);
  body.socket.write(rawPlan().subarray(0, -1));
  // What comes after both has been read after both.
  expect((await at.call('/healthz')).status).toBe(200);
  await Promise.all([at.face.drain(), head.ended, body.ended]);
});

test('a request behind one that is under way is refused while the server goes down', async () => {
  await using at = await openFace(slow);
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan());
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  const drained = at.face.drain();
  client.socket.write(rawPlan(JSON.stringify(request({ agent: 'late' }))));
  await drive(at.clock, client.ended);
  await drained;
  expect(client.received).toContain('"flee"');
  expect(client.received).not.toContain('"late"');
  expect(at.planner.stats().plans.settled).toBe(1);
});

test('readyz tells that the server goes down', async () => {
  await using at = await openFace();
  await at.planner.close();
  const response = await at.call('/readyz');
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: 'ERR_PLANNER_CLOSED', detail: 'the server is going down' });
  expect((await at.call('/healthz')).status).toBe(200);
});

test('readyz tells that every model server rests, and which, until one is asked again', async () => {
  await using at = await openFace({
    script: () => ({ kind: 'errors', code: 'ERR_MODEL_REFUSED' }),
    planner: { features: { breaker: true }, cache: false },
  });
  expect((await at.call('/readyz')).status).toBe(200);
  for (let i = 0; i < 20 && at.planner.stats().endpoints[0]?.breaker.state !== 'open'; i++) {
    at.clock.advance(200);
    await drive(at.clock, at.post(request({ agent: `a ${i}` })));
  }
  const response = await at.call('/readyz');
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    code: 'ERR_ENDPOINT_RESTING',
    detail: 'every model server rests after failures: fake',
    retryable: true,
  });
});

test('close cancels what is under way and ends every connection', async () => {
  await using at = await openFace({ script: () => ({ kind: 'times-out' }) });
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan());
  using half = await RawConnection.open(at.port);
  half.socket.write('GET /he');
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  await Promise.all([at.face.close(), client.ended, half.ended]);
  await flush();
  expect(at.planner.stats().plans).toMatchObject({ inFlight: 0, cancelled: 1 });
});

test('close ends a drain that waits, and both may be asked for twice', async () => {
  await using at = await openFace({ script: () => ({ kind: 'times-out' }) });
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan());
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  const drained = at.face.drain();
  await Promise.all([at.face.close(), at.face.close(), drained, at.face.drain(), client.ended]);
});

test('a closed face has let go of its port, its timers and its listeners', async () => {
  const at = await openFace();
  const { port, planner } = at;
  await at[Symbol.asyncDispose]();
  expect(at.clock.pendingTimers).toBe(0);
  expect(planner.listenerCount('plan')).toBe(0);
  await using again = await openFace({ http: { port } });
  expect((await again.call('/healthz')).status).toBe(200);
});
