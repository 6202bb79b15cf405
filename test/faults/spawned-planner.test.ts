import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Attempt,
  type PeerExit,
  type Plan,
  type PlannerOptions,
  type PlanRequest,
  type SpawnedPlanner,
  spawnPlanner,
} from '../../src/main/index.ts';
import { type SpawnOptions, spawnPlanner as spawnDirectly } from '../../src/main/service/entries/spawn-planner.ts';
import { choosing } from '../support/choosing-server.ts';
import { request, testDomain } from '../support/make-planner.ts';
import { PLAIN_LADDER } from '../support/plain-ladder.ts';
import { type Exchange, ScriptedServer } from '../support/scripted-server.ts';

const FAULTY = new URL('../support/faulty-planner-process.ts', import.meta.url);
const PARENT = fileURLToPath(new URL('../support/spawning-parent.ts', import.meta.url));
const WAIT = { timeout: 15_000, interval: 20 };

let server: ScriptedServer;
beforeAll(async () => {
  server = await ScriptedServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Experts that all say `block`; in a place named `silent …` they say nothing. */
function options(more: Partial<PlannerOptions> = {}): PlannerOptions {
  server.script = choosing((body) => (body.includes('silent') ? undefined : '2\nBecause.'));
  return {
    domain: testDomain,
    endpoints: { local: { baseURL: server.baseURL } },
    experts: [
      { role: 'one', model: 'm' },
      { role: 'two', model: 'm' },
    ],
    ...PLAIN_LADDER,
    workers: { threads: 1 },
    ...more,
  };
}

function at(place: string, more: Partial<PlanRequest> = {}): PlanRequest {
  return request({ observation: { place, health: 50 }, ...more });
}

function spawnFaulty(spawnOptions: SpawnOptions = {}): Promise<SpawnedPlanner> {
  return spawnDirectly(options(), { output: 'ignore', ...spawnOptions }, { entryUrl: FAULTY });
}

function exitOf(planner: SpawnedPlanner): Promise<PeerExit> {
  return new Promise((resolve) => planner.once('exit', resolve));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // There is no such process.
    return false;
  }
}

describe('a planner in a child process', () => {
  test('plans, tells and forgets as one in this process does', async () => {
    await using planner = await spawnPlanner(options());
    expect(planner.pid).not.toBe(process.pid);
    const told: string[] = [];
    planner.on('plan', (plan) => told.push(plan.agent));
    const attempts: Attempt[] = [];
    const plan = await planner.plan(at('cave'), { onAttempt: (attempt) => attempts.push(attempt) });
    expect(plan).toMatchObject({ agent: 'tester', action: 'block', source: 'quorum' });
    expect(attempts).toHaveLength(2);
    expect(told).toEqual(['tester']);
    expect((await planner.peek(at('cave')))?.action).toBe('block');
    await expect(planner.peek(at('cave', { actions: [] }))).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    await planner.clearCache();
    expect(await planner.peek(at('cave'))).toBeUndefined();
    expect(await planner.stats()).toMatchObject({ plans: { settled: 1 } });
  });

  test('a signal cancels the plan and its model work', async () => {
    await using planner = await spawnPlanner(options());
    const controller = new AbortController();
    const arrived = server.next();
    const plan = planner.plan(at('silent'), { signal: controller.signal });
    const { closed } = await arrived;
    controller.abort();
    await expect(plan).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
    await closed;
  });

  test('ends when it is closed, with what was in flight decided', async () => {
    const planner = await spawnPlanner(options());
    const exit = exitOf(planner);
    const arrived = server.next();
    const waiting: Exchange[] = [];
    server.script = (exchange) => void waiting.push(exchange);
    const plan = planner.plan(at('cave'));
    await arrived;
    const closed = planner.close({ drainMs: 15_000 });
    await expect(planner.plan(at('hall'))).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    server.script = choosing(() => '3\nRun.');
    for (const exchange of waiting) server.script(exchange);
    expect(await plan).toMatchObject({ action: 'flee', source: 'quorum' });
    await closed;
    expect(await exit).toEqual({ code: 0, signal: null, expected: true });
    expect(isAlive(planner.pid)).toBe(false);
    await expect(planner.stats()).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
  });

  test.each([
    ['ERR_OPTIONS_INVALID', 'maxInFlight', { maxInFlight: 0 }],
    [
      'ERR_OPTIONS_INVALID',
      'domain.description must be plain data',
      { domain: { ...testDomain, description: () => '' } },
    ],
    ['ERR_MODEL_MISSING', '"n"', { experts: [{ role: 'one', model: 'n' }] }],
  ])('a start that fails rejects with its code and leaves no process: %s, %s', async (code, message, more) => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'ProcessWrap').length;
    await expect(spawnPlanner(options(more as unknown as Partial<PlannerOptions>))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'ProcessWrap')).toHaveLength(before);
  });

  test('one that dies while it starts says so', async () => {
    const entryUrl = new URL('../support/no-such-file.ts', import.meta.url);
    await expect(spawnDirectly(options(), { output: 'ignore' }, { entryUrl })).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: "the planner's process has ended (exit code 1) while it started",
    });
  });

  test('a wrong spawn option is named', async () => {
    const wrong = { output: 'stdout' } as unknown as SpawnOptions;
    await expect(spawnPlanner(options(), wrong)).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringContaining('spawnOptions.output'),
    });
  });
});

describe('a child that dies', () => {
  test('by kill -9 rejects what is pending and what comes after', async () => {
    await using planner = await spawnPlanner(options());
    const exit = exitOf(planner);
    const arrived = server.next();
    const pending = planner.plan(at('silent'), { timeoutMs: 60_000 });
    await arrived;
    process.kill(planner.pid, 'SIGKILL');
    const peerExited = { code: 'ERR_PEER_EXITED', message: "the planner's process has ended (signal SIGKILL)" };
    await expect(pending).rejects.toMatchObject(peerExited);
    expect(await exit).toEqual({ code: null, signal: 'SIGKILL', expected: false });
    await expect(planner.plan(at('cave'))).rejects.toMatchObject(peerExited);
    await expect(planner.peek(at('cave'))).rejects.toMatchObject(peerExited);
  });

  test('by an exit of its own says the code', async () => {
    await using planner = await spawnFaulty();
    await expect(planner.plan(at('silent', { agent: 'exit:9' }))).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: expect.stringContaining('exit code 9'),
    });
  });

  test('and one that hangs is answered for, and killed when it does not close', async () => {
    const planner = await spawnFaulty({ closeTimeoutMs: 100 });
    const plan = await planner.plan(at('silent', { agent: 'spin:60000', qValues: { flee: 1 } }), { timeoutMs: 300 });
    expect(plan).toMatchObject({ id: 0, source: 'heuristic', action: 'flee' });
    await planner.close();
    expect(isAlive(planner.pid)).toBe(false);
  });
});

// The signals are those of POSIX.
describe.skipIf(process.platform === 'win32')('the parent', () => {
  /** A parent process with a plan in flight, its child, the model call of that plan, and the lines that the parent prints. */
  async function startParent(...agent: string[]): Promise<{
    parent: ChildProcess;
    pid: number;
    called: Promise<Exchange>;
    line: () => Promise<string>;
  }> {
    const called = Promise.withResolvers<Exchange>();
    options();
    const usual = server.script;
    server.script = (exchange) => {
      if (exchange.url.endsWith('/chat/completions')) called.resolve(exchange);
      else usual(exchange);
    };
    // A group of its own, as a shell gives a job.
    const parent = spawn(process.execPath, [PARENT, server.baseURL, ...agent], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const lines = createInterface({ input: parent.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => String((await lines.next()).value);
    const { pid } = JSON.parse(await line()) as { pid: number };
    return { parent, pid, called: called.promise, line };
  }

  test('killed by kill -9, takes its child along', async () => {
    const { parent, pid, called } = await startParent();
    const call = await called;
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), WAIT);
    await call.closed;
  });

  test('takes along a child too whose event loop is blocked, and that never hears of it', async () => {
    const { parent, pid } = await startParent('spin:60000');
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), WAIT);
  });

  test('decides what an interrupt of the whole group means: its child plans on until it has drained', async () => {
    const { parent, pid, called, line } = await startParent();
    const call = await called;
    // The kernel ends a child that does not ignore it before it reads anything more.
    process.kill(-(parent.pid as number), 'SIGINT');
    choosing(() => '3\nRun.')(call);
    expect(JSON.parse(await line()) as Plan).toMatchObject({ action: 'flee', source: 'vote' });
    await once(parent, 'exit');
    expect(parent.exitCode).toBe(0);
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), WAIT);
  });
});
