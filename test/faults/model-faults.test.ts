import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createPlanner,
  type ErrorCode,
  type Plan,
  type Planner,
  type PlanRequest,
  skyrim,
} from '../../src/main/index.ts';
import { forkRandom, seededRandom } from '../../src/shared/random.ts';
import { FAULT_CODES, FAULT_NAMES, type FaultServer, seededMixture, startFaultServer } from './fault-server.ts';
import { JumpingClock } from './server/jumping-clock.ts';

/**
 * A real planner, with its threads and its sockets, against a server that plays every fault: whatever the server does,
 * each plan is legal and on time, its attempts say what happened, and when the server is well again, models decide again.
 */
const TIMEOUT_MS = 400;
/** The project's rule is 15 ms on a quiet machine (bench:faults measures it); this bound only catches what breaks it. */
const LATE_MS_MAX = 250;
/** A condition that has not come about by then will not. */
const PATIENCE_MS = 12_000;
const ACTIONS = ['attack', 'block', 'drink potion', 'retreat', 'wait and watch'];
/** Never an answer to what a server does: bugs, dead threads, and a full planner. */
const NEVER: readonly string[] = ['ERR_INTERNAL', 'ERR_WORKER_EXITED', 'ERR_WORKER_STUCK', 'ERR_POOL_FULL'];

const clock = new JumpingClock(1);
const warnings: string[] = [];
let server: FaultServer;
let planner: Planner;
let asked = 0;

beforeAll(async () => {
  server = await startFaultServer({ seed: 1, scale: 0.02, onClockJump: () => clock.jump() });
  planner = await createPlanner(
    {
      domain: skyrim,
      endpoints: { local: { baseURL: server.baseURL } },
      experts: skyrim.roles.map(({ name }) => ({ role: name, model: 'm' })),
      synthesis: { models: ['m-a', 'm-b'] },
      cache: false,
      singleFlight: false,
    },
    { clock },
  );
  planner.on('warning', (message) => warnings.push(message));
});

afterAll(async () => {
  await planner.close();
  await server.close();
});

beforeEach(async () => {
  await server.heal();
  await expectRecovery();
});

/** In a state of its own. */
function nextRequest(): PlanRequest {
  const index = asked++;
  return {
    agent: `agent-${index % 5}`,
    observation: { scene: 'combat', health: index % 101, inCombat: true, location: `cell ${index}` },
    actions: ACTIONS,
    qValues: { block: 0.5, retreat: 0.7 },
  };
}

interface Timed {
  readonly plan: Plan;
  readonly tookMs: number;
}

async function timed(signal?: AbortSignal): Promise<Timed> {
  const calledAt = performance.now();
  const plan = await planner.plan(nextRequest(), { timeoutMs: TIMEOUT_MS, ...(signal ? { signal } : {}) });
  return { plan, tookMs: performance.now() - calledAt };
}

function plans(count: number): Promise<Timed[]> {
  return Promise.all(Array.from({ length: count }, () => timed()));
}

/** What holds for every plan, whatever the server did. */
function expectSound(all: readonly Timed[]): void {
  for (const { plan, tookMs } of all) {
    expect(ACTIONS).toContain(plan.action);
    expect(tookMs).toBeLessThanOrEqual(TIMEOUT_MS + LATE_MS_MAX);
    if (plan.source === 'heuristic') expect(plan.action).toBe('retreat');
    for (const { code } of plan.attempts) expect(NEVER).not.toContain(code);
  }
}

function isDecidedByModels({ plan }: Timed): boolean {
  return ['quorum', 'synthesis', 'fallback'].includes(plan.source);
}

/** Models decide a few plans at once again. */
async function expectRecovery(): Promise<void> {
  await expect
    .poll(async () => (await plans(4)).filter(isDecidedByModels).length, { timeout: PATIENCE_MS, interval: 20 })
    .toBe(4);
}

/** Plans, a few at a time, until an attempt ends with one of `codes`. */
async function plansUntil(codes: readonly ('OK' | ErrorCode)[]): Promise<Timed[]> {
  const all: Timed[] = [];
  const startedAt = performance.now();
  const seen = new Set<string>();
  while (!codes.some((code) => seen.has(code))) {
    expect(performance.now() - startedAt, `of ${codes} only ${[...seen]} seen`).toBeLessThan(PATIENCE_MS);
    const some = await plans(3);
    all.push(...some);
    for (const { plan } of some) for (const { code } of plan.attempts) seen.add(code);
  }
  return all;
}

describe('plans are legal and on time, and models decide again after', () => {
  test.each(FAULT_NAMES)('%s', { timeout: 3 * PATIENCE_MS }, async (fault) => {
    await server.play(fault);
    const all = await plansUntil(FAULT_CODES[fault]);
    all.push(...(await plans(3)));
    expectSound(all);
    expect(server.stats().played[fault]).toBeGreaterThan(0);
    await server.heal();
    await expectRecovery();
  });
});

describe('what single faults mean', () => {
  test('an answer in the thoughts and one by another model still count, and the other model is named', async () => {
    await server.play('json-in-reasoning');
    expect((await plansUntil(['OK'])).some(isDecidedByModels)).toBe(true);
    await server.play('other-model');
    const attempts = (await plansUntil(['OK'])).flatMap(({ plan }) => plan.attempts);
    expect(attempts.map(({ modelAnswered }) => modelAnswered)).toContain('another/model-7b@q4_k_m');
  });

  test('odd numbers leave every figure of the planner finite', async () => {
    await server.play('odd-numbers');
    for (let round = 0; round < 12; round++) expectSound(await plans(4));
    const figures = planner.stats().models.flatMap((model) => Object.values(model));
    for (const figure of figures) if (typeof figure === 'number') expect(Number.isFinite(figure)).toBe(true);
  });

  test('with its slots shrunk the server never runs more than one answer', async () => {
    await server.play('slots-shrink');
    expectSound(await plans(8));
    expect(server.stats().slotsRunningMax).toBe(1);
  });
});

describe('a call that nobody waits for', () => {
  test.each(['accepted-silent', 'headers-silent', 'first-chunk-silent', 'comments-only', 'slow-drip'] as const)(
    'is closed at the server when its plan is cancelled: %s',
    async (fault) => {
      await server.play(fault);
      const controller = new AbortController();
      const arrived = server.arrivals(1);
      const cancelled = expect(timed(controller.signal)).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
      await arrived;
      controller.abort();
      await cancelled;
      await expect.poll(() => server.stats().openRequests, { timeout: PATIENCE_MS }).toBe(0);
    },
  );

  test('is closed at the server when its plan has settled', async () => {
    await server.play('accepted-silent');
    const before = server.stats().cancelled;
    expectSound(await plans(6));
    await expect.poll(() => server.stats().openRequests, { timeout: PATIENCE_MS }).toBe(0);
    expect(server.stats().cancelled).toBeGreaterThan(before);
  });

  test('is closed by the client also where the server goes on with it', async () => {
    await server.play('abort-ignored');
    expectSound(await plans(4));
    await expect.poll(() => server.stats().openRequests, { timeout: PATIENCE_MS }).toBe(0);
  });
});

describe('mixtures', () => {
  test.each(Array.from({ length: 24 }, (_, index) => index + 1))(
    'of seed %i',
    { timeout: 2 * PATIENCE_MS },
    async (seed) => {
      await server.play(seededMixture(forkRandom(seed, 'mixture')));
      expectSound(await plans(12));
      await server.heal();
      await expectRecovery();
    },
  );

  test('that change while plans run', { timeout: 2 * PATIENCE_MS }, async () => {
    const random = seededRandom(7);
    const episodes = Array.from({ length: 6 }, () => ({ forMs: 120, faults: seededMixture(random) }));
    await server.play({ episodes });
    const lanes = Array.from({ length: 6 }, async () => {
      for (let index = 0; index < 6; index++) expectSound([await timed()]);
    });
    await Promise.all(lanes);
    await server.heal();
    await expectRecovery();
  });
});

test('after all of it nothing runs, no thread was lost, and the end of the planner closes every socket', async () => {
  await expect.poll(() => planner.stats().calls.running, { timeout: PATIENCE_MS }).toBe(0);
  expect(planner.stats().plans.inFlight).toBe(0);
  expect(planner.stats().workers).toMatchObject({ running: 0, stuck: 0, crashed: 0 });
  expect(warnings).toEqual([]);
  await planner.close();
  await expect.poll(() => server.stats().openSockets, { timeout: PATIENCE_MS }).toBe(0);
});
