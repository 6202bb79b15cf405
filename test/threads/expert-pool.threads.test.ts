import { spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { ExpertPool, type ExpertPoolOptions } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { ExpertResult } from '../../src/shared/tasks.ts';
import type { Fault, FaultyTask } from '../support/faulty-worker.ts';
import { testDomain } from '../support/make-planner.ts';
import { type Exchange, ScriptedServer, streamWhole } from '../support/scripted-server.ts';

const GRACE_MS = 400;
/** A task that is to be ended by something else than its time. */
const LONG_MS = 60_000;
const WAIT_MS = 10_000;

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Lost {
  readonly tasks: number;
  readonly stuck: boolean;
  readonly atMs: number;
}

interface Scene {
  readonly pool: ExpertPool;
  /** Answers the model `answers`; every other one stays open until the test ends it. */
  readonly server: ScriptedServer;
  readonly lost: Lost[];
}

async function setUp(options: Partial<ExpertPoolOptions> = {}): Promise<Scene> {
  const server = await ScriptedServer.start();
  cleanups.push(() => server[Symbol.asyncDispose]());
  server.script = (exchange) => {
    if (modelOf(exchange) === 'answers') answer(exchange);
  };
  const lost: Lost[] = [];
  const pool = new ExpertPool({
    threads: 1,
    tasksPerThread: 64,
    stuckGraceMs: GRACE_MS,
    domain: testDomain,
    endpoints: [{ name: 'local', baseURL: server.baseURL }],
    clock: systemClock,
    onThreadLost: ({ tasks, stuck }) => lost.push({ tasks, stuck, atMs: systemClock.now() }),
    workerUrl: new URL('../support/faulty-worker.ts', import.meta.url),
    ...options,
  });
  cleanups.push(() => pool.close());
  return { pool, server, lost };
}

async function ready(options: Partial<ExpertPoolOptions> = {}): Promise<Scene> {
  const scene = await setUp(options);
  await scene.pool.ready();
  return scene;
}

function modelOf({ body }: Exchange): string {
  return (JSON.parse(body) as { model: string }).model;
}

function answer({ response }: Exchange): void {
  streamWhole(response, '1\nBecause.');
}

function task(model: Fault | 'answers' | 'waits', overrides: Partial<FaultyTask> = {}): FaultyTask {
  return {
    kind: 'expert',
    planId: 1,
    role: 'one',
    model,
    endpoint: 'local',
    situation: { observation: { place: 'cave', health: 50 }, actions: ['attack', 'block'], topValues: [] },
    timeoutMs: LONG_MS,
    maxTokens: 64,
    temperature: 0,
    answer: 'text',
    thinks: false,
    stream: true,
    ...overrides,
  };
}

function codeOf(result: ExpertResult): string {
  return result.ok ? `OK ${result.vote.action}` : result.error.code;
}

/** A word that the worker sets when it has the task. */
class Gate {
  readonly words = new Int32Array(new SharedArrayBuffer(4));

  async opened(): Promise<void> {
    const wait = Atomics.waitAsync(this.words, 0, 0, WAIT_MS);
    if ((await wait.value) === 'timed-out') throw new Error('no worker began the task');
  }
}

function openChannel(): BroadcastChannel & Disposable {
  const channel = new BroadcastChannel('gated-worker');
  return Object.assign(channel, { [Symbol.dispose]: () => channel.close() });
}

/** The server's next requests, so many that they must be open at the same time. */
function arrivals(server: ScriptedServer, count: number): Promise<Exchange[]> {
  return Promise.all(Array.from({ length: count }, () => server.next()));
}

async function expectUsable({ pool }: Scene, threads: number): Promise<void> {
  const results = await Promise.all(Array.from({ length: 4 }, () => pool.run(task('answers'))));
  expect(results.map(codeOf)).toEqual(Array(4).fill('OK attack'));
  expect(pool.stats()).toMatchObject({ threads, running: 0 });
}

describe('sharing', () => {
  test('as many tasks as fit run on one thread at the same time', async () => {
    const { pool, server } = await ready({ tasksPerThread: 32 });
    const open = arrivals(server, 32);
    const results = Array.from({ length: 32 }, () => pool.run(task('waits')));
    for (const exchange of await open) answer(exchange);
    expect((await Promise.all(results)).map(codeOf)).toEqual(Array(32).fill('OK attack'));
    expect(pool.stats()).toEqual({ threads: 1, running: 0, stuck: 0, crashed: 0 });
  });

  test('one task more than the bound gets ERR_POOL_FULL at once, and its place when another has ended', async () => {
    const { pool, server } = await ready({ threads: 2, tasksPerThread: 2 });
    const open = arrivals(server, 4);
    const results = Array.from({ length: 3 }, () => pool.run(task('waits')));
    expect(pool.stats().running).toBe(3);
    results.push(pool.run(task('waits')));
    const [first, ...rest] = (await open) as [Exchange, ...Exchange[]];
    const refused = await pool.run(task('answers'));
    expect(refused).toEqual({
      ok: false,
      error: { code: 'ERR_POOL_FULL', message: '4 expert tasks are running', retryable: false },
      report: { totalMs: 0 },
    });
    answer(first);
    await Promise.race(results);
    expect(codeOf(await pool.run(task('answers')))).toBe('OK attack');
    for (const exchange of rest) answer(exchange);
    expect((await Promise.all(results)).map(codeOf)).toEqual(Array(4).fill('OK attack'));
  });
});

describe('cancellation', () => {
  test('closes the connection: the server sees it within 100 ms, and other tasks of the thread go on', async () => {
    const { pool, server } = await ready();
    const open = arrivals(server, 2);
    const controller = new AbortController();
    const wanted = pool.run(task('waits', { model: 'wanted' }));
    const unwanted = pool.run(task('waits', { model: 'unwanted' }), controller.signal);
    const exchanges = await open;
    const seen = exchanges.find((exchange) => modelOf(exchange) === 'unwanted') as Exchange;
    const abortedAt = systemClock.now();
    controller.abort();
    expect((await seen.closed) - abortedAt).toBeLessThan(100);
    expect(codeOf(await unwanted)).toBe('ERR_CANCELLED');
    for (const exchange of exchanges) if (exchange !== seen) answer(exchange);
    expect(codeOf(await wanted)).toBe('OK attack');
    expect(pool.stats()).toEqual({ threads: 1, running: 0, stuck: 0, crashed: 0 });
  });

  test('of twenty tasks at once closes twenty connections', async () => {
    const { pool, server } = await ready();
    const open = arrivals(server, 20);
    const controller = new AbortController();
    const results = Array.from({ length: 20 }, () => pool.run(task('waits'), controller.signal));
    const exchanges = await open;
    controller.abort();
    expect((await Promise.all(results)).map(codeOf)).toEqual(Array(20).fill('ERR_CANCELLED'));
    await Promise.all(exchanges.map(({ closed }) => closed));
  });

  test('before the task began asks no server', async () => {
    const { pool, server } = await ready();
    expect(codeOf(await pool.run(task('answers'), AbortSignal.abort()))).toBe('ERR_CANCELLED');
    const controller = new AbortController();
    const result = pool.run(task('answers'), controller.signal);
    controller.abort();
    expect(codeOf(await result)).toBe('ERR_CANCELLED');
    expect(server.exchanges).toHaveLength(0);
  });

  test('of a task that has ended does nothing to the one that has its cancel word now', async () => {
    const { pool, server } = await ready({ tasksPerThread: 1 });
    const controller = new AbortController();
    expect(codeOf(await pool.run(task('answers'), controller.signal))).toBe('OK attack');
    const open = server.next();
    const next = pool.run(task('waits'));
    const exchange = await open;
    controller.abort();
    answer(exchange);
    expect(codeOf(await next)).toBe('OK attack');
  });
});

describe('time', () => {
  test('that runs out in the worker gives the code of its phase, closes the connection and keeps the thread', async () => {
    const scene = await ready();
    const open = scene.server.next();
    const result = await scene.pool.run(task('waits', { timeoutMs: 200 }));
    expect(codeOf(result)).toBe('ERR_MODEL_TIMEOUT_HEADERS');
    expect(result.report.totalMs).toBeGreaterThanOrEqual(199);
    await (await open).closed;
    await expectUsable(scene, 1);
    expect(scene.lost).toEqual([]);
  });
});

describe('a thread that spins', () => {
  // Schedule: a neighbour waits for the server on thread 1, another task on thread 2; then a task on thread 1 never
  // gives its event loop back.
  test('is replaced within 1 s after its task is due, its neighbours may run again, other threads go on', async () => {
    const scene = await ready({ threads: 2 });
    const { pool, server, lost } = scene;
    const gate = new Gate();
    const open = arrivals(server, 2);
    const neighbour = pool.run(task('waits', { model: 'neighbour' }));
    const elsewhere = pool.run(task('waits', { model: 'elsewhere' }));
    const exchanges = await open;
    const dueAtMs = systemClock.now() + 300;
    const stuck = pool.run(task('spin', { timeoutMs: 300, gate: gate.words.buffer }));
    await gate.opened();

    expect(await neighbour).toMatchObject({ ok: false, error: { code: 'ERR_WORKER_EXITED', retryable: true } });
    expect(await stuck).toMatchObject({ ok: false, error: { code: 'ERR_WORKER_STUCK', retryable: false } });
    expect(lost).toEqual([{ tasks: 2, stuck: true, atMs: expect.any(Number) }]);
    expect((lost[0] as Lost).atMs - dueAtMs).toBeGreaterThanOrEqual(GRACE_MS - 1);
    expect(systemClock.now() - dueAtMs).toBeLessThan(1_000);

    for (const exchange of exchanges) if (modelOf(exchange) === 'elsewhere') answer(exchange);
    expect(codeOf(await elsewhere)).toBe('OK attack');
    await expectUsable(scene, 2);
    expect(pool.stats()).toMatchObject({ stuck: 1, crashed: 0 });
  });

  test('is replaced within 1 s after its task is cancelled, long before it is due', async () => {
    const scene = await ready();
    const gate = new Gate();
    const controller = new AbortController();
    const result = scene.pool.run(task('spin', { gate: gate.words.buffer }), controller.signal);
    await gate.opened();
    const abortedAt = systemClock.now();
    controller.abort();
    expect(codeOf(await result)).toBe('ERR_WORKER_STUCK');
    expect(systemClock.now() - abortedAt).toBeLessThan(1_000);
    await expectUsable(scene, 1);
  });

  // Schedule: the only thread exits; while its successor starts, two tasks wait for it, the second behind the first;
  // the second one spins.
  test('is replaced also when its task had waited for a thread behind another one', async () => {
    const scene = await ready();
    const { pool, lost } = scene;
    const gate = new Gate();
    expect(codeOf(await pool.run(task('exit')))).toBe('ERR_WORKER_EXITED');
    const first = pool.run(task('forget'));
    const second = pool.run(task('spin', { timeoutMs: 4_000, gate: gate.words.buffer }));
    await gate.opened();
    expect((await Promise.all([first, second])).map(codeOf)).toEqual(['ERR_WORKER_EXITED', 'ERR_WORKER_STUCK']);
    expect(lost.map(({ tasks, stuck }) => ({ tasks, stuck }))).toEqual([
      { tasks: 1, stuck: false },
      { tasks: 2, stuck: true },
    ]);
    await expectUsable(scene, 1);
  });
});

describe('a thread that ends', () => {
  test.each([
    ['by process.exit', 'exit', /ended while it ran the task \(worker exited with code: 3\)/],
    ['by an exception outside of the task', 'throw-outside', /thrown outside of the task/],
  ] as const)('%s takes its tasks with it, and all may run again', async (_how, fault, message) => {
    const scene = await ready({ threads: 2 });
    const { pool, server, lost } = scene;
    const open = arrivals(server, 2);
    const neighbour = pool.run(task('waits', { model: 'neighbour' }));
    const elsewhere = pool.run(task('waits', { model: 'elsewhere' }));
    const exchanges = await open;
    const crashed = pool.run(task(fault));
    for (const result of [await crashed, await neighbour]) {
      expect(result).toMatchObject({
        ok: false,
        error: { code: 'ERR_WORKER_EXITED', message: expect.stringMatching(message), retryable: true },
      });
    }
    expect(lost).toEqual([{ tasks: 2, stuck: false, atMs: expect.any(Number) }]);
    for (const exchange of exchanges) if (modelOf(exchange) === 'elsewhere') answer(exchange);
    expect(codeOf(await elsewhere)).toBe('OK attack');
    await expectUsable(scene, 2);
    expect(pool.stats()).toMatchObject({ stuck: 0, crashed: 1 });
  });

  test('five times in a row is replaced five times', async () => {
    const scene = await ready({ threads: 2 });
    for (let i = 0; i < 5; i++) expect(codeOf(await scene.pool.run(task('exit')))).toBe('ERR_WORKER_EXITED');
    await expectUsable(scene, 2);
    expect(scene.pool.stats()).toMatchObject({ stuck: 0, crashed: 5 });
  });
});

describe('a bug that does not end the thread', () => {
  test('in the worker is reported, not retried, and the thread stays in use', async () => {
    const scene = await ready();
    const { pool, server } = scene;
    const open = server.next();
    const neighbour = pool.run(task('waits'));
    const exchange = await open;
    expect(await pool.run(task('reject'))).toMatchObject({
      ok: false,
      error: { code: 'ERR_INTERNAL', message: 'Error: a bug in the worker', retryable: false },
    });
    answer(exchange);
    expect(codeOf(await neighbour)).toBe('OK attack');
    await expectUsable(scene, 1);
    expect(scene.lost).toEqual([]);
  });

  test('in the task, which cannot be sent, is reported, not retried, and costs no thread', async () => {
    const scene = await ready();
    const actions = Object.assign(['attack', 'block'], { sort: () => [] });
    const situation = { observation: {}, actions, topValues: [] };
    for (let i = 0; i < 3; i++) {
      expect(await scene.pool.run(task('answers', { situation }))).toMatchObject({
        ok: false,
        error: { code: 'ERR_INTERNAL', message: expect.stringContaining('could not be cloned'), retryable: false },
      });
    }
    await expectUsable(scene, 1);
    expect(scene.lost).toEqual([]);
  });

  test('a query that is forgotten gives up after its time, on a thread that goes on', async () => {
    const scene = await ready({ stuckGraceMs: 100 });
    const { pool, lost } = scene;
    const controller = new AbortController();
    const forgotten = pool.run(task('forget', { timeoutMs: 200 }), controller.signal);
    // What a thread settles shows that its event loop turns.
    let isForgotten = true;
    void forgotten.then(() => {
      isForgotten = false;
    });
    while (isForgotten) expect(codeOf(await pool.run(task('answers')))).toBe('OK attack');
    const result = await forgotten;
    expect(result).toMatchObject({ ok: false, error: { code: 'ERR_WORKER_STUCK' } });
    expect(result.report.totalMs).toBeGreaterThanOrEqual(200);
    expect(lost).toEqual([]);
    await expectUsable(scene, 1);
  });
});

describe('a worker that cannot start', () => {
  test.each([
    ['does not exist', '../support/no-such-worker.ts', /Cannot find module/],
    ['fails at boot', '../support/failing-worker.ts', /this worker fails at boot/],
  ])('because its file %s: ready() rejects, and run() settles in time with a code', async (_why, file, message) => {
    const workerUrl = new URL(file, import.meta.url);
    const { pool } = await setUp({ threads: 2, workerUrl, stuckGraceMs: 100 });
    await expect(pool.ready()).rejects.toThrow(message);
    const startedAt = systemClock.now();
    const results = await Promise.all(Array.from({ length: 3 }, () => pool.run(task('answers', { timeoutMs: 200 }))));
    for (const result of results) expect(codeOf(result)).toMatch(/^ERR_WORKER_(?:STUCK|EXITED)$/);
    expect(systemClock.now() - startedAt).toBeLessThan(2_000);
    expect(pool.stats().running).toBe(0);
  });

  // Schedule: the only thread exits, and its successor is held while it starts; a task waits for it until it is given
  // up; then the thread comes, and finds the task in its queue.
  test('a task that was given up asks no server when a thread comes after all', async () => {
    using channel = openChannel();
    let isHeld = false;
    channel.onmessage = () => {
      if (!isHeld) channel.postMessage('go');
    };
    const workerUrl = new URL('../support/gated-worker.ts', import.meta.url);
    const { pool, server } = await ready({ workerUrl, stuckGraceMs: 10 });
    isHeld = true;
    expect(codeOf(await pool.run(task('exit')))).toBe('ERR_WORKER_EXITED');
    const result = await pool.run(task('answers', { timeoutMs: 100 }));
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'ERR_WORKER_STUCK', message: 'no worker thread took the task in time' },
    });
    expect(result.report.totalMs).toBeGreaterThanOrEqual(100);
    isHeld = false;
    channel.postMessage('go');
    expect(codeOf(await pool.run(task('answers')))).toBe('OK attack');
    expect(server.exchanges).toHaveLength(1);
  });
});

describe('closing', () => {
  test('settles every task, running or waiting for a thread, and refuses new ones', async () => {
    const { pool, server } = await ready({ threads: 2 });
    const open = arrivals(server, 6);
    const running = Array.from({ length: 6 }, () => pool.run(task('waits')));
    await open;
    const gate = new Gate();
    const spinning = pool.run(task('spin', { gate: gate.words.buffer }));
    await gate.opened();
    await pool.close();
    expect((await Promise.all([...running, spinning])).map(codeOf)).toEqual(Array(7).fill('ERR_CANCELLED'));
    expect(pool.stats()).toMatchObject({ threads: 0, running: 0 });
    expect(codeOf(await pool.run(task('answers')))).toBe('ERR_CANCELLED');
    await pool.close();
  });

  test('settles what waits for a thread that is starting', async () => {
    const { pool } = await ready();
    expect(codeOf(await pool.run(task('exit')))).toBe('ERR_WORKER_EXITED');
    const waiting = Array.from({ length: 3 }, () => pool.run(task('answers')));
    await pool.close();
    expect((await Promise.all(waiting)).map(codeOf)).toEqual(Array(3).fill('ERR_CANCELLED'));
  });

  test('leaves no timer and no thread: the process ends by itself', async () => {
    const path = new URL('../support/pool-process.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 15_000 });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.on('close', (...end) => resolve(end)),
    );
    expect({ output: Buffer.concat(output).toString(), code, signal }).toEqual({
      output: '{"left":[]}',
      code: 0,
      signal: null,
    });
  });
});
