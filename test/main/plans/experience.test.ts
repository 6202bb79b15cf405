import { afterEach, describe, expect, test } from 'vitest';
import { AskingTimes } from '../../../src/main/foresight/asking-times.ts';
import { allFeatures } from '../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { GuessGates } from '../../../src/main/plans/experience/guess-gates.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { drive, flush } from '../../support/drive.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../support/make-cached-planner.ts';

const FEATURES = {
  ...allFeatures(true),
  ...{ discovery: false, constrainedAnswers: false, slotHolds: false, askLater: false },
};
const PLACES = ['cave', 'wood', 'hall', 'lake', 'road'];
const ACTIONS = ['go', 'stay'];

let under: CachedPlanner;

/** One expert whose calls take 100 ms. What is decided expires after 500 ms, so that no state is known when it comes back. */
async function make(more: Partial<PlannerOptions> = {}): Promise<void> {
  under = await makeCachedPlanner(() => ({ kind: 'answers', action: 'go', afterMs: 100 }), {
    cache: { similar: false, loopGuard: false, cycleGuard: false, ttlMs: 500 },
    options: {
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 2, maxConcurrent: 2 } },
      experts: [{ role: 'one', model: 'e' }],
      synthesis: { models: [] },
      quorum: 'firstAgree',
      features: FEATURES,
      foresight: { experience: true },
      ...more,
    },
  });
}

afterEach(async () => {
  await under?.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    await flush();
    under.clock.advance(50);
  }
  await flush();
}

/** An agent asks in one state after the other, and acts for a while after each plan. */
async function live(steps: number, placeAt: (step: number) => string, actMs = 400): Promise<Plan[]> {
  const plans: Plan[] = [];
  for (let step = 0; step < steps; step++) {
    const request = { agent: 'lydia', observation: { place: placeAt(step), health: 50 }, actions: ACTIONS };
    plans.push(await drive(under.clock, under.planner.plan(request, { timeoutMs: 1_000 })));
    await pass(actMs);
  }
  return plans;
}

const round = (step: number): string => PLACES[step % PLACES.length] as string;
const foresight = () => under.planner.stats().foresight;
const served = (plans: readonly Plan[]): number => plans.filter(({ source }) => source === 'cache').length;

describe('foresight from experience', () => {
  test('the answer is there before it is asked for where what follows is always the same', async () => {
    await make();
    const plans = await live(60, round);
    expect(served(plans.slice(0, 5))).toBe(0);
    expect(served(plans.slice(40))).toBeGreaterThanOrEqual(19);
    const { used, wrong, experience, bySource } = foresight();
    expect(used).toBeGreaterThanOrEqual(19);
    expect(wrong).toBeLessThanOrEqual(3);
    expect(experience.off).toBeNull();
    expect(bySource.every(({ source }) => source === 'experience')).toBe(true);
    expect(under.models.calls.length).toBeLessThanOrEqual(60 * 1.1);
  });

  test('nothing is asked ahead unless it is switched on, and the figures say so', async () => {
    await make({ foresight: {} });
    expect(served(await live(30, round))).toBe(0);
    expect(foresight()).toMatchObject({ told: 0, experience: { off: 'it is switched off (foresight.experience)' } });
  });

  test('where what follows is noise, next to nothing is asked ahead', async () => {
    await make();
    const random = seededRandom(3);
    await live(160, () => `place ${Math.floor(random.next() * 8)}`, 500);
    expect(foresight().asked).toBeLessThanOrEqual(4);
    expect(foresight().experience.off).toBe('too few guesses come true in time for what they cost');
  });

  test('where agents ask again before an answer could be there, nothing is asked ahead', async () => {
    await make();
    const plans = await live(40, (step) => `place ${step}`, 0);
    expect(served(plans)).toBe(0);
    expect(foresight()).toMatchObject({ asked: 0 });
    expect(foresight().experience.heldBack.time).toBeGreaterThan(20);
  });

  test('an agent whose plans all come from the cache is not followed', async () => {
    await make();
    await live(40, () => 'cave', 0);
    await live(40, round, 400);
    const { passed, heldBack } = foresight().experience;
    expect(passed + heldBack.time + heldBack.worth + heldBack.share).toBeGreaterThan(0);
  });

  test('pictures are not foreseen: a domain that needs one goes without', async () => {
    const features = { place: { kind: 'category' }, view: { kind: 'image' } } as const;
    const domain = defineDomain({ name: 'seen', features, roles: [{ name: 'one', prompt: 'Judge.' }] });
    await make({ domain });
    expect(foresight().experience.off).toBe('the domain needs view, and pictures are not foreseen');
  });
});

describe('the gates', () => {
  const kind = { source: 'experience', scene: 'cave', likelihood: 0.9, horizon: 1 } as const;
  const times = { answerMs: 100, askedChance: 0 };
  let workedMs = 0;

  function gates(share: number): GuessGates {
    workedMs = 0;
    const made = new GuessGates(new AskingTimes(), share, () => workedMs);
    for (let nth = 0; nth < 30; nth++) made.judged(kind, true);
    return made;
  }

  test('guesses that nobody asked for take no more than their share of the time that models work', () => {
    const some = gates(0.1);
    expect(some.passing([{ kind }], times)).toEqual([]);
    workedMs = 10;
    expect(some.passing([{ kind }], times)).toHaveLength(1);
    some.ended(kind, 'wrong', 100);
    workedMs = 1_000;
    expect(some.passing([{ kind }], times)).toEqual([]);
    workedMs = 1_020;
    expect(some.passing([{ kind }], times)).toHaveLength(1);
    expect(some.heldBack).toEqual({ time: 0, worth: 0, share: 2 });
  });

  test('used guesses cost nothing of that share, and with a share of 0 nothing passes', () => {
    const some = gates(0.1);
    workedMs = 10;
    for (let nth = 0; nth < 10; nth++) {
      expect(some.passing([{ kind }], times)).toHaveLength(1);
      some.ended(kind, 'used', 100);
    }
    const none = gates(0);
    workedMs = 1_000_000;
    expect(none.passing([{ kind }], times)).toEqual([]);
  });

  test('guesses that prove wrong close the gate, and it says why after a while', () => {
    const some = gates(1);
    workedMs = 1_000_000;
    for (let nth = 0; nth < 100; nth++) some.judged(kind, false);
    expect(some.whySilent).toBeNull();
    const passed = Array.from({ length: 200 }, () => some.passing([{ kind }], times).length);
    expect(passed.reduce((sum, each) => sum + each, 0)).toBe(2);
    expect(some.whySilent).toBe('too few guesses come true in time for what they cost');
  });
});
