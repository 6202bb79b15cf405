import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures } from '../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { Future } from '../../../src/main/plans/expectations/future.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import { drive, flush } from '../../support/drive.ts';
import type { Behaviour } from '../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../support/make-cached-planner.ts';
import { request } from '../../support/make-planner.ts';

const FEATURES = {
  ...allFeatures(true),
  discovery: false,
  constrainedAnswers: false,
  slotHolds: false,
  askLater: false,
};

let under: CachedPlanner;

/** One expert on so many slots, whose calls take 100 ms. */
async function make(slots: number, more: Partial<PlannerOptions> = {}, behaviour?: () => Behaviour): Promise<void> {
  under = await makeCachedPlanner(behaviour ?? (() => ({ kind: 'answers', action: 'block', afterMs: 100 })), {
    cache: { similar: false, loopGuard: false },
    options: {
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots, maxConcurrent: slots } },
      experts: [{ role: 'one', model: 'e' }],
      synthesis: { models: [] },
      quorum: 'firstAgree',
      features: FEATURES,
      ...more,
    },
  });
}

afterEach(async () => {
  await under?.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

function at(place: string, more: Partial<Future> = {}): Future {
  return { ...request({ observation: { place, health: 50 } }), ...more };
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await flush();
    under.clock.advance(10);
  }
  await flush();
}

const plan = (place: string, timeoutMs = 1_000): Promise<Plan> =>
  drive(under.clock, under.planner.plan(request({ observation: { place, health: 50 } }), { timeoutMs }));
const foresight = () => under.planner.stats().foresight;

describe('futures', () => {
  test('a future that comes true is answered from the cache at once', async () => {
    await make(4);
    under.planner.expect([at('cave'), at('wood')]);
    await pass(150);
    const served = await plan('cave');
    expect(served).toMatchObject({ source: 'cache', action: 'block', latencyMs: 0, attempts: [] });
    expect(foresight()).toMatchObject({ told: 2, asked: 2, used: 1, wrong: 1, waiting: 0, running: 0, off: null });
    expect(foresight().bySource).toMatchObject([
      { source: 'host', scene: 'cave', told: 1, used: 1, wrong: 0 },
      { source: 'host', scene: 'wood', told: 1, used: 0, wrong: 1 },
    ]);
  });

  test('a plan that was foreseen lists the calls that were made before it was asked, once', async () => {
    await make(4);
    under.planner.expect([at('cave')]);
    await pass(150);
    const { foreseen } = await plan('cave');
    expect(foreseen).toMatchObject([{ step: 'expert', model: 'e', code: 'OK', action: 'block' }]);
    expect(foreseen?.[0]?.startMs).toBeLessThanOrEqual(-150);
    await plan('wood');
    expect(await plan('cave')).not.toHaveProperty('foreseen');
  });

  test('a joined flight has the time of its plan, also if it began with more', async () => {
    await make(4, {}, () => ({ kind: 'answers', action: 'block', afterMs: 4_000 }));
    under.planner.expect([at('cave')]);
    await pass(50);
    const joined = await plan('cave', 500);
    expect(joined).toMatchObject({ source: 'heuristic' });
    expect(joined.latencyMs).toBeLessThanOrEqual(500);
  });

  test('a plan joins the flight under way for its state: models are asked once', async () => {
    await make(4);
    under.planner.expect([at('cave')]);
    await pass(50);
    const joined = await plan('cave');
    expect(joined).toMatchObject({ source: 'vote', coalesced: false });
    expect(joined.latencyMs).toBeLessThan(60);
    expect(joined.attempts[0]?.startMs).toBeLessThan(0);
    expect(under.models.calls).toHaveLength(1);
    expect(foresight()).toMatchObject({ asked: 1, tooLate: 1, joined: 1, used: 0, wrong: 0, dropped: 0 });
    expect(under.planner.stats().plans.coalesced).toBe(0);
  });

  test('the calls of a joined flight that wait for a slot are those of the plan from then on', async () => {
    const experts = ['one', 'two'].map((role) => ({ role, model: 'e' }));
    await make(1, { experts });
    // Once the times are known, nothing has to be given up for a plan that has time enough.
    for (const place of ['a', 'b', 'c', 'd']) await plan(place);
    await pass(60_000);
    const before = under.models.situations.length;
    under.planner.expect([at('cave', { likelihood: 1 })]);
    await pass(20);
    expect(under.planner.stats().endpoints[0]).toMatchObject({ busy: 1, waiting: 0 });
    const hall = request({ agent: 'other', observation: { place: 'hall', health: 50 } });
    const other = under.planner.plan(hall, { timeoutMs: 5_000 });
    await pass(10);
    const joined = await plan('cave', 900);
    expect(joined).toMatchObject({ source: 'quorum', action: 'block' });
    await drive(under.clock, other);
    const places = under.models.situations.map(({ observation }) => observation.place);
    expect(places.slice(before, before + 3)).toEqual(['cave', 'cave', 'hall']);
  });

  test('a plan that joined calls which had been given up continues with calls of its own', async () => {
    await make(1, {}, () => ({ kind: 'illegal', afterMs: 100 }));
    under.planner.expect([at('cave')]);
    await pass(50);
    const joined = await plan('cave');
    expect(joined.attempts.length).toBeGreaterThan(1);
    expect(foresight()).toMatchObject({ joined: 1, tooLate: 1 });
  });

  test('the likeliest future is asked first, and one that has not begun gives way to the plan itself', async () => {
    await make(1);
    under.planner.expect([at('cave', { likelihood: 0.2 }), at('wood', { likelihood: 0.7 })]);
    await pass(20);
    expect(under.models.situations.map(({ observation }) => observation.place)).toEqual(['wood']);
  });

  test('a call for a future gives way to a plan that needs its slot', async () => {
    await make(1);
    for (const place of ['a', 'b', 'c', 'd']) await plan(place);
    await pass(60_000);
    under.planner.expect([at('cave', { likelihood: 1 })]);
    await pass(20);
    const other = under.planner.plan(request({ agent: 'other', observation: { place: 'hall', health: 50 } }), {
      timeoutMs: 140,
    });
    expect(await drive(under.clock, other)).toMatchObject({ source: 'vote' });
    expect(under.models.calls.filter(({ cancelled }) => cancelled)).toHaveLength(1);
  });

  test('what the cache knows for as long as it is needed is not asked', async () => {
    await make(4);
    await plan('cave');
    under.planner.expect([at('cave', { agent: 'other' })]);
    await pass(50);
    expect(foresight()).toMatchObject({ told: 1, known: 1, asked: 0 });
    under.planner.expect([at('cave', { agent: 'third', inMs: 3_600_000 })]);
    await pass(50);
    expect(foresight()).toMatchObject({ told: 2, known: 1, asked: 1 });
  });

  test('the agent that asks again in its state has not moved: nothing was wrong', async () => {
    await make(4);
    await plan('start');
    under.planner.expect([at('cave')]);
    await pass(150);
    await plan('start');
    expect(foresight()).toMatchObject({ asked: 1, wrong: 0 });
    expect(await plan('cave')).toMatchObject({ source: 'cache' });
  });

  test('a future that is due later is not judged by the next request', async () => {
    await make(4);
    under.planner.expect([at('far', { inMs: 4_000 }), at('near', { inMs: 1_000 })]);
    await pass(1_000);
    await plan('elsewhere');
    expect(foresight()).toMatchObject({ wrong: 1 });
    await pass(3_000);
    expect(await plan('far')).toMatchObject({ source: 'cache' });
  });

  test('the oldest futures of an agent are dropped and counted', async () => {
    await make(1);
    const places = Array.from({ length: 20 }, (_, nth) => at(`place ${nth}`));
    under.planner.expect(places);
    await pass(10);
    expect(foresight()).toMatchObject({ told: 20, dropped: 4 });
    expect(foresight().waiting + foresight().running).toBe(16);
  });

  test('what was foreseen is a class of its own among the tiers, until models are asked about it', async () => {
    await make(4);
    under.planner.expect([at('cave')]);
    await pass(150);
    expect(under.planner.peek(request({ observation: { place: 'cave', health: 50 } }))).toMatchObject({
      foreseen: true,
    });
  });

  test('closing leaves nothing running, and clearing the cache gives up all work', async () => {
    await make(2);
    under.planner.expect([at('cave'), at('wood'), at('hall')]);
    await pass(20);
    under.planner.clearCache();
    await pass(20);
    expect(foresight()).toMatchObject({ dropped: 3, waiting: 0, running: 0 });
    under.planner.expect([at('cave')]);
    await pass(20);
    expect(foresight().running).toBe(1);
    await under.planner.close();
    expect(foresight()).toMatchObject({ waiting: 0, running: 0 });
    expect(under.models.calls.every(({ cancelled }) => cancelled)).toBe(true);
    expect(() => under.planner.expect([at('cave')])).toThrow(expect.objectContaining({ code: 'ERR_PLANNER_CLOSED' }));
  });

  test('a future that is too long to be kept is dropped, whatever makes it long', async () => {
    await make(4);
    const name = 'x'.repeat(1_000);
    const long = [
      at('cave', { actions: Array.from({ length: 101 }, (_, nth) => `${nth} ${name}`.slice(0, 1_000)) }),
      at('cave', { qValues: Object.fromEntries(Array.from({ length: 101 }, (_, nth) => [nth + name, 0])) }),
      at('cave', { actions: Array.from({ length: 1_000 }, (_, nth) => `${nth}`) }),
    ];
    under.planner.expect(long);
    expect(foresight()).toMatchObject({ told: 3, dropped: 3, waiting: 0 });
  });

  test('futures that are told in parts are taken over several turns, all or none', async () => {
    await make(4);
    const told = under.planner.expectInParts([at('cave'), at('wood'), at('hill')]);
    await new Promise(setImmediate);
    expect(foresight().told).toBe(0);
    await told;
    expect(foresight().told).toBe(3);
    await expect(under.planner.expectInParts([at('lake'), at('cave', { inMs: -1 })])).rejects.toThrow(
      'futures[1].inMs',
    );
    expect(foresight().told).toBe(3);
  });

  test('very many futures that the cache knows end over several turns', async () => {
    await make(1);
    await plan('cave');
    const asked = plan('wood');
    await flush();
    const agents = Array.from({ length: 200 }, (_, nth) => at('cave', { agent: `agent ${nth}` }));
    for (let from = 0; from < agents.length; from += 50) under.planner.expect(agents.slice(from, from + 50));
    await asked;
    let turns = 0;
    for (let before = 0; foresight().known < 200; before = foresight().known) {
      await new Promise(setImmediate);
      expect(foresight().known - before).toBeLessThanOrEqual(64);
      expect(turns++).toBeLessThan(50);
    }
    expect(foresight()).toMatchObject({ known: 200, waiting: 0, asked: 0 });
  });

  test('switched off, it takes futures, asks nothing, and says why', async () => {
    await make(4, { features: { ...FEATURES, foresight: false } });
    under.planner.expect([at('cave')]);
    await pass(50);
    expect(under.models.calls).toHaveLength(0);
    expect(foresight()).toMatchObject({ told: 1, dropped: 1, off: 'it is switched off (features.foresight)' });
  });

  test.each([
    [undefined, 'futures must be a list'],
    [[null], 'futures[0] must be an object'],
    [[at('cave', { inMs: -1 })], 'futures[0].inMs must be a number from 0 to 86400000, got -1'],
    [[at('cave'), at('cave', { likelihood: 2 })], 'futures[1].likelihood must be a number from 0 to 1, got 2'],
    [[at('cave', { actions: [] })], 'futures[0]: actions'],
    [Array.from({ length: 65 }, () => at('cave')), 'futures must be at most 64, got 65'],
  ])('futures of a wrong shape are refused, and none is taken (%#)', async (futures, message) => {
    await make(4);
    const refused = { code: 'ERR_REQUEST_INVALID', message: expect.stringContaining(message) };
    expect(() => under.planner.expect(futures as Future[])).toThrow(expect.objectContaining(refused));
    expect(foresight().told).toBe(0);
  });
});

describe('landing', () => {
  const moved = { place: 'wood', health: 50 };

  test('a plan of a host that does not observe has no landing', async () => {
    await make(4);
    expect(await plan('cave')).not.toHaveProperty('landing');
  });

  test('a plan whose agent is still in its state fits', async () => {
    await make(4);
    under.planner.observe(at('cave'));
    expect(await plan('cave')).toMatchObject({ landing: 'fits', action: 'block' });
    expect(await plan('cave')).toMatchObject({ landing: 'fits', source: 'cache' });
    expect(under.planner.stats().landing).toMatchObject({ fits: 2, moved: 0, illegal: 0, chosenAnew: 0 });
  });

  async function planWhile(change: () => void): Promise<Plan> {
    const asked = under.planner.plan(request({ observation: { place: 'cave', health: 50 } }), { timeoutMs: 1_000 });
    await pass(50);
    change();
    return drive(under.clock, asked);
  }

  test("the models' action stays where it is possible", async () => {
    await make(4);
    const landed = await planWhile(() => under.planner.observe(request({ observation: moved })));
    expect(landed).toMatchObject({ landing: 'moved', action: 'block', source: 'vote' });
  });

  test('what the cache knows of the newest state comes first', async () => {
    await make(4, {}, () => ({
      kind: 'answers',
      action: under.models.calls.length > 1 ? 'flee' : 'block',
      afterMs: 100,
    }));
    await plan('wood');
    const landed = await planWhile(() => under.planner.observe(request({ observation: moved })));
    expect(landed).toMatchObject({ landing: 'moved', action: 'block', source: 'cache' });
    expect(under.planner.stats().cache).toMatchObject({ stood: 1 });
  });

  test('an action that is not possible any more is chosen anew by the last rungs', async () => {
    await make(4);
    const state = { ...request({ observation: moved }), actions: ['hide', 'run'], qValues: { run: 0.9 } };
    const landed = await planWhile(() => under.planner.observe(state));
    expect(landed).toMatchObject({
      landing: 'illegal',
      action: 'run',
      source: 'heuristic',
      why: { code: 'state-changed' },
    });
    expect(under.planner.stats().landing).toMatchObject({ illegal: 1, chosenAnew: 1, scenes: [{ illegal: 1 }] });
  });

  test('a newer request shows that a plan is stale, and changes nothing', async () => {
    await make(4, { features: { ...FEATURES, newestFirst: false } });
    let newer: Promise<Plan> | undefined;
    const landed = await planWhile(() => {
      newer = under.planner.plan(
        { ...request({ observation: moved }), actions: ['hide', 'block'] },
        { timeoutMs: 1_000 },
      );
    });
    expect(landed).toMatchObject({ landing: 'moved', action: 'block' });
    expect(await drive(under.clock, newer as Promise<Plan>)).not.toHaveProperty('landing');
    expect(under.planner.stats().landing).toMatchObject({ fits: 1, moved: 1, illegal: 0, chosenAnew: 0 });
  });
});
