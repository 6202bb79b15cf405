import { describe, expect, test } from 'vitest';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { request } from '../../../support/make-planner.ts';
import { type FaceUnderTest, makeSocketFace } from '../../../support/make-socket-face.ts';
import type { Answer } from '../../../support/raw-client.ts';
import { eventually, RawClient } from '../../../support/raw-client.ts';

const silent = { script: (): Behaviour => ({ kind: 'stuck' }) };

/** Moves the planner's time until the client hears something. */
async function heard(made: FaceUnderTest, client: RawClient): Promise<Answer> {
  return drive(made.clock, client.next());
}

/** Until so many plans are in flight. */
async function inFlight(made: FaceUnderTest, count: number): Promise<void> {
  await eventually(() => made.planner.stats().plans.inFlight === count, `${count} plans in flight`);
}

describe('plans', () => {
  test('are answered with what the planner says, under the id of their call', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.call('first', 'plan', { ...request(), timeoutMs: 500, priority: 2 });
    const { jsonrpc, id, result } = await heard(made, client);
    expect({ jsonrpc, id }).toEqual({ jsonrpc: '2.0', id: 'first' });
    expect(result).toMatchObject({ agent: 'tester', action: 'block', source: 'synthesis', coalesced: false });
    client.call(-7, 'plan', request());
    expect(await client.next()).toMatchObject({ id: -7, result: { action: 'block', source: 'cache' } });
  });

  test('have the time they are given', async () => {
    await using made = await makeSocketFace(silent);
    using client = await RawClient.connect(made.path);
    client.call(1, 'plan', { ...request({ qValues: { flee: 1 } }), timeoutMs: 200 });
    await inFlight(made, 1);
    made.clock.advance(150);
    expect(made.planner.stats().plans.inFlight).toBe(1);
    made.clock.advance(50);
    expect(await client.next()).toMatchObject({ id: 1, result: { action: 'flee', source: 'heuristic' } });
  });

  test('that are known are answered before others that were asked earlier', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.call(1, 'plan', request());
    await heard(made, client);
    client.call(2, 'plan', request({ observation: { place: 'forest', health: 50 } }));
    client.call(3, 'plan', request());
    expect(await client.next()).toMatchObject({ id: 3, result: { source: 'cache' } });
    expect(await heard(made, client)).toMatchObject({ id: 2, result: { source: 'synthesis' } });
  });

  test('tell their attempts as they end, where that is asked for', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.call(9, 'plan', { ...request(), progress: true });
    const answers = [await heard(made, client)];
    while (answers.at(-1)?.id === undefined) answers.push(await heard(made, client));
    const told = answers.slice(0, -1);
    expect(told.every(({ method, params }) => method === '$/progress' && params.id === 9)).toBe(true);
    expect(told.map(({ params }) => params.attempt)).toEqual(answers.at(-1)?.result.attempts);
    expect(told).toHaveLength(3);
  });

  test.each([
    [{ ...request(), urgency: 3 }, 'urgency is not a part of a request'],
    [request({ observation: { place: 'cave', health: 50, mood: 'bad' } }), 'observation.mood is not a feature of test'],
    [request({ actions: [] }), 'actions must be a list of at least one action'],
    [{ ...request(), timeoutMs: '5' }, 'timeoutMs must be a number of milliseconds'],
    [{ ...request(), progress: 1 }, 'progress must be true or false, got 1'],
    [[request()], 'request must be an object, got a list of 1'],
    [undefined, 'request must be an object, got nothing'],
  ])('that break a rule are refused by name: %j', async (params, message) => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    const { id, error } = await client.ask(1, 'plan', params);
    expect(id).toBe(1);
    expect(error).toMatchObject({ code: -32602, data: { code: 'ERR_REQUEST_INVALID', retryable: false } });
    expect(error?.message).toContain(message);
  });
});

describe('the other methods', () => {
  test('say who serves and what it can', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    const { result } = await client.ask(1, 'hello', { protocol: 1, client: 'a test' });
    expect(result).toMatchObject({ protocol: 1, name: 'conclave', version: '1.2.3', pid: process.pid, domain: 'test' });
    expect(result.methods).toEqual([
      'hello',
      'plan',
      'decide',
      'peek',
      'expect',
      'observe',
      'stats',
      'clearCache',
      'ping',
      '$/cancel',
    ]);
    expect(result.limits).toEqual({ callsMax: 256, messageBytesMax: 24 * 2 ** 20 });
  });

  test('refuse a protocol that the server does not speak, and name those it does', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    for (const params of [{ protocol: 2 }, { protocol: '1' }, {}]) {
      const { error } = await client.ask(1, 'hello', params);
      expect(error).toMatchObject({ code: -32005, data: { code: 'ERR_PROTOCOL_VERSION' } });
      expect(error?.message).toContain('protocol must be one that this server speaks (1), got');
    }
    expect((await client.ask(2, 'ping')).result).toBe('pong');
  });

  test('peek into the cache, forget it, and count', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    expect((await client.ask(1, 'peek', request())).result).toBeNull();
    client.call(2, 'plan', request());
    await heard(made, client);
    expect((await client.ask(3, 'peek', request())).result).toMatchObject({ action: 'block', source: 'synthesis' });
    expect((await client.ask(4, 'stats')).result.plans).toMatchObject({ settled: 1, inFlight: 0 });
    expect(await client.ask(5, 'clearCache')).toEqual({ jsonrpc: '2.0', id: 5, result: null });
    expect((await client.ask(6, 'peek', request())).result).toBeNull();
  });

  test.each([
    ['ping', { loud: true }, 'loud is not a parameter of ping'],
    ['hello', { protocol: 1, name: 'x' }, 'name is not a parameter of hello (protocol, client)'],
    ['hello', { protocol: 1, client: 5 }, 'client must be a name, got 5'],
    ['peek', { ...request(), timeoutMs: 5 }, 'timeoutMs is not a part of a request'],
    ['$/cancel', {}, 'id must be the id of a call, got nothing'],
    ['$/cancel', [1], 'params of $/cancel must be an object'],
  ])('%s names what it does not know: %j', async (method, params, message) => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    const { error } = await client.ask(1, method, params);
    expect(error).toMatchObject({ code: -32602, data: { code: 'ERR_REQUEST_INVALID' } });
    expect(error?.message).toContain(message);
  });
});

describe('cancelling', () => {
  test('ends a plan with a code, and its model work', async () => {
    await using made = await makeSocketFace(silent);
    using client = await RawClient.connect(made.path);
    client.call(5, 'plan', request());
    await inFlight(made, 1);
    client.send({ jsonrpc: '2.0', method: '$/cancel', params: { id: 5 } });
    expect(await client.next()).toMatchObject({
      id: 5,
      error: { code: -32003, data: { code: 'ERR_PLAN_CANCELLED', retryable: false } },
    });
    await flush();
    expect(made.models.calls.every(({ cancelled }) => cancelled)).toBe(true);
  });

  test('one plan leaves the others alone', async () => {
    await using made = await makeSocketFace(silent);
    using client = await RawClient.connect(made.path);
    for (const id of [1, 2, 3]) client.call(id, 'plan', { ...request({ agent: `agent ${id}` }), timeoutMs: 500 });
    await inFlight(made, 3);
    client.send({ jsonrpc: '2.0', method: '$/cancel', params: { id: 2 } });
    expect(await client.next()).toMatchObject({ id: 2, error: { data: { code: 'ERR_PLAN_CANCELLED' } } });
    expect(made.planner.stats().plans).toMatchObject({ inFlight: 2, cancelled: 1 });
    made.clock.advance(500);
    expect([await client.next(), await client.next()]).toMatchObject([
      { id: 1, result: { agent: 'agent 1' } },
      { id: 3, result: { agent: 'agent 3' } },
    ]);
  });

  test('as a call says whether there was anything to cancel', async () => {
    await using made = await makeSocketFace(silent);
    using client = await RawClient.connect(made.path);
    client.call('a', 'plan', request());
    client.call(2, '$/cancel', { id: 'a' });
    const answers = [await client.next(), await client.next()];
    expect(answers.find(({ id }) => id === 2)?.result).toBe(true);
    expect(answers.find(({ id }) => id === 'a')?.error?.data.code).toBe('ERR_PLAN_CANCELLED');
    const again = await client.ask(3, '$/cancel', { id: 'a' });
    expect(again.error).toMatchObject({ code: -32004, data: { code: 'ERR_CALL_UNKNOWN' } });
  });

  test('what is not in flight is ignored as a notification, and counted', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.send({ jsonrpc: '2.0', method: '$/cancel', params: { id: 77 } });
    expect((await client.ask(1, 'ping')).id).toBe(1);
    expect(made.face.counters.ignoredNotifications).toBe(1);
  });

  test("another client's call has no effect on one's own of the same id", async () => {
    await using made = await makeSocketFace(silent);
    using one = await RawClient.connect(made.path);
    using other = await RawClient.connect(made.path);
    one.call(1, 'plan', request());
    await inFlight(made, 1);
    expect((await other.ask(2, '$/cancel', { id: 1 })).error?.data.code).toBe('ERR_CALL_UNKNOWN');
    expect(made.planner.stats().plans.inFlight).toBe(1);
  });
});

describe('what is no message', () => {
  test.each([
    ['{', -32700, 'ERR_PROTOCOL', 'a line must be JSON', null],
    ['nothing', -32700, 'ERR_PROTOCOL', 'a line must be JSON', null],
    ['{"jsonrpc":"2.0","id":1,"method":"ping"\u0000}', -32700, 'ERR_PROTOCOL', 'a line must be JSON', null],
    ['5', -32600, 'ERR_PROTOCOL', 'a message must be an object, got 5', null],
    ['null', -32600, 'ERR_PROTOCOL', 'a message must be an object, got null', null],
    ['[]', -32600, 'ERR_PROTOCOL', 'a batch must hold at least one message', null],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600, 'ERR_PROTOCOL_VERSION', 'jsonrpc must be "2.0", got "1.0"', 1],
    ['{"id":1,"method":"ping"}', -32600, 'ERR_PROTOCOL_VERSION', 'jsonrpc must be "2.0", got nothing', 1],
    ['{"jsonrpc":"2.0","id":1}', -32600, 'ERR_PROTOCOL', 'method must be a name, got nothing', 1],
    ['{"jsonrpc":"2.0","id":1,"method":5}', -32600, 'ERR_PROTOCOL', 'method must be a name, got 5', 1],
    [
      '{"jsonrpc":"2.0","id":1,"method":"ping","params":5}',
      -32600,
      'ERR_PROTOCOL',
      'params must be an object or a list',
      1,
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"ping","param":{}}',
      -32600,
      'ERR_PROTOCOL',
      'param is not a member of a message',
      1,
    ],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', -32600, 'ERR_PROTOCOL', 'method must be a name', 1],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, 'ERR_PROTOCOL', 'id must be', null],
    ['{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', -32600, 'ERR_PROTOCOL', 'id must be', null],
    ['{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, 'ERR_PROTOCOL', 'id must be', null],
    [`{"jsonrpc":"2.0","id":"${'x'.repeat(257)}","method":"ping"}`, -32600, 'ERR_PROTOCOL', 'id must be', null],
    [
      '{"jsonrpc":"2.0","id":1,"method":"plane"}',
      -32601,
      'ERR_METHOD_UNKNOWN',
      'there is no method "plane" (hello,',
      1,
    ],
    ['{"jsonrpc":"2.0","id":1,"method":"constructor"}', -32601, 'ERR_METHOD_UNKNOWN', 'there is no method', 1],
  ])('is told so: %s', async (line, number, code, message, id) => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.send(`${line}\n`);
    const answer = await client.next();
    expect(answer).toMatchObject({ id, error: { code: number, data: { code, retryable: false } } });
    expect(answer.error?.message).toContain(message);
    expect((await client.ask('after', 'ping')).id).toBe('after');
  });

  test('costs its own line only, also where it is no UTF-8', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.call(1, 'ping');
    client.socket.write(Buffer.from([0x7b, 0xc5, 0x0a]));
    client.call(2, 'ping');
    expect((await client.next()).id).toBe(1);
    expect((await client.next()).error).toMatchObject({ code: -32700, message: 'a line must be UTF-8' });
    expect((await client.next()).id).toBe(2);
    expect(made.face.counters.badMessages).toBe(1);
  });

  test('a character in two halves is one, and \\r\\n ends a line too', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    const bytes = Buffer.from('{"jsonrpc":"2.0","id":"ż","method":"ping"}\r\n\r\n\n');
    const half = bytes.indexOf(0xc5) + 1;
    client.socket.write(bytes.subarray(0, half));
    await eventually(() => made.face.connected === 1, 'the client is in');
    await flush();
    client.socket.write(bytes.subarray(half));
    expect(await client.next()).toEqual({ jsonrpc: '2.0', id: 'ż', result: 'pong' });
    expect((await client.ask(2, 'ping')).id).toBe(2);
  });

  test('notifications are never answered, whatever they ask', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    const notify = (method: string, params?: object): void =>
      client.send({ jsonrpc: '2.0', method, ...(params && { params }) });
    notify('ping');
    notify('no such method');
    notify('plan', {});
    notify('plan', request());
    await inFlight(made, 1);
    await drive(
      made.clock,
      eventually(() => made.planner.stats().plans.settled === 1, 'the plan settled'),
    );
    expect((await client.ask(1, 'plan', request())).result.source).toBe('cache');
  });

  test('an id in use is refused to nobody in particular, so that no answer is taken for another', async () => {
    await using made = await makeSocketFace(silent);
    using client = await RawClient.connect(made.path);
    client.call(4, 'plan', request());
    client.call(4, 'ping');
    client.call(null, 'plan', request());
    client.call(null, 'ping');
    for (const id of ['4', 'null']) {
      const answer = await client.next();
      expect(answer).toMatchObject({
        id: null,
        error: { code: -32600, message: `id ${id} is that of a call in flight` },
      });
    }
    client.call('4', 'ping');
    expect(await client.next()).toEqual({ jsonrpc: '2.0', id: '4', result: 'pong' });
  });
});

describe('batches', () => {
  test('are answered by one list when the last of them is', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.send([
      { jsonrpc: '2.0', id: 1, method: 'plan', params: request() },
      { jsonrpc: '2.0', method: 'ping' },
      7,
      { jsonrpc: '2.0', id: 2, method: 'ping' },
      { jsonrpc: '2.0', id: 3, method: 'nope' },
    ]);
    client.call('beside', 'ping');
    expect((await client.next()).id).toBe('beside');
    const answers = (await heard(made, client)) as unknown as Answer[];
    expect(answers.map(({ id, error }) => [id, error?.code])).toEqual([
      [null, -32600],
      [2, undefined],
      [3, -32601],
      [1, undefined],
    ]);
  });

  test('of notifications alone are not answered', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    client.send([{ jsonrpc: '2.0', method: 'ping' }]);
    expect((await client.ask(1, 'ping')).id).toBe(1);
  });

  test('over the limit are refused whole', async () => {
    await using made = await makeSocketFace({ options: { callsMax: 3 } });
    using client = await RawClient.connect(made.path);
    const batch = (count: number) => Array.from({ length: count }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' }));
    client.send(batch(3), batch(4));
    expect(await client.next()).toHaveLength(3);
    expect(await client.next()).toMatchObject({
      id: null,
      error: { code: -32007, message: 'a batch must hold at most 3 messages (callsMax), got 4' },
    });
  });

  test('wait until there is room for all of their calls', async () => {
    await using made = await makeSocketFace({ ...silent, options: { callsMax: 3 } });
    using client = await RawClient.connect(made.path);
    const plan = (id: number, timeoutMs: number) => ({
      jsonrpc: '2.0',
      id,
      method: 'plan',
      params: { ...request({ agent: `agent ${id}` }), timeoutMs },
    });
    client.send(plan(1, 100), plan(2, 300), [plan(3, 500), plan(4, 500)], plan(5, 500));
    await inFlight(made, 2);
    await flush();
    expect(made.planner.stats().plans.inFlight).toBe(2);
    made.clock.advance(100);
    expect((await client.next()).id).toBe(1);
    await inFlight(made, 3);
    await flush();
    expect(made.planner.stats().plans.inFlight).toBe(3);
    made.clock.advance(200);
    expect((await client.next()).id).toBe(2);
    await inFlight(made, 3);
    made.clock.advance(500);
    expect(await client.next()).toHaveLength(2);
    expect((await client.next()).id).toBe(5);
  });
});
