import { getEventListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Attempt,
  type EmbeddedPlanner,
  type EmbedOptions,
  embedPlanner as embed,
  openCache,
  type PeerExit,
  type Plan,
  type PlannerOptions,
  type PlanRequest,
} from '../../src/main/index.ts';
import { embedPlanner } from '../../src/main/service/entries/embed-planner.ts';
import { choosing } from '../support/choosing-server.ts';
import { request, testDomain } from '../support/make-planner.ts';
import { PLAIN_LADDER } from '../support/plain-ladder.ts';
import { type Exchange, ScriptedServer } from '../support/scripted-server.ts';

const FAULTY = new URL('../support/faulty-planner-thread.ts', import.meta.url);

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

/** With faults, chosen by the agent of a request. */
function embedFaulty(embedOptions: EmbedOptions = {}, more: Partial<PlannerOptions> = {}): Promise<EmbeddedPlanner> {
  return embedPlanner(options(more), embedOptions, { entryUrl: FAULTY });
}

function exitOf(planner: EmbeddedPlanner): Promise<PeerExit> {
  return new Promise((resolve) => planner.once('exit', resolve));
}

describe('a planner in a thread', () => {
  test('plans, and its host sees what was decided without a message', async () => {
    await using planner = await embed(options());
    expect(planner.peek(at('cave'))).toBeUndefined();
    const plan = await planner.plan(at('cave'));
    expect(plan).toMatchObject({ agent: 'tester', action: 'block', source: 'quorum', coalesced: false });
    expect(plan.attempts.map(({ code }) => code)).toEqual(['OK', 'OK']);
    expect(planner.peek(at('cave', { agent: 'another' }))?.action).toBe('block');
    const buffer = planner.cacheBuffer as SharedArrayBuffer;
    expect(openCache(buffer, planner.domain).peek(at('cave'))?.action).toBe('block');
    expect(await planner.plan(at('cave'))).toMatchObject({ source: 'cache', action: 'block' });
    expect(await planner.stats()).toMatchObject({ plans: { settled: 2, inFlight: 0 } });
    await planner.clearCache();
    expect(planner.peek(at('cave'))).toBeUndefined();
  });

  test('answers peek while its thread is blocked', async () => {
    await using planner = await embedFaulty();
    await planner.plan(at('cave'));
    const blocked = planner.plan(at('hall', { agent: 'spin:1000' }), { timeoutMs: 20_000 });
    let isBlocked = true;
    void blocked.then(() => {
      isBlocked = false;
    });
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(planner.peek(at('cave'))?.action).toBe('block');
    }
    expect(isBlocked).toBe(true);
    await blocked;
  });

  test('without a cache, peek finds nothing and still checks the request', async () => {
    await using planner = await embed(options({ cache: false }));
    await planner.plan(at('cave'));
    expect(planner.cacheBuffer).toBeUndefined();
    expect(planner.peek(at('cave'))).toBeUndefined();
    expect(() => planner.peek(at('cave', { actions: [] }))).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_INVALID' }),
    );
  });

  test('hundreds in flight settle, each with its own answer', async () => {
    server.script = choosing(() => undefined);
    await using planner = await embed(options());
    const plans = await Promise.all(
      Array.from({ length: 600 }, (_, n) =>
        planner.plan(at(`place ${n % 20}`, { agent: `agent ${n}`, actions: ['wait', `action ${n % 20}`] })),
      ),
    );
    expect(plans.map(({ agent }) => agent)).toEqual(Array.from({ length: 600 }, (_, n) => `agent ${n}`));
    expect(plans.every(({ action }, n) => action === `action ${n % 20}`)).toBe(true);
  });
});

describe('events', () => {
  test('plans and warnings are told while the host listens, and no longer', async () => {
    await using planner = await embed(
      options({ endpoints: { local: { baseURL: 'http://127.0.0.1:9/v1' } }, allowOffline: true }),
    );
    const warnings: string[] = [];
    planner.on('warning', (message) => warnings.push(message));
    await vi.waitFor(() => expect(warnings.join()).toContain('127.0.0.1:9'));
    const told: string[] = [];
    const onPlan = (plan: Plan, asked: PlanRequest): void => void told.push(`${plan.agent} ${asked.observation.place}`);
    await planner.plan(at('cave', { agent: 'before' }));
    planner.on('plan', onPlan);
    await planner.plan(at('cave', { agent: 'during' }));
    expect(told).toEqual(['during cave']);
    planner.off('plan', onPlan);
    await planner.plan(at('cave', { agent: 'after' }));
    planner.once('plan', onPlan);
    await planner.plan(at('hall', { agent: 'once' }));
    await planner.plan(at('hall', { agent: 'never' }));
    planner.removeAllListeners();
    planner.on('plan', onPlan);
    await planner.plan(at('yard', { agent: 'again' }));
    expect(told).toEqual(['during cave', 'once hall', 'again yard']);
  });

  test('what a listener throws becomes a warning', async () => {
    await using planner = await embed(options());
    const warnings: string[] = [];
    planner.on('warning', (message) => warnings.push(message));
    planner.on('plan', () => {
      throw new Error('oh');
    });
    const onAttempt = (): void => {
      throw new Error('no');
    };
    await planner.plan(at('cave'), { onAttempt });
    expect(warnings).toEqual(['onAttempt threw: no', 'onAttempt threw: no', 'a listener of "plan" threw: oh']);
  });

  test('attempts are heard by the plan that made them', async () => {
    await using planner = await embed(options());
    const heard: Record<string, Attempt[]> = { cave: [], hall: [] };
    const plans = await Promise.all(
      ['cave', 'hall'].map((place) =>
        planner.plan(at(place, { agent: place }), { onAttempt: (attempt) => heard[place]?.push(attempt) }),
      ),
    );
    for (const plan of plans) {
      const roles = (attempts: readonly Attempt[]): unknown[] => attempts.map(({ role, code }) => `${role} ${code}`);
      expect(roles(heard[plan.agent] ?? []).sort()).toEqual(roles(plan.attempts).sort());
    }
  });
});

describe('signals', () => {
  test('cancel the plan, also its model work, and leave no listener', async () => {
    await using planner = await embed(options());
    const controller = new AbortController();
    const arrived = server.next();
    const plan = planner.plan(at('silent wood'), { signal: controller.signal });
    const { closed } = await arrived;
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    controller.abort(new Error('the player left'));
    await expect(plan).rejects.toMatchObject({
      code: 'ERR_PLAN_CANCELLED',
      cause: expect.objectContaining({ message: 'the player left' }),
    });
    await closed;
    expect(await planner.stats()).toMatchObject({ plans: { cancelled: 1, inFlight: 0 } });
    const signal = new AbortController().signal;
    await planner.plan(at('cave'), { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('aborted before, the plan is not even sent', async () => {
    await using planner = await embed(options());
    await expect(planner.plan(at('cave'), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_PLAN_CANCELLED',
    });
    expect(await planner.stats()).toMatchObject({ plans: { settled: 0, cancelled: 0 } });
  });
});

describe('errors', () => {
  test('of the request are told with their code, and counted', async () => {
    await using planner = await embed(options());
    const invalid = { code: 'ERR_REQUEST_INVALID', retryable: false };
    await expect(planner.plan(at('cave', { actions: [] }))).rejects.toMatchObject(invalid);
    await expect(planner.plan(at('cave'), { timeoutMs: -1 })).rejects.toMatchObject(invalid);
    await expect(planner.plan(at('cave'), { priority: Number.NaN })).rejects.toMatchObject(invalid);
    const withFunction = { ...at('cave'), observation: { place: 'cave', health: () => 5 } } as unknown as PlanRequest;
    await expect(planner.plan(withFunction)).rejects.toMatchObject(invalid);
    expect((await planner.stats()).plans.invalid).toBe(4);
  });

  test('of the planner cross with code and retryable: one plan over maxInFlight is refused', async () => {
    await using planner = await embed(options({ maxInFlight: 2 }));
    const two = [planner.plan(at('silent 1')), planner.plan(at('silent 2'))];
    await expect(planner.plan(at('silent 3'))).rejects.toMatchObject({
      code: 'ERR_PLANNER_OVERLOADED',
      retryable: true,
      message: expect.stringContaining('maxInFlight'),
    });
    await planner.close();
    expect((await Promise.all(two)).map(({ source }) => source)).toEqual(['heuristic', 'heuristic']);
  });

  test('calls over callsMax are refused by the host', async () => {
    await using planner = await embed(options(), { callsMax: 2 });
    const two = [planner.plan(at('silent 1')), planner.plan(at('silent 2'))];
    const refused = { code: 'ERR_PLANNER_OVERLOADED', retryable: true, message: expect.stringContaining('callsMax') };
    await expect(planner.plan(at('cave'))).rejects.toMatchObject(refused);
    await expect(planner.stats()).rejects.toMatchObject(refused);
    await planner.close();
    await Promise.all(two);
  });

  test.each([
    ['ERR_OPTIONS_INVALID', 'timeoutMs must be', { timeoutMs: -1 }],
    [
      'ERR_OPTIONS_INVALID',
      'domain.description must be plain data',
      { domain: { ...testDomain, description: () => '' } },
    ],
    [
      'ERR_OPTIONS_INVALID',
      'got an instance of Endpoint',
      {
        endpoints: {
          local: new (class Endpoint {
            baseURL = 'http://127.0.0.1:9';
          })(),
        },
      },
    ],
    ['ERR_DOMAIN_INVALID', 'domain.features', { domain: { name: 'x', features: {} } }],
    ['ERR_MODEL_MISSING', '"n"', { experts: [{ role: 'one', model: 'n' }] }],
    ['ERR_ENDPOINT_UNREACHABLE', '127.0.0.1:9', { endpoints: { local: { baseURL: 'http://127.0.0.1:9/v1' } } }],
  ])('of the start reject embedPlanner: %s, %s', async (code, message, more) => {
    await expect(embed(options(more as unknown as Partial<PlannerOptions>))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test('a wrong embed option is named', async () => {
    await expect(embed(options(), { lateGraceMs: -1 })).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringContaining('embedOptions.lateGraceMs'),
    });
  });
});

describe('a thread that dies', () => {
  test('rejects what is pending and what comes after, and says how it ended', async () => {
    await using planner = await embedFaulty();
    await planner.plan(at('cave'));
    const exit = exitOf(planner);
    const pending = [planner.plan(at('silent 1')), planner.plan(at('silent 2')), planner.stats()];
    const last = planner.plan(at('silent 3', { agent: 'exit:7' }));
    const peerExited = { code: 'ERR_PEER_EXITED', message: "the planner's thread has ended (exit code 7)" };
    for (const outcome of await Promise.allSettled(pending.slice(0, 2))) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: peerExited });
    }
    await expect(last).rejects.toMatchObject(peerExited);
    expect(await exit).toEqual({ code: 7, signal: null, expected: false });
    expect(planner.isOpen).toBe(false);
    await expect(planner.plan(at('cave'))).rejects.toMatchObject(peerExited);
    await expect(planner.stats()).rejects.toMatchObject(peerExited);
    await expect(planner.clearCache()).rejects.toMatchObject(peerExited);
    expect(planner.peek(at('cave'))?.action).toBe('block');
    await planner.close();
  });

  test('of an error says which', async () => {
    await using planner = await embedFaulty();
    await expect(planner.plan(at('silent', { agent: 'throw' }))).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: expect.stringContaining('Error: a bug in the planner'),
    });
  });

  test('in its start rejects embedPlanner', async () => {
    const entryUrl = new URL('../support/no-such-file.ts', import.meta.url);
    await expect(embedPlanner(options(), {}, { entryUrl })).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: expect.stringMatching(/no-such-file.* while it started$/),
    });
  });

  test('and one that starts too slowly is given up', async () => {
    await expect(embedPlanner(options(), { startTimeoutMs: 1 })).rejects.toMatchObject({
      code: 'ERR_PEER_EXITED',
      message: "the planner's thread did not start in 1 ms (startTimeoutMs)",
    });
  });
});

describe('a thread that hangs', () => {
  test('the host answers in its place, on time', async () => {
    await using planner = await embedFaulty({ lateGraceMs: 20 });
    const told: Plan[] = [];
    planner.on('plan', (plan) => told.push(plan));
    const actions = ['attack', 'block', 'flee'];
    const hangs = planner.plan(at('silent', { agent: 'spin:2000', actions, qValues: { flee: 1 } }), { timeoutMs: 300 });
    // The next frame uses the list again.
    actions.length = 0;
    const plan = await hangs;
    expect(plan).toMatchObject({ id: 0, action: 'flee', source: 'heuristic', attempts: [], agent: 'spin:2000' });
    expect(plan.reason).toBe("the planner's thread did not answer in time; highest value: 1");
    expect(plan.latencyMs).toBeGreaterThanOrEqual(300);
    expect(plan.latencyMs).toBeLessThan(1_500);
    expect(told).toEqual([plan]);
    expect((await planner.stats()).plans.inFlight).toBe(0);
  });

  test('a plan that lay in the channel has what is left of its time', async () => {
    await using planner = await embedFaulty({ lateGraceMs: 10_000 });
    const spins = planner.plan(at('silent 1', { agent: 'spin:700' }), { timeoutMs: 1_000 });
    const plan = await planner.plan(at('silent 2'), { timeoutMs: 1_000 });
    // Of its second, 700 ms were over before the planner saw it.
    expect(plan.latencyMs).toBeLessThan(600);
    await spins;
  });

  test('close ends it by force, and its plans have the answer of the host', async () => {
    const planner = await embedFaulty({ closeTimeoutMs: 100 });
    const exit = exitOf(planner);
    const plan = planner.plan(at('silent', { agent: 'spin:60000', qValues: { block: 1 } }), { timeoutMs: 30_000 });
    const stats = planner.stats();
    const closed = planner.close();
    await expect(stats).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    expect(await plan).toMatchObject({ source: 'heuristic', action: 'block', id: 0 });
    await closed;
    expect((await exit).expected).toBe(true);
  });
});

describe('closing', () => {
  test('drains: what is in flight decides, what is new is refused, and the thread ends', async () => {
    const planner = await embed(options());
    const exit = exitOf(planner);
    const held = server.next();
    const waiting: Exchange[] = [];
    server.script = (exchange) => void waiting.push(exchange);
    const plan = planner.plan(at('cave'));
    await held;
    const closed = planner.close({ drainMs: 20_000 });
    expect(planner.isOpen).toBe(false);
    await expect(planner.plan(at('hall'))).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    server.script = choosing(() => '3\nRun.');
    for (const exchange of waiting) server.script(exchange);
    expect(await plan).toMatchObject({ action: 'flee', source: 'quorum' });
    await closed;
    expect(await exit).toEqual({ code: 0, signal: null, expected: true });
    await planner.close();
  });

  test('a second close ends the draining', async () => {
    const planner = await embed(options());
    const arrived = server.next();
    const plan = planner.plan(at('silent'), { timeoutMs: 60_000 });
    await arrived;
    void planner.close({ drainMs: 60_000 });
    await planner.close();
    expect(await plan).toMatchObject({ source: 'heuristic' });
  });
});
