import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type ConnectOptions, connectPlanner } from '../../../../src/main/faces/socket/client/connect-planner.ts';
import { openStdioFace } from '../../../../src/main/faces/socket/stdio-face.ts';
import type { Attempt } from '../../../../src/main/models/calls/attempt.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import type { PlanRequest } from '../../../../src/shared/plan-request.ts';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { makePlanner, request } from '../../../support/make-planner.ts';
import { makeLog, makeSocketFace, makeSocketFolder } from '../../../support/make-socket-face.ts';
import { eventually } from '../../../support/raw-client.ts';

const silent = { script: (): Behaviour => ({ kind: 'stuck' }) };

const HELLO = { protocol: 1, name: 'conclave', limits: { callsMax: 256, messageBytesMax: 1_000_000 } };

/** A server that answers each line with what `answer` gives, or not at all. */
async function scripted(
  answer: (line: { id: number; method: string }, socket: Socket) => string | undefined,
  hello: object = { result: HELLO },
) {
  const folder = makeSocketFolder();
  const path = join(folder.path, 's');
  const server = createServer((socket) => {
    let tail = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const lines = (tail + chunk).split('\n');
      tail = lines.pop() as string;
      for (const line of lines) {
        const told = JSON.parse(line);
        const text =
          told.method === 'hello' ? JSON.stringify({ jsonrpc: '2.0', id: told.id, ...hello }) : answer(told, socket);
        if (text !== undefined) socket.write(`${text}\n`);
      }
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    [Symbol.dispose]: () => {
      server.close();
      folder[Symbol.dispose]();
    },
  };
}

describe('a connected planner', () => {
  test('plans, peeks, counts and forgets as the planner itself', async () => {
    await using made = await makeSocketFace();
    await using planner = await connectPlanner(made.path);
    expect(planner.server).toMatchObject({ name: 'conclave', version: '1.2.3', domain: 'test', pid: process.pid });
    expect(await planner.peek(request())).toBeUndefined();
    const attempts: Attempt[] = [];
    const plan = await drive(
      made.clock,
      planner.plan(request(), { timeoutMs: 900, onAttempt: (each) => void attempts.push(each) }),
    );
    expect(plan).toMatchObject({ action: 'block', source: 'synthesis', agent: 'tester' });
    expect(attempts).toEqual(plan.attempts);
    expect(await planner.plan(request())).toMatchObject({ action: 'block', source: 'cache' });
    expect(await planner.peek(request())).toMatchObject({ action: 'block' });
    expect((await planner.stats()).plans.settled).toBe(2);
    await planner.clearCache();
    expect(await planner.peek(request())).toBeUndefined();
  });

  test('speaks over two streams as well', async () => {
    await using made = await makePlanner(() => ({ kind: 'answers', action: 'flee' }));
    const [there, back] = [new PassThrough(), new PassThrough()];
    const parts = { clock: systemClock, log: makeLog().log, version: '1', input: there, output: back };
    await using _face = openStdioFace(made.planner, {}, parts);
    await using planner = await connectPlanner({ input: back, output: there });
    expect(await drive(made.clock, planner.plan(request()))).toMatchObject({ action: 'flee' });
  });

  test('gives errors with their code', async () => {
    await using made = await makeSocketFace();
    await using planner = await connectPlanner(made.path);
    await expect(planner.plan(request({ agent: '' }))).rejects.toMatchObject({
      name: 'PlannerError',
      code: 'ERR_REQUEST_INVALID',
      message: 'agent must be a name, got ""',
      retryable: false,
    });
    await expect(planner.plan(request({ actions: [] }))).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    await expect(planner.plan(request(), { timeoutMs: -1 })).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
  });

  test('refuses with a code what JSON cannot say or says otherwise, and the connection goes on', async () => {
    await using made = await makeSocketFace();
    await using planner = await connectPlanner(made.path);
    class Asked {
      get actions(): string[] {
        return ['attack'];
      }
    }
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const wrong: object[] = [
      { ...request(), observation: { health: 1n } },
      { ...request(), observation: circle },
      { ...request(), qValues: null },
      { ...request(), timeoutMs: 5 },
      new Asked(),
    ];
    for (const each of wrong) {
      await expect(planner.plan(each as PlanRequest)).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    }
    await expect(planner.peek(wrong[0] as PlanRequest)).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    expect((await drive(made.clock, planner.plan(request()))).action).toBe('block');
  });

  test('goes on where its listeners throw', async () => {
    await using made = await makeSocketFace();
    const planner = await connectPlanner(made.path);
    const fail = (): never => {
      throw new Error('mine');
    };
    planner.on('warning', fail);
    planner.on('exit', fail);
    const plan = planner.plan(request(), { onAttempt: fail });
    expect((await drive(made.clock, plan)).action).toBe('block');
    await planner.close();
  });

  test('carries a signal: the plan ends at once, here and there', async () => {
    await using made = await makeSocketFace(silent);
    await using planner = await connectPlanner(made.path);
    const controller = new AbortController();
    const plan = planner.plan(request(), { signal: controller.signal });
    await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
    controller.abort();
    await expect(plan).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
    await eventually(() => made.planner.stats().plans.cancelled === 1, 'it was cancelled there');
    await expect(planner.plan(request(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_PLAN_CANCELLED',
    });
    expect((await planner.stats()).plans.cancelled).toBe(1);
  });

  test('holds back what the server has no room for, so that a cancel is read', async () => {
    await using made = await makeSocketFace({ ...silent, options: { callsMax: 3 } });
    await using planner = await connectPlanner(made.path);
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    const ends = controllers.map(({ signal }, index) =>
      planner.plan(request({ agent: `agent ${index}` }), { signal }).then(
        () => 'planned',
        ({ code }) => code as string,
      ),
    );
    await eventually(() => made.planner.stats().plans.inFlight === 2, 'two in flight');
    await flush();
    expect(made.planner.stats().plans.inFlight).toBe(2);
    for (const controller of controllers) controller.abort();
    expect(await Promise.all(ends)).toEqual(Array(5).fill('ERR_PLAN_CANCELLED'));
    await eventually(() => made.planner.stats().plans.inFlight === 0, 'none in flight');
    expect(made.planner.stats().plans.cancelled).toBe(2);
    await planner.stats();
    // A hello, two plans and their cancels, and this: what waited was never sent.
    expect(made.face.counters.calls).toBe(6);
  });

  test('refuses what is over its own bounds, and the connection goes on', async () => {
    await using made = await makeSocketFace({ ...silent, options: { messageBytesMax: 4_096 } });
    await using planner = await connectPlanner(made.path, { callsMax: 1 });
    await expect(planner.plan(request({ actions: ['x'.repeat(5_000)] }))).rejects.toMatchObject({
      code: 'ERR_MESSAGE_TOO_LARGE',
    });
    const plan = planner.plan(request(), { timeoutMs: 500 });
    await expect(planner.stats()).rejects.toMatchObject({ code: 'ERR_PLANNER_OVERLOADED', retryable: true });
    expect((await drive(made.clock, plan)).source).toBe('heuristic');
    expect((await planner.stats()).plans.settled).toBe(1);
  });
});

describe('when the connection ends', () => {
  test('everything pending and everything after rejects with a code, and it is told once', async () => {
    await using made = await makeSocketFace(silent);
    const planner = await connectPlanner(made.path);
    const exits: unknown[] = [];
    planner.on('exit', (exit) => exits.push(exit));
    const pending = [planner.plan(request()), planner.plan(request({ agent: 'other' }), { timeoutMs: 900 })];
    await eventually(() => made.planner.stats().plans.inFlight === 2, 'two in flight');
    await made.face.close();
    for (const plan of pending) await expect(plan).rejects.toMatchObject({ code: 'ERR_PEER_EXITED', retryable: false });
    expect(planner.isOpen).toBe(false);
    await expect(planner.stats()).rejects.toMatchObject({ code: 'ERR_PEER_EXITED' });
    await planner.close();
    expect(exits).toEqual([{ code: null, signal: null, expected: false }]);
  });

  test('by closing it, plans settle with what is in hand and the rest is refused', async () => {
    await using made = await makeSocketFace(silent);
    const planner = await connectPlanner(made.path);
    const exits: unknown[] = [];
    planner.on('exit', (exit) => exits.push(exit));
    const plan = planner.plan(request({ qValues: { flee: 1 } }));
    const peek = expect(planner.peek(request())).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    const closed = planner.close();
    await expect(planner.stats()).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    expect(await plan).toMatchObject({ action: 'flee', source: 'heuristic', id: 0 });
    await peek;
    await closed;
    expect(exits).toEqual([{ code: null, signal: null, expected: true }]);
    await eventually(() => made.face.connected === 0, 'it has left');
  });

  test('by closing it with time to drain, what is pending is answered', async () => {
    await using made = await makeSocketFace();
    const planner = await connectPlanner(made.path);
    const plan = planner.plan(request());
    const closed = planner.close({ drainMs: 10_000 });
    expect(await drive(made.clock, plan)).toMatchObject({ action: 'block', source: 'synthesis' });
    await closed;
  });

  test('by closing it again without time to drain, it ends at once', async () => {
    await using made = await makeSocketFace(silent);
    const planner = await connectPlanner(made.path);
    const plan = planner.plan(request({ qValues: { flee: 1 } }));
    const closed = planner.close({ drainMs: 3_600_000 });
    await planner.close();
    await closed;
    expect(await plan).toMatchObject({ action: 'flee', id: 0 });
  });
});

describe('a server that', () => {
  test('hangs costs no plan its time: the client answers from the values', async () => {
    using server = await scripted(() => undefined);
    await using planner = await connectPlanner(server.path);
    const plan = await planner.plan(request({ qValues: { flee: 1, block: 0 } }), { timeoutMs: 20 });
    expect(plan).toMatchObject({ id: 0, action: 'flee', source: 'heuristic', attempts: [] });
    expect(plan.reason).toContain('did not answer in time');
    expect(plan.why).toEqual({
      code: 'planner-silent',
      message: expect.stringMatching(/^the planner did not answer in \d+ ms$/),
    });
  });

  test('says nothing for long, not even when asked, is given up', async () => {
    const asked: string[] = [];
    using server = await scripted(({ method }) => void asked.push(method));
    await using planner = await connectPlanner(server.path, { silenceMs: 300 });
    await expect(planner.stats()).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: expect.stringContaining('has said nothing for 600 ms'),
    });
    expect(asked).toEqual(['stats', 'ping']);
  });

  test('takes its time, but answers when asked, is waited for', async () => {
    let pings = 0;
    using server = await scripted(({ id, method }, socket) => {
      if (method !== 'ping') return undefined;
      if (++pings === 3) socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 2, result: null })}\n`);
      return JSON.stringify({ jsonrpc: '2.0', id, result: 'pong' });
    });
    // Long enough for a busy machine to answer a ping in.
    await using planner = await connectPlanner(server.path, { silenceMs: 300 });
    await planner.clearCache();
    expect(pings).toBe(3);
  });

  test.each([
    ['a line that is not JSON', 'nonsense'],
    ['a message that is no object', '5'],
    ['an answer to no call', '{"jsonrpc":"2.0","id":77,"result":1}'],
    ['an error that says nothing', '{"jsonrpc":"2.0","id":2,"error":null}'],
    ['an error that says nothing', '{"jsonrpc":"2.0","id":2,"error":"no"}'],
    ['progress of nothing', '{"jsonrpc":"2.0","method":"$/progress"}'],
  ])('sends %s is left', async (what, line) => {
    using server = await scripted(() => line);
    await using planner = await connectPlanner(server.path);
    await expect(planner.stats()).rejects.toMatchObject({
      code: 'ERR_PROTOCOL',
      message: expect.stringContaining(`the server sent ${what}`),
    });
    expect(planner.isOpen).toBe(false);
  });

  test.each([
    [{ result: true }],
    [{ result: {} }],
    [{ result: null }],
    [{ result: { ...HELLO, name: 'other' } }],
    [{ result: HELLO, error: null }],
  ])('is no planner is left: %j', async (hello) => {
    using server = await scripted(() => undefined, hello);
    await expect(connectPlanner(server.path)).rejects.toMatchObject({ code: 'ERR_PROTOCOL' });
  });

  test('turns clients away says why to each of them', async () => {
    await using made = await makeSocketFace({ options: { connectionsMax: 1 } });
    await using _one = await connectPlanner(made.path);
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => connectPlanner(made.path)));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLIENT_LIMIT', retryable: true } });
    }
    expect(made.face.connected).toBe(1);
  });

  test('does not exist, or never says who it is, is an error in time', async () => {
    await expect(connectPlanner('/no/such/socket')).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: expect.stringContaining('ENOENT'),
    });
    const [input, output] = [new PassThrough(), new PassThrough()];
    await expect(connectPlanner({ input, output }, { connectTimeoutMs: 20 })).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: 'the planner did not answer in 20 ms (connectTimeoutMs)',
    });
    expect([input.destroyed, output.destroyed]).toEqual([true, true]);
  });

  test('is asked with options that break a rule is not asked', async () => {
    await expect(connectPlanner('x', { silenceMs: 0 })).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID' });
    await expect(connectPlanner('x', { retry: 1 } as ConnectOptions)).rejects.toThrow('retry is not a known option');
  });
});
