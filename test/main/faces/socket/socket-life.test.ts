import { once } from 'node:events';
import { createConnection } from 'node:net';
import { expect, test } from 'vitest';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { request } from '../../../support/make-planner.ts';
import { makeSocketFace } from '../../../support/make-socket-face.ts';
import { eventually, RawClient } from '../../../support/raw-client.ts';

const silent = { script: (): Behaviour => ({ kind: 'stuck' }) };

function planOf(id: number, timeoutMs = 900): object {
  return { jsonrpc: '2.0', id, method: 'plan', params: { ...request({ agent: `agent ${id}` }), timeoutMs } };
}

test('at the bound of its calls a client is not read, and what it sent is neither lost nor reordered', async () => {
  await using made = await makeSocketFace({ ...silent, options: { callsMax: 4 } });
  using client = await RawClient.connect(made.path);
  for (let id = 1; id <= 10; id++) client.send(planOf(id));
  const answered: unknown[] = [];
  for (const expected of [4, 4, 2]) {
    await eventually(() => made.planner.stats().plans.inFlight === expected, `${expected} in flight`);
    await flush();
    expect(made.planner.stats().plans.inFlight).toBe(expected);
    made.clock.advance(900);
    for (let count = 0; count < expected; count++) answered.push((await client.next()).id);
  }
  expect(answered).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('another client is served while one is at its bound', async () => {
  await using made = await makeSocketFace({ ...silent, options: { callsMax: 2 } });
  using greedy = await RawClient.connect(made.path);
  using modest = await RawClient.connect(made.path);
  greedy.send(planOf(1), planOf(2), planOf(3));
  await eventually(() => made.planner.stats().plans.inFlight === 2, 'two in flight');
  expect((await modest.ask(1, 'ping')).result).toBe('pong');
});

test('a client that does not read is not read either, then closed, and counted', async () => {
  await using made = await makeSocketFace({
    clock: 'fake',
    options: { writeBufferBytes: 4_096, slowClientMs: 1_000 },
  });
  using client = await RawClient.connect(made.path);
  using beside = await RawClient.connect(made.path);
  client.socket.pause();
  expect((await beside.ask(0, 'ping')).result).toBe('pong');
  const timers = made.clock.pendingTimers;
  // 20 MB of answers, if they were all given.
  for (let id = 0; id < 4_000; id++) client.call(id, 'stats');
  await eventually(() => made.clock.pendingTimers > timers, 'it is watched whether the client reads');
  made.clock.advance(999);
  await flush();
  expect(made.face.connected).toBe(2);
  expect((await beside.ask(1, 'ping')).result).toBe('pong');
  // What its system took in the meantime counts as taken, once.
  for (let times = 0; times < 20 && made.face.connected === 2; times++) {
    made.clock.advance(1_000);
    await flush();
  }
  expect(made.face.connected).toBe(1);
  expect(made.face.counters.calls).toBeLessThan(2_000);
  expect(made.face.counters.slowClients).toBe(1);
  expect(made.logged.filter(({ level }) => level === 'warn')).toMatchObject([{ data: { code: 'ERR_CLIENT_SLOW' } }]);
  expect((await beside.ask(2, 'ping')).result).toBe('pong');
});

test('a client that reads slowly, but reads, is kept and gets everything', async () => {
  await using made = await makeSocketFace({
    clock: 'fake',
    options: { writeBufferBytes: 4_096, slowClientMs: 1_000 },
  });
  using client = await RawClient.connect(made.path);
  client.socket.pause();
  const timers = made.clock.pendingTimers;
  for (let id = 0; id < 2_000; id++) client.call(id, 'stats');
  await eventually(() => made.clock.pendingTimers > timers, 'it is watched whether the client reads');
  for (let id = 0; id < 2_000; ) {
    client.socket.resume();
    expect((await client.next()).id).toBe(id++);
    for (let more = 0; more < 99; more++) expect((await client.next()).id).toBe(id++);
    client.socket.pause();
    if (id < 2_000) made.clock.advance(600);
  }
  expect(made.face.counters.slowClients).toBe(0);
});

test('more answers than the bound close a client at once', async () => {
  await using made = await makeSocketFace({ options: { writeBufferBytes: 1_024, writeBufferBytesMax: 2_048 } });
  using client = await RawClient.connect(made.path);
  client.send(Array.from({ length: 10 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'stats' })));
  expect(await client.line()).toBeUndefined();
  expect(made.face.counters.slowClients).toBe(1);
});

test('a line that is too long is answered, and ends the connection after what was under way', async () => {
  await using made = await makeSocketFace({ options: { messageBytesMax: 2_048 } });
  using client = await RawClient.connect(made.path);
  client.send(planOf(1));
  client.socket.write('x'.repeat(2_049));
  expect(await client.next()).toMatchObject({
    id: null,
    error: { code: -32006, data: { code: 'ERR_MESSAGE_TOO_LARGE', retryable: false } },
  });
  for (let count = 0; count < 100; count++) client.socket.write('x'.repeat(10_000));
  expect(await drive(made.clock, client.next())).toMatchObject({ id: 1, result: { action: 'block' } });
  expect(await client.line()).toBeUndefined();
});

test('the plans of a client that leaves are cancelled', async () => {
  await using made = await makeSocketFace(silent);
  const client = await RawClient.connect(made.path);
  client.send(planOf(1), planOf(2));
  await eventually(() => made.planner.stats().plans.inFlight === 2, 'two in flight');
  client.socket.destroy();
  await eventually(() => made.face.connected === 0, 'it has left');
  const { inFlight, cancelled } = made.planner.stats().plans;
  expect({ inFlight, cancelled }).toEqual({ inFlight: 0, cancelled: 2 });
  expect(made.models.calls.every((call) => call.cancelled)).toBe(true);
});

test('what a client asked before it closed its side is answered', async () => {
  await using made = await makeSocketFace();
  using client = await RawClient.connect(made.path);
  client.call(1, 'ping');
  client.socket.end(`${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' })}\n`);
  expect((await client.next()).id).toBe(1);
  expect((await client.next()).id).toBe(2);
  expect(await client.line()).toBeUndefined();
});

test('one client more than there may be is told so and let go', async () => {
  await using made = await makeSocketFace({ options: { connectionsMax: 2 } });
  using one = await RawClient.connect(made.path);
  using two = await RawClient.connect(made.path);
  expect((await one.ask(1, 'ping')).id).toBe(1);
  expect((await two.ask(1, 'ping')).id).toBe(1);
  using three = await RawClient.connect(made.path);
  expect((await three.next()).error).toMatchObject({
    code: -32007,
    data: { code: 'ERR_CLIENT_LIMIT', retryable: true },
  });
  expect(await three.line()).toBeUndefined();
  two.socket.destroy();
  await eventually(() => made.face.connected === 1, 'one has left');
  using four = await RawClient.connect(made.path);
  expect((await four.ask(1, 'ping')).id).toBe(1);
});

test('draining lets nothing new in, answers what is under way, and ends every connection after that', async () => {
  await using made = await makeSocketFace(silent);
  using client = await RawClient.connect(made.path);
  using idle = await RawClient.connect(made.path);
  expect((await idle.ask(1, 'ping')).id).toBe(1);
  client.send(planOf(1, 500));
  await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
  const drained = made.face.drain();
  expect(await idle.line()).toBeUndefined();
  await expect(RawClient.connect(made.path)).rejects.toMatchObject({ code: 'ENOENT' });
  expect((await client.ask(2, 'plan', request())).error).toMatchObject({
    code: -32002,
    data: { code: 'ERR_PLANNER_CLOSED' },
  });
  expect((await client.ask(3, '$/cancel', { id: 99 })).error?.data.code).toBe('ERR_CALL_UNKNOWN');
  made.clock.advance(500);
  expect(await client.next()).toMatchObject({ id: 1, result: { source: 'heuristic' } });
  expect(await client.line()).toBeUndefined();
  await drained;
  expect(made.face.connected).toBe(0);
});

test('a drain ends while a client goes on asking and reading', async () => {
  await using made = await makeSocketFace();
  using client = await RawClient.connect(made.path);
  const block = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })}\n`.repeat(500);
  let isOver = false;
  client.socket.on('close', () => {
    isOver = true;
  });
  const ask = (): void => {
    if (isOver) return;
    if (client.socket.write(block)) setImmediate(ask);
    else client.socket.once('drain', ask);
  };
  ask();
  await eventually(() => made.face.counters.calls > 5_000, 'it is served');
  await made.face.drain();
  expect(made.face.connected).toBe(0);
});

test('a drain does not wait for ever for a client that does not read its last answers', async () => {
  await using made = await makeSocketFace({ clock: 'fake', options: { slowClientMs: 1_000 } });
  using client = await RawClient.connect(made.path);
  client.socket.pause();
  for (let id = 0; id < 300; id++) client.call(id, 'stats');
  await eventually(() => made.face.counters.calls === 300, 'all were asked');
  const drained = made.face.drain();
  await flush();
  made.clock.advance(2_000);
  await flush();
  made.clock.advance(2_000);
  await drained;
});

test('nor for one that asks on while it drains and reads nothing of what that is answered', async () => {
  await using made = await makeSocketFace({ ...silent, clock: 'fake', options: { slowClientMs: 1_000 } });
  using client = await RawClient.connect(made.path);
  client.send(planOf(0, 500));
  await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
  client.socket.pause();
  const drained = made.face.drain();
  // More than a system takes for a reader that does not read, and less than the mark.
  for (let id = 1; id <= 5_000; id++) client.call(id, 'ping');
  await eventually(() => made.face.counters.calls === 5_001, 'all were asked');
  await flush();
  made.clock.advance(500);
  for (let times = 0; times < 5; times++) {
    await flush();
    made.clock.advance(1_000);
  }
  await drained;
  expect(made.face.counters.slowClients).toBe(1);
});

test('nor for one that has its answers and does not close its side', async () => {
  await using made = await makeSocketFace({ clock: 'fake' });
  const socket = createConnection({ path: made.path, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.resume();
  await eventually(() => made.face.connected === 1, 'it is in');
  const drained = made.face.drain();
  await once(socket, 'end');
  made.clock.advance(999);
  await flush();
  expect(made.face.connected).toBe(1);
  made.clock.advance(1);
  await drained;
  socket.destroy();
});

test('closing cancels what is under way and leaves no timer', async () => {
  await using made = await makeSocketFace({ ...silent, clock: 'fake' });
  using client = await RawClient.connect(made.path);
  client.send(planOf(1));
  await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
  await made.face.close();
  expect(await client.line()).toBeUndefined();
  await flush();
  expect(made.planner.stats().plans).toMatchObject({ inFlight: 0, cancelled: 1 });
  expect(made.clock.pendingTimers).toBe(0);
  await made.face.close();
  await made.face.drain();
});
