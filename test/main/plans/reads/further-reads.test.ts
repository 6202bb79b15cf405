import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures } from '../../../../src/main/options/features.ts';
import type { CacheOptions, PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { drive } from '../../../support/drive.ts';
import type { ReadBehaviour, ReadScript } from '../../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request, testDomain } from '../../../support/make-planner.ts';

const ROLES = ['one', 'two', 'three', 'four'];
const domain = { ...testDomain, roles: ROLES.map((name) => ({ name, prompt: `${name}.` })) };
const ON = { ...allFeatures(true), discovery: false, constrainedAnswers: false };

/** Until the first plan has found the form: the two others are refused. */
const FOUND_MS = 2;

let under: CachedPlanner;

/** A server that tells log probabilities, and nothing else. */
async function make(
  reads: ReadScript,
  options: Partial<PlannerOptions> = {},
  cache: CacheOptions | false = false,
): Promise<void> {
  const onlyChats: ReadScript = (call) =>
    call.form === 'logprobs' ? reads(call) : { kind: 'errors', code: 'ERR_METHOD_UNKNOWN', afterMs: 0 };
  under = await makeCachedPlanner(() => ({ kind: 'times-out' }), {
    cache,
    reads: onlyChats,
    options: {
      domain,
      experts: ROLES.map((role) => ({ role, model: 'e' })),
      synthesis: { models: [] },
      features: ON,
      answers: 'read',
      ...options,
    },
  });
}

afterEach(async () => {
  await under.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

let place = 0;
function plan(actions: readonly string[] = ['attack', 'block', 'flee'], timeoutMs = 1_000): Promise<Plan> {
  const observation = { place: `cave ${place++}`, health: 50 };
  return drive(under.clock, under.planner.plan(request({ observation, actions }), { timeoutMs }));
}

function told(probabilities: Readonly<Record<string, number>>, afterMs = 20): ReadBehaviour {
  return { kind: 'reads', probabilities, afterMs };
}

function requests(): number {
  return under.models.calls.filter(({ form }) => form === 'logprobs').length;
}

describe('where a request asks one role', () => {
  test('the others are asked one after the other, and all count alike', async () => {
    await make(({ roles }) => told(roles[0] === 'one' ? { attack: 0.9 } : { block: 0.6, attack: 0.2 }));
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'block', latencyMs: FOUND_MS + 80 });
    expect(decided.attempts).toMatchObject([{ step: 'read', form: 'logprobs', role: 'one', code: 'OK', requests: 4 }]);
    expect(decided.probabilities?.block).toBeCloseTo((3 * 0.6) / 4);
    expect(decided.probabilities?.attack).toBeCloseTo((0.9 + 3 * 0.2) / 4);
  });

  test('the answer in hand decides where the others would be late', async () => {
    await make(() => told({ attack: 0.9 }, 280));
    const decided = await plan(undefined, 600);
    expect(decided).toMatchObject({ action: 'attack', source: 'quorum', latencyMs: FOUND_MS + 280 });
    expect(requests()).toBe(1);
  });

  test('a request that hangs is given up in time, and what is in hand decides', async () => {
    await make(({ roles }) => (roles[0] === 'three' ? { kind: 'times-out' } : told({ attack: 0.8 })));
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'attack', source: 'quorum' });
    expect(decided.latencyMs).toBeLessThan(1_000);
    expect(requests()).toBe(3);
  });

  test('what is in hand is the answer of a plan that is settled meanwhile, as the planner closes', async () => {
    await make(({ roles }) => (roles[0] === 'two' ? { kind: 'times-out' } : told({ attack: 0.8, block: 0.1 })));
    const observation = { place: 'a cave', health: 50 };
    const qValues = { attack: 0.4, block: 0.6 };
    const asked = request({ observation, actions: ['attack', 'block', 'flee'], qValues });
    const planned = under.planner.plan(asked, { timeoutMs: 1_000 });
    await drive(under.clock, new Promise<void>((resolve) => void under.clock.setTimer(100, resolve)));
    expect(requests()).toBe(2);
    await under.planner.close();
    const settled = await planned;
    expect(settled).toMatchObject({ action: 'attack', source: 'vote', model: 'e' });
    expect(settled.confidence).toBeGreaterThan(0.4);
    expect(Object.keys(settled.probabilities ?? {})).toEqual(['attack', 'block', 'flee']);
  });

  test('a request that fails ends the read, without an effect on what is in hand', async () => {
    await make(({ roles }) =>
      roles[0] === 'two' ? { kind: 'errors', code: 'ERR_MODEL_STATUS' } : told({ flee: 0.8 }),
    );
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'flee', latencyMs: FOUND_MS + 21 });
    expect(decided.attempts).toMatchObject([{ code: 'OK' }]);
  });

  test('roles that never change such an answer are asked rarely', async () => {
    await make(() => told({ attack: 0.9 }, 2));
    for (let nth = 0; nth < 60; nth++) await plan();
    const before = requests();
    for (let nth = 0; nth < 20; nth++) await plan();
    expect(requests() - before).toBeLessThanOrEqual(20 + 2 * 3);
  });

  test('roles that change the unsure answers alone are asked for those', async () => {
    let isSure = true;
    await make(({ roles }) => {
      if (isSure) return told({ attack: 0.95 }, 2);
      return told(roles[0] === 'one' ? { attack: 0.45, block: 0.35 } : { attack: 0.3, block: 0.45 }, 2);
    });
    const asked = { sure: 0, unsure: 0 };
    for (let nth = 0; nth < 180; nth++) {
      isSure = nth % 4 !== 0;
      const before = requests();
      await plan();
      if (nth >= 120) asked[isSure ? 'sure' : 'unsure'] += requests() - before;
    }
    // The second role changes the answer, the others do not.
    expect(asked.unsure).toBeGreaterThanOrEqual(15 * 2);
    expect(asked.sure).toBeLessThan(45 * 2);
  });
});

describe('where a server gains from several requests at once', () => {
  /** Four slots; the first request of a read takes 20 ms, further ones `alone` in turn. Counts how many ran at once at most. */
  async function learn(
    msOf: (others: number) => number,
    slots = 4,
    isStuck: (role: string | undefined) => boolean = () => false,
    cache?: CacheOptions,
  ): Promise<void> {
    let open = 0;
    await make(
      ({ roles }) => {
        const isFirst = roles[0] === 'one';
        if (isStuck(roles[0])) return { kind: 'times-out' };
        const others = isFirst ? 0 : open++;
        if (others === 0) queueMicrotask(() => queueMicrotask(() => (open = 0)));
        return told(
          roles[0] === 'four' ? { attack: 0.3, block: 0.6 } : { attack: 0.5, block: 0.4 },
          isFirst ? 20 : msOf(others),
        );
      },
      { endpoints: { local: { baseURL: 'http://127.0.0.1:9/v1', slots } } },
      cache,
    );
    for (let nth = 0; nth < 60; nth++) await plan();
  }

  /** The number of requests that started together, for the further ones of the latest read. */
  function startsOf(): number[] {
    const starts = under.models.calls.slice(-3).map(({ startedAtMs }) => startedAtMs);
    return [...new Set(starts)].map((ms) => starts.filter((each) => each === ms).length);
  }

  test('all further roles are asked at once, and take as long as the slowest', async () => {
    await learn(() => 20);
    const decided = await plan();
    expect(startsOf()).toEqual([3]);
    expect(decided).toMatchObject({ latencyMs: 40, attempts: [{ requests: 4 }] });
    expect(decided.attempts[0]?.latencyMs).toBe(40);
  });

  test('they are asked in turn where that takes longer', async () => {
    await learn((others) => (others === 0 ? 20 : 200));
    expect((await plan()).latencyMs).toBe(80);
    expect(startsOf()).toEqual([1, 1, 1]);
  });

  test('they take no slot that another call waits for', async () => {
    await learn(() => 20, 2);
    await Promise.all([plan(), plan(), plan()]);
    expect(Object.values(under.planner.stats().endpoints).map(({ waiting }) => waiting)).toEqual([0]);
    expect(startsOf().every((count) => count <= 2)).toBe(true);
  });

  test('a plan that its caller ends says nothing about how long several requests take', async () => {
    await learn(() => 20);
    const ended = new AbortController();
    const observation = { place: 'ended', health: 50 };
    const asked = under.planner.plan(request({ observation, actions: ['attack', 'block', 'flee'] }), {
      timeoutMs: 1_000,
      signal: ended.signal,
    });
    under.clock.setTimer(30, () => ended.abort());
    await expect(drive(under.clock, asked)).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
    await drive(under.clock, new Promise<void>((resolve) => void under.clock.setTimer(1_000, resolve)));
    await plan();
    expect(startsOf()).toEqual([3]);
  });

  test('work that no plan waits for takes one slot only, which it would give back to a plan', async () => {
    await learn(
      () => 20,
      4,
      () => false,
      { checkShare: 1, similar: false },
    );
    await plan();
    expect(startsOf()).toEqual([3]);
    const before = requests();
    place--;
    expect((await plan()).source).toBe('cache');
    await drive(under.clock, new Promise<void>((resolve) => void under.clock.setTimer(1_000, resolve)));
    expect(requests() - before).toBe(4);
    expect(startsOf()).toEqual([1, 1, 1]);
  });

  test('a spare slot is given back where its request is not answered in time, and what is in hand decides', async () => {
    let isStuck = false;
    await learn(
      () => 20,
      4,
      (role) => isStuck && role === 'three',
    );
    isStuck = true;
    const decided = await plan(undefined, 500);
    expect(decided).toMatchObject({
      action: 'block',
      source: 'quorum',
      latenessMs: 0,
      attempts: [{ form: 'logprobs' }],
    });
    await drive(under.clock, new Promise<void>((resolve) => void under.clock.setTimer(1_000, resolve)));
    expect(Object.values(under.planner.stats().endpoints)).toMatchObject([{ busy: 0 }]);
  });
});

/** What some actions are worth to the model: one in the second group, and one in the third. */
const WORTH: Readonly<Record<string, number>> = { 'do 30': 4, 'do 59': 8 };

/** A model that judges the actions it is shown by their worth. */
const judging = ({ actions }: { readonly actions: readonly string[] }): ReadBehaviour => {
  const worths = actions.map((action) => WORTH[action] ?? 0.05);
  const sum = worths.reduce((total, each) => total + each, 0);
  return told(Object.fromEntries(actions.map((action, at) => [action, (worths[at] as number) / sum])));
};

const many = (count: number): string[] => Array.from({ length: count }, (_, nth) => `do ${nth}`);

describe('more actions than labels', () => {
  test('are read in groups, and the likeliest of all groups against each other', async () => {
    await make(judging, { experts: [{ role: 'one', model: 'e' }] });
    const decided = await plan(many(60));
    expect(decided).toMatchObject({ action: 'do 59', latencyMs: FOUND_MS + 80 });
    expect(decided.attempts).toMatchObject([{ requests: 4 }]);
    expect(Object.keys(decided.probabilities ?? {})).toHaveLength(26);
    expect(decided.probabilities?.['do 59']).toBeGreaterThan(0.5);
  });

  test('all roles are asked about the likeliest', async () => {
    await make(judging);
    expect((await plan(many(60))).attempts).toMatchObject([{ requests: 4 + 3 }]);
  });

  test('are read as far as there is time for a last request', async () => {
    await make((call) => ({ ...judging(call), afterMs: 250 }), {
      experts: [{ role: 'one', model: 'e' }],
    });
    // The first request, one more group, and the last: the third group would make it late.
    const decided = await plan(many(60));
    expect(decided).toMatchObject({ action: 'do 30', attempts: [{ requests: 3 }] });
    expect(decided.latencyMs).toBe(FOUND_MS + 750);
  });

  test('are the best by value where there is no time for more', async () => {
    await make((call) => ({ ...judging(call), afterMs: 400 }), { experts: [{ role: 'one', model: 'e' }] });
    const actions = many(300);
    const qValues = Object.fromEntries(actions.map((action, nth) => [action, nth === 59 ? 9 : nth / 300]));
    const observation = { place: 'value', health: 50 };
    const asked = under.planner.plan(request({ observation, actions, qValues }), { timeoutMs: 1_000 });
    expect(await drive(under.clock, asked)).toMatchObject({ action: 'do 59', latencyMs: FOUND_MS + 400 });
  });

  test('are the best by value where groups never change such an answer', async () => {
    await make(() => told({ 'do 0': 0.9 }, 2), { experts: [{ role: 'one', model: 'e' }] });
    for (let nth = 0; nth < 80; nth++) await plan(many(60));
    const before = requests();
    for (let nth = 0; nth < 20; nth++) await plan(many(60));
    expect(requests() - before).toBeLessThanOrEqual(20 + 2 * 3);
  });
});
