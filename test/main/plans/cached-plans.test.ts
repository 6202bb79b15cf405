import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { CacheStats } from '../../../src/main/cache/cache-options.ts';
import { META, PAGE } from '../../../src/main/cache/disk/lmdb-layout.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { type Random, seededRandom } from '../../../src/shared/random.ts';
import { renderSituation } from '../../../src/shared/situation.ts';
import { drive, flush } from '../../support/drive.ts';
import type { Behaviour } from '../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../support/make-cached-planner.ts';
import { request, testDomain } from '../../support/make-planner.ts';
import { makeFolder, openTier } from '../cache/disk/support/open-tier.ts';

/** All models agree, so that a tally has one action. */
const agreeing =
  (action: string, afterMs = 10) =>
  (): Behaviour => ({ kind: 'answers', action, afterMs });
/** The first flight decides `first`, every later one `then`. */
const changing = (first: string, then: string) => {
  const calls = { experts: 2, synthesis: 1 };
  return ({ role, nth }: { role: string | undefined; nth: number }): Behaviour => {
    const isFirst = role === undefined ? nth < calls.synthesis : nth === 0;
    return { kind: 'answers', action: isFirst ? first : then, afterMs: 10 };
  };
};

let under: CachedPlanner;

afterEach(async () => {
  await under.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

const at = (place: string, health = 50, more: Partial<PlanRequest> = {}): PlanRequest =>
  request({ observation: { place, health }, ...more });
const plan = (asked: PlanRequest): Promise<Plan> => drive(under.clock, under.planner.plan(asked));
function cacheStats(): CacheStats {
  const { cache } = under.planner.stats();
  if (cache === false) throw new Error('the cache is off');
  return cache;
}
async function pass(ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    under.clock.advance(1);
    await flush();
  }
}

describe('a plan from the cache', () => {
  test('names its source, its reason, its model and its age', async () => {
    under = await makeCachedPlanner(agreeing('block'));
    const first = await plan(at('cave'));
    under.clock.advance(5_000);
    const second = await plan(at('cave', 50, { agent: 'another' }));
    expect(second).toEqual({
      id: 2,
      agent: 'another',
      action: 'block',
      source: 'cache',
      reason: first.reason,
      model: 'a',
      attempts: [],
      coalesced: false,
      ageMs: 5_000,
      latencyMs: 0,
      latenessMs: 0,
    });
    expect(under.planner.stats().sources).toMatchObject({ cache: 1, synthesis: 1, similar: 0 });
  });

  test('of a similar state says so: the numbers are near and all else is equal', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { trust: 'always' } });
    await plan(at('cave', 68));
    under.clock.advance(7);
    expect(await plan(at('cave', 72))).toMatchObject({ source: 'similar', action: 'block', model: 'a', ageMs: 7 });
    expect((await plan(at('cave', 90))).source).toBe('synthesis');
    expect((await plan(at('wood', 68))).source).toBe('synthesis');
    expect((await plan(at('cave', 68, { actions: ['block', 'flee'] }))).source).toBe('synthesis');
    expect(cacheStats()).toMatchObject({ hits: 1, similarHits: 1, misses: 4 });
    expect(under.planner.stats().sources.similar).toBe(1);
  });

  test('is that of its own state, though plans in other states were asked for meanwhile', async () => {
    let place = 0;
    under = await makeCachedPlanner(
      () => ({ kind: 'answers', action: ['attack', 'block', 'flee'][place++ % 3] as string, afterMs: 10 }),
      { options: { experts: [], synthesis: { models: ['a'] } } },
    );
    const places = ['cave', 'wood', 'hall'];
    const first = await drive(under.clock, Promise.all(places.map((name) => under.planner.plan(at(name)))));
    expect(first.map(({ action }) => action)).toEqual(['attack', 'block', 'flee']);
    for (const [i, name] of places.entries()) {
      expect(await plan(at(name, 50, { agent: 'x' }))).toMatchObject({ source: 'cache', action: first[i]?.action });
    }
  });

  test('is never of a similar state where that is switched off', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { similar: false } });
    await plan(at('cave', 68));
    expect((await plan(at('cave', 72))).source).toBe('synthesis');
    expect(cacheStats().similarHits).toBe(0);
  });

  test('is never one with the cache off', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: false });
    await plan(at('cave'));
    expect((await plan(at('cave'))).source).toBe('synthesis');
    expect(under.planner.peek(at('cave'))).toBeUndefined();
    expect(under.planner.stats().cache).toBe(false);
  });
});

describe('peek', () => {
  test('finds the decision of exactly this state, and changes nothing', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { checkShare: 1 } });
    await plan(at('cave', 68));
    const before = under.planner.stats();
    expect(under.planner.peek(at('cave', 68))).toMatchObject({ action: 'block', source: 'synthesis' });
    expect(under.planner.peek(at('cave', 72))).toBeUndefined();
    await flush();
    expect(under.planner.stats()).toEqual(before);
  });

  test('does not offer an agent what it did twice in vain', async () => {
    under = await makeCachedPlanner(agreeing('block'));
    for (let i = 0; i < 2; i++) await plan(at('cave'));
    expect(under.planner.peek(at('cave'))).toBeUndefined();
    expect(under.planner.peek(at('cave', 50, { agent: 'another' }))).toMatchObject({ action: 'block' });
  });
});

describe('an agent that comes back in the same state', () => {
  test('is served its action once more; then models are asked, and told what it tried', async () => {
    under = await makeCachedPlanner(changing('block', 'flee'));
    expect((await plan(at('cave'))).source).toBe('synthesis');
    expect(await plan(at('cave'))).toMatchObject({ source: 'cache', action: 'block' });
    expect(await plan(at('cave'))).toMatchObject({ source: 'synthesis', action: 'flee' });
    expect(under.models.situations.map(({ inVain }) => inVain)).toEqual([undefined, undefined, 'block', 'block']);
    expect(under.models.prompts[0]).not.toContain('TRIED');
    expect(under.models.prompts[1]).toContain('\n\nTRIED WITHOUT EFFECT\nblock\n\n');
    expect(cacheStats().loopsBroken).toBe(1);
  });

  test('is never served the same action a third time in a row, whatever the models say', async () => {
    under = await makeCachedPlanner(agreeing('block'));
    const sources: string[] = [];
    for (let i = 0; i < 6; i++) sources.push((await plan(at('cave'))).source);
    expect(sources).toEqual(['synthesis', 'cache', 'synthesis', 'synthesis', 'synthesis', 'synthesis']);
  });

  test('is served again when its state has changed in between', async () => {
    under = await makeCachedPlanner(agreeing('block'));
    for (let i = 0; i < 2; i++) await plan(at('cave'));
    await plan(at('wood'));
    expect((await plan(at('cave'))).source).toBe('cache');
  });

  test('does not keep the action from other agents', async () => {
    under = await makeCachedPlanner(agreeing('block'));
    for (let i = 0; i < 2; i++) await plan(at('cave'));
    expect((await plan(at('cave', 50, { agent: 'another' }))).source).toBe('cache');
  });

  test('again and again, round and round, has models asked about it, and is told what it tried', async () => {
    under = await makeCachedPlanner(
      ({ nth }) => ({ kind: 'answers', action: nth < 2 ? 'block' : 'flee', afterMs: 10 }),
      {
        options: { experts: [{ role: 'one', model: 'a' }], synthesis: { models: [] } },
      },
    );
    const sources: string[] = [];
    for (let visit = 0; visit < 8; visit++) {
      sources.push((await plan(at(visit % 2 === 0 ? 'cave' : 'wood'))).source);
    }
    expect(sources).toEqual(['vote', 'vote', 'cache', 'cache', 'cache', 'cache', 'vote', 'vote']);
    expect(under.models.situations.map(({ inVain }) => inVain)).toEqual([undefined, undefined, 'block', 'block']);
    expect(cacheStats()).toMatchObject({ cyclesBroken: 2, loopsBroken: 0, stood: 0 });
    expect(await plan(at('cave'))).toMatchObject({ source: 'cache', action: 'flee' });
  });

  test('round and round is served from memory all the same where no model answers in time', async () => {
    let slow = false;
    under = await makeCachedPlanner(
      () => (slow ? { kind: 'times-out' } : { kind: 'answers', action: 'block', afterMs: 10 }),
      { options: { experts: [], synthesis: { models: ['a'] }, timeoutMs: 500 } },
    );
    for (let visit = 0; visit < 2; visit++) await plan(at(visit % 2 === 0 ? 'cave' : 'wood'));
    slow = true;
    for (let visit = 2; visit < 6; visit++) await plan(at(visit % 2 === 0 ? 'cave' : 'wood'));
    const stood = await plan(at('cave'));
    expect(stood).toMatchObject({ source: 'cache', action: 'block' });
    expect(stood.attempts.length).toBeGreaterThan(0);
    expect(cacheStats()).toMatchObject({ cyclesBroken: 1, stood: 1 });
    expect(cacheStats().hits + cacheStats().stood).toBe(under.planner.stats().sources.cache);
  });

  test('goes round and round where the guard against cycles is switched off', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { cycleGuard: false, similar: false } });
    for (let visit = 0; visit < 2; visit++) await plan(at(visit % 2 === 0 ? 'cave' : 'wood'));
    for (let visit = 0; visit < 20; visit++) {
      expect((await plan(at(visit % 2 === 0 ? 'cave' : 'wood'))).source).toBe('cache');
    }
  });

  test('is served for ever where the guard is switched off', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { loopGuard: false } });
    await plan(at('cave'));
    for (let i = 0; i < 4; i++) expect((await plan(at('cave'))).source).toBe('cache');
    expect(under.models.situations.every(({ inVain }) => inVain === undefined)).toBe(true);
  });

  // Schedule: two agents in the same state, none of them in the cache's grace; both have tried the same; a third has not.
  test('shares its flight with those who tried the same, and not with those who did not', async () => {
    under = await makeCachedPlanner(agreeing('block', 40), { cache: { ttlMs: 1_000 } });
    for (const agent of ['a', 'b']) {
      for (let i = 0; i < 2; i++) await plan(at('cave', 50, { agent }));
    }
    under.clock.advance(1_000);
    const before = under.models.situations.length;
    const plans = ['a', 'b', 'c'].map((agent) => under.planner.plan(at('cave', 50, { agent })));
    const settled = await drive(under.clock, Promise.all(plans));
    expect(settled.map(({ coalesced }) => coalesced)).toEqual([false, true, false]);
    const told = under.models.situations.slice(before).map(({ inVain }) => inVain);
    expect(told.sort()).toEqual(['block', 'block', undefined, undefined]);
  });

  test('leaves the prompts of all others as they were, byte for byte', async () => {
    const prompts: string[][] = [];
    for (const loopGuard of [true, false]) {
      under = await makeCachedPlanner(changing('block', 'flee'), { cache: { loopGuard, similar: false } });
      for (const place of ['cave', 'cave', 'wood', 'hall']) await plan(at(place));
      const shown = under.models.situations.map((situation) => renderSituation(testDomain, situation));
      prompts.push([...shown, ...under.models.prompts]);
      await under.planner.close();
    }
    expect(prompts[0]).toEqual(prompts[1]);
    expect(prompts[0]).toHaveLength(9);
  });
});

describe('a check', () => {
  test('never delays the plan it is about, and is made behind it', async () => {
    under = await makeCachedPlanner(agreeing('block', 100), { cache: { checkShare: 1 } });
    await plan(at('cave'));
    const nowMs = under.clock.now();
    const served = await under.planner.plan(at('cave'));
    expect([served.source, served.latencyMs, under.clock.now()]).toEqual(['cache', 0, nowMs]);
    await flush();
    expect(under.models.calls).toHaveLength(5);
    await pass(250);
    expect(under.planner.stats().background).toEqual({
      queued: 0,
      running: 0,
      done: 1,
      failed: 0,
      cancelled: 0,
      dropped: 0,
      lost: { full: 0, gone: 0, old: 0, failed: 0, ended: 0 },
      later: { states: 0, asked: 0, voted: 0 },
    });
  });

  test('that finds no room is made when a plan has made some', async () => {
    const endpoints = { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 2 } };
    under = await makeCachedPlanner(agreeing('block', 30), { cache: { checkShare: 1 }, options: { endpoints } });
    await plan(at('cave'));
    const busy = under.planner.plan(at('wood'));
    await flush();
    await plan(at('cave'));
    await pass(20);
    expect(under.planner.stats().background).toMatchObject({ queued: 1, running: 0 });
    await drive(under.clock, busy);
    await pass(100);
    expect(under.planner.stats().background).toMatchObject({ queued: 0, done: 1, cancelled: 0 });
  });

  test('that agrees counts for the tier and the scene, and adds to the tally', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { checkShare: 1, trust: 'always' } });
    await plan(at('cave', 68));
    expect(under.planner.peek(at('cave', 68))?.tally).toEqual([{ action: 'block', count: 3, weight: 2 }]);
    await plan(at('cave', 68));
    await pass(50);
    expect(under.planner.peek(at('cave', 68, { agent: 'x' }))?.tally).toEqual([
      { action: 'block', count: 6, weight: 4 },
    ]);
    expect((await plan(at('cave', 72))).source).toBe('similar');
    await pass(50);
    const { falseHits } = cacheStats();
    expect(falseHits.exact).toMatchObject({ served: 1, checked: 1, wrong: 0, rate: 0 });
    expect(falseHits.similar).toMatchObject({ served: 1, checked: 1, wrong: 0, rate: 0 });
    expect(falseHits.scenes).toMatchObject([{ scene: 'cave', served: 2, checked: 2, wrong: 0 }]);
  });

  test('that disagrees counts as a false hit, and the tallies together decide', async () => {
    under = await makeCachedPlanner(changing('block', 'flee'), { cache: { checkShare: 1 } });
    await plan(at('cave'));
    await plan(at('cave'));
    await pass(50);
    expect(cacheStats().falseHits.exact).toMatchObject({ served: 1, checked: 1, wrong: 1, rate: 1 });
    const { action, tally } = under.planner.peek(at('cave', 50, { agent: 'x' })) ?? {};
    expect(action).toBe('flee');
    expect(tally?.map((entry) => [entry.action, entry.count])).toEqual([
      ['flee', 3],
      ['block', 3],
    ]);
  });

  // The tally of a decision has its winner first, which need not have the most votes; merging ranks by votes alone.
  test('that agrees leaves the action as it was, also where the synthesizer overruled the votes', async () => {
    under = await makeCachedPlanner(
      ({ model }) => ({ kind: 'answers', action: model === 'a' ? 'block' : 'flee', afterMs: 1 }),
      { cache: { checkShare: 1 } },
    );
    await plan(at('cave'));
    await plan(at('cave'));
    await pass(50);
    expect(under.planner.peek(at('cave', 50, { agent: 'x' }))).toMatchObject({ action: 'block' });
  });

  test('is made of a share of the hits, drawn by chance', async () => {
    const draws = [0.24, 0.25, 0.9];
    const random: Random = { next: () => draws.shift() ?? 0.99 };
    under = await makeCachedPlanner(agreeing('block', 1), { cache: { checkShare: 0.25 }, random });
    await plan(at('cave'));
    for (const agent of ['a', 'b', 'c']) {
      await plan(at('cave', 50, { agent }));
      await pass(10);
    }
    expect(under.planner.stats().background.done).toBe(1);
    expect(cacheStats().falseHits.exact).toMatchObject({ served: 3, checked: 1 });
  });

  // Schedule: of a check one expert has voted and one is slow; a plan could be in time with its slot, and not behind it.
  test('whose call is given up for a plan changes nothing in the cache', async () => {
    const one = { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 2 } };
    let isSlow = false;
    under = await makeCachedPlanner(
      ({ nth }) => ({
        kind: 'answers',
        action: nth === 0 ? 'block' : 'flee',
        afterMs: isSlow ? 90 : 1,
      }),
      { cache: { checkShare: 1 }, options: { endpoints: one, synthesis: { models: [] }, quorum: 'all' } },
    );
    await plan(at('cave'));
    // So that it is known how long calls take.
    for (const place of ['hall', 'mine', 'hill', 'road']) await plan(at(place));
    const before = [under.planner.peek(at('cave')), cacheStats().entries];
    isSlow = true;
    await plan(at('cave', 50, { agent: 'x' }));
    await pass(20);
    expect(under.planner.stats().background.running).toBe(1);
    isSlow = false;
    await drive(under.clock, under.planner.plan(at('wood'), { timeoutMs: 15 }));
    expect(under.planner.stats().endpoints[0]?.givenUp).toBeGreaterThanOrEqual(1);
    expect(under.planner.stats().background).toMatchObject({ done: 0, failed: 0 });
    expect(under.planner.peek(at('cave'))).toEqual(before[0]);
    expect(cacheStats().falseHits.exact).toMatchObject({ due: 1, checked: 0, lost: 0 });
    // It was only put off.
    await pass(200);
    expect(under.planner.stats().background).toMatchObject({ queued: 0, done: 1, cancelled: 1, failed: 0 });
    expect(cacheStats().falseHits.exact).toMatchObject({ due: 1, checked: 1, lost: 0 });
  });

  test('goes on beside a plan that can be in time behind it', async () => {
    const one = { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } };
    under = await makeCachedPlanner(() => ({ kind: 'answers', action: 'block', afterMs: 30 }), {
      cache: { checkShare: 1 },
      options: { endpoints: one, experts: [{ role: 'one', model: 'e' }], synthesis: { models: [] } },
    });
    for (const place of ['cave', 'hall', 'mine']) await plan(at(place));
    await plan(at('cave', 50, { agent: 'x' }));
    await pass(10);
    expect(await drive(under.clock, under.planner.plan(at('wood')))).toMatchObject({ action: 'block', latencyMs: 50 });
    expect(under.planner.stats().background).toMatchObject({ done: 1, cancelled: 0 });
    expect(under.planner.stats().endpoints).toMatchObject([{ givenUp: 0 }]);
  });

  test('that fails is counted and changes nothing', async () => {
    let isDown = false;
    under = await makeCachedPlanner(() => (isDown ? { kind: 'empty' } : { kind: 'answers', action: 'block' }), {
      cache: { checkShare: 1 },
    });
    await plan(at('cave'));
    isDown = true;
    const before = under.planner.peek(at('cave'));
    await plan(at('cave', 50, { agent: 'x' }));
    await pass(20);
    expect(under.planner.stats().background).toMatchObject({ done: 0, failed: 1 });
    // Nobody had to be answered by a lower rung.
    expect(under.planner.stats().fallbacks).toBe(0);
    expect(under.planner.peek(at('cave'))).toEqual(before);
    expect(cacheStats().falseHits.exact).toMatchObject({ served: 1, checked: 0, rate: null });
  });

  // Schedule: a hit is due for a check; a listener of its plan peeks at another state; then the check is made.
  test('is about the state that was served, though a listener looked at another one meanwhile', async () => {
    under = await makeCachedPlanner(changing('block', 'flee'), { cache: { checkShare: 1, similar: false } });
    await plan(at('cave'));
    under.planner.on('plan', () => void under.planner.peek(at('wood')));
    await plan(at('cave'));
    await pass(50);
    expect(under.planner.stats().background.done).toBe(1);
    expect(under.planner.peek(at('wood'))).toBeUndefined();
    expect(under.planner.peek(at('cave', 50, { agent: 'x' }))?.action).toBe('flee');
  });

  test('shows models what was asked, though the host has reused its lists', async () => {
    under = await makeCachedPlanner(agreeing('block', 20), {
      cache: { checkShare: 1 },
      options: {
        domain: { name: 'bag', features: { items: { kind: 'set' } }, roles: [{ name: 'one', prompt: 'One.' }] },
        experts: [{ role: 'one', model: 'e' }],
      },
    });
    const items = ['sword'];
    const actions = ['attack', 'block'];
    const asked = { agent: 'x', observation: { items }, actions };
    await plan(asked);
    const hit = under.planner.plan(asked);
    items[0] = 'torch';
    actions.push('burn');
    expect((await hit).source).toBe('cache');
    await pass(60);
    expect(under.models.situations).toHaveLength(2);
    expect(under.models.situations[1]).toMatchObject({
      observation: { items: ['sword'] },
      actions: ['attack', 'block'],
    });
  });

  test('ends with the planner, and what it would have decided is not remembered', async () => {
    under = await makeCachedPlanner(agreeing('block', 100), { cache: { checkShare: 1 } });
    await plan(at('cave'));
    await plan(at('cave'));
    await pass(50);
    await under.planner.close();
    expect(under.planner.stats().background).toMatchObject({ queued: 0, running: 0, done: 0, cancelled: 1 });
    expect(cacheStats().falseHits.exact.checked).toBe(0);
  });
});

describe('plans beside checks', () => {
  interface Step {
    readonly afterMs: number;
    readonly asked: PlanRequest;
  }

  const MODELS: readonly string[] = ['cache', 'quorum', 'synthesis', 'fallback', 'vote'];

  /** How many plans of a schedule are answered by models, when every hit is checked, or none. */
  async function answered(
    schedule: readonly Step[],
    [maxConcurrent, staggerMs, timeoutMs]: readonly [number, number, number],
    checkShare: number,
  ) {
    under = await makeCachedPlanner(
      ({ model }) => ({ kind: 'answers', action: 'block', afterMs: model === 'e' ? 13 : 7 }),
      {
        cache: { checkShare, loopGuard: false, similar: false },
        options: { endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent, staggerMs } } },
      },
    );
    const plans: Promise<Plan>[] = [];
    for (const { afterMs, asked } of schedule) {
      await pass(afterMs);
      plans.push(under.planner.plan(asked, { timeoutMs }));
    }
    const settled = await drive(under.clock, Promise.all(plans));
    const { background, endpoints } = under.planner.stats();
    await under.planner.close();
    expect(under.clock.pendingTimers).toBe(0);
    expect(settled.every(({ latenessMs }) => latenessMs === 0)).toBe(true);
    const byModels = settled.filter(({ source }) => MODELS.includes(source)).length;
    return { byModels, checks: background.done, givenUp: endpoints[0]?.givenUp ?? 0 };
  }

  async function compare(terms: readonly [number, number, number]) {
    const sum = { beside: 0, alone: 0, checks: 0, givenUp: 0 };
    for (let seed = 1; seed <= 4; seed++) {
      const random = seededRandom(seed);
      const schedule = Array.from({ length: 40 }, () => ({
        afterMs: Math.floor(random.next() * 40),
        asked: at(`place ${Math.floor(random.next() * 8)}`, 50, { agent: `agent ${Math.floor(random.next() * 3)}` }),
      }));
      const beside = await answered(schedule, terms, 1);
      const alone = await answered(schedule, terms, 0);
      sum.beside += beside.byModels;
      sum.alone += alone.byModels;
      sum.checks += beside.checks;
      sum.givenUp += beside.givenUp;
    }
    return sum;
  }

  test.each([
    [1, 0],
    [2, 0],
    [3, 0],
    [64, 0],
    [2, 5],
  ])(
    'are answered by the same rungs where they have time, and no check is given up: %i slots, %i ms between starts',
    async (slots, staggerMs) => {
      const { beside, alone, checks, givenUp } = await compare([slots, staggerMs, 1_000]);
      expect([beside, alone]).toEqual([160, 160]);
      expect(checks).toBeGreaterThan(10);
      expect(givenUp).toBe(0);
    },
  );

  test.each([
    [1, 45],
    [2, 26],
  ])('find the slots of checks where they have little time: %i slots, %i ms', async (slots, timeoutMs) => {
    const { beside, alone, givenUp } = await compare([slots, 0, timeoutMs]);
    expect(givenUp).toBeGreaterThan(0);
    expect(beside).toBeGreaterThanOrEqual(alone * 0.95);
  });
});

test('an agent is guarded by the state that it was in, though others were asked for meanwhile', async () => {
  under = await makeCachedPlanner(agreeing('block'), { options: { singleFlight: false }, cache: { ttlMs: 1 } });
  for (let i = 0; i < 2; i++) {
    await drive(
      under.clock,
      Promise.all([under.planner.plan(at('cave')), under.planner.plan(at('hall', 50, { agent: 'x' }))]),
    );
  }
  await plan(at('cave'));
  expect(under.models.situations.slice(-2).map(({ inVain }) => inVain)).toEqual(['block', 'block']);
});

describe('refresh ahead', () => {
  test('asks again about an entry in use shortly before it expires, which is then fresh for as long again', async () => {
    under = await makeCachedPlanner(agreeing('block'), {
      cache: { ttlMs: 1_000, refreshAhead: true, loopGuard: false },
    });
    await plan(at('cave'));
    under.clock.advance(999);
    expect((await plan(at('cave'))).source).toBe('cache');
    await pass(50);
    expect(under.planner.stats().background.done).toBe(1);
    under.clock.advance(900);
    expect((await plan(at('cave'))).source).toBe('cache');
    // It was not drawn by chance, so it says nothing of how often the cache is wrong.
    expect(cacheStats().falseHits.exact.checked).toBe(0);
  });

  test('asks nothing where it is switched off', async () => {
    under = await makeCachedPlanner(agreeing('block'), { cache: { ttlMs: 1_000 } });
    await plan(at('cave'));
    under.clock.advance(999);
    await plan(at('cave'));
    await pass(50);
    expect(under.planner.stats().background.done).toBe(0);
  });
});

describe('an error budget', () => {
  test('serves nothing at first, and hits once the evidence is there', async () => {
    under = await makeCachedPlanner(agreeing('block', 1), { cache: { errorBudget: 0.2, loopGuard: false } });
    const sources: string[] = [];
    for (let i = 0; i < 150; i++) sources.push((await plan(at('cave', 50, { agent: `agent ${i % 5}` }))).source);
    expect(sources.slice(0, 10)).toEqual(Array(10).fill('synthesis'));
    expect(sources.filter((source) => source === 'cache').length).toBeGreaterThan(75);
    const { budget, falseHits } = cacheStats();
    expect(budget).toMatchObject({ budget: 0.2, served: sources.filter((source) => source === 'cache').length });
    if (budget === false) throw new Error('there is no budget');
    expect(budget.riskHigh).toBeLessThanOrEqual(0.2);
    // Probes are samples of what is served.
    expect(falseHits.exact.checked).toBe(budget.probes);
    expect(falseHits.exact.wrong).toBe(0);
  });

  test('lets what agents usually do next answer in states that nobody was in', async () => {
    under = await makeCachedPlanner(agreeing('block', 1), { cache: { errorBudget: 0.2, loopGuard: false } });
    const plans: Plan[] = [];
    for (let i = 0; i < 150; i++) {
      const actions = ['attack', 'block', 'flee', `spell ${i}`];
      plans.push(await plan(at('cave', 50, { agent: `agent ${i % 5}`, actions })));
    }
    const habits = plans.filter(({ source }) => source === 'habit');
    expect(habits.length).toBeGreaterThan(50);
    expect(habits.at(-1)).toMatchObject({
      action: 'block',
      attempts: [],
      reason: expect.stringMatching(/^usually done/),
    });
    expect(habits.at(-1)?.ageMs).toBeGreaterThanOrEqual(0);
    expect(under.planner.stats().sources.habit).toBe(habits.length);
    expect(cacheStats()).toMatchObject({ hits: habits.length, habitHits: habits.length });
  });

  test('serves nothing of models that never agree with themselves', async () => {
    const random = seededRandom(5);
    under = await makeCachedPlanner(
      () => ({
        kind: 'answers',
        action: ['attack', 'block', 'flee'][Math.floor(random.next() * 3)] as string,
        afterMs: 1,
      }),
      { cache: { errorBudget: 0.1, loopGuard: false } },
    );
    for (let i = 0; i < 200; i++) await plan(at('cave', 50, { agent: `agent ${i % 5}` }));
    expect(cacheStats().budget).toMatchObject({ served: 0, risk: null });
    expect(cacheStats().hits).toBe(0);
  });

  test('is not there unless it is set', async () => {
    under = await makeCachedPlanner(agreeing('block'));
    expect(cacheStats().budget).toBe(false);
  });
});

describe('the profile', () => {
  test('november serves similar states, checks nothing and guards against no loop', async () => {
    under = await makeCachedPlanner(agreeing('block', 10), {
      cache: { checkShare: 0 },
      options: { profile: 'november', cache: {} },
      random: { next: () => 0 },
    });
    await plan(at('cave', 68));
    for (let i = 0; i < 4; i++) expect((await plan(at('cave', 68))).source).toBe('cache');
    expect((await plan(at('cave', 72))).source).toBe('similar');
    await pass(50);
    expect(under.planner.stats().background).toMatchObject({ queued: 0, running: 0, done: 0 });
    expect(under.models.calls).toHaveLength(3);
  });

  test('default checks a share of its hits', async () => {
    under = await makeCachedPlanner(agreeing('block'), { options: { cache: {} }, random: { next: () => 0.019 } });
    await plan(at('cave'));
    await plan(at('cave'));
    await pass(50);
    expect(under.planner.stats().background.done).toBe(1);
  });
});

test('a damaged file on disk is told of on the warning event, though it is found before there is a planner', async () => {
  const folder = makeFolder();
  try {
    const path = join(folder.path, 'decisions.lmdb');
    await (await openTier(path)).tier.close();
    // Its heads are ours, and disagree.
    const bytes = readFileSync(path);
    bytes.fill(0xff, 4_096 + PAGE.HEADER_BYTES + META.FREE_TREE, 4_096 + PAGE.HEADER_BYTES + META.BYTES);
    writeFileSync(path, bytes);
    under = await makeCachedPlanner(agreeing('block'), { cache: { disk: { path } } });
    const warnings: string[] = [];
    under.planner.on('warning', (message) => warnings.push(message));
    await flush();
    expect(warnings).toEqual([expect.stringContaining('set aside as')]);
    await under.planner.close();
  } finally {
    folder.remove();
  }
});
