import { describe, expect, test } from 'vitest';
import type { Circumstances } from '../../../../src/main/cache/evidence/evidence.ts';
import { HitJudge, type HitJudgement } from '../../../../src/main/cache/evidence/hit-judge.ts';
import { type Random, seededRandom } from '../../../../src/shared/random.ts';

const ACTIONS = ['attack', 'block', 'flee'];
const NO_PROBES: Random = { next: () => 0.99 };

function at(state: number): Circumstances {
  return { state, gates: state % 7, actionSet: 1, momentum: undefined };
}

/** Asks about a state as the cache does; unless it is served, models answer `action`. */
function ask(judge: HitJudge, state: number, action: string): HitJudgement {
  const judgement = judge.judge(judge.predict(ACTIONS, at(state)));
  if (judgement.verdict !== 'serve') judge.learn(judgement, action);
  return judgement;
}

/** A judge that has seen so many decisions for block, in so many states. */
function taught(budget: number, times: number, random: Random = NO_PROBES, states = 5): HitJudge {
  const judge = new HitJudge(budget, random);
  for (let i = 0; i < times; i++) ask(judge, i % states, 'block');
  return judge;
}

describe('a verdict', () => {
  test('is to ask where nothing is known, and no prediction is judged', () => {
    const judge = new HitJudge(0.2, NO_PROBES);
    expect(ask(judge, 1, 'block')).toMatchObject({ prediction: undefined, riskClass: undefined, verdict: 'ask' });
    expect(judge.stats()).toMatchObject({ judged: 0, served: 0 });
  });

  test('is to serve what models have long agreed on', () => {
    const judge = taught(0.1, 300);
    expect(ask(judge, 1, 'block')).toMatchObject({ prediction: { action: 'block' }, verdict: 'serve' });
    expect(judge.stats().served).toBeGreaterThan(0);
  });

  test('is never to serve where models never agree', () => {
    const random = seededRandom(3);
    const judge = new HitJudge(0.1, random);
    for (let i = 0; i < 2_000; i++) ask(judge, i % 5, ACTIONS[Math.floor(random.next() * 3)] as string);
    expect(judge.stats().served).toBe(0);
  });

  test('is to probe where the draw says so, and what comes of it is learned', () => {
    let draw = 0.99;
    const judge = taught(0.1, 300, { next: () => draw });
    draw = 0;
    expect(ask(judge, 1, 'block').verdict).toBe('probe');
    expect(judge.stats().probes).toBe(1);
  });

  test('tells states in which models agree from those in which they do not', () => {
    const random = seededRandom(8);
    const judge = new HitJudge(0.1, random);
    const served = { agreed: 0, split: 0 };
    let wrong = 0;
    for (let i = 0; i < 6_000; i++) {
      const isAgreed = random.next() < 0.5;
      // States of two sorts, with gates of their own.
      const state = (isAgreed ? 0 : 1) + 7 * Math.floor(random.next() * 4);
      const action = isAgreed ? 'block' : (ACTIONS[Math.floor(random.next() * 3)] as string);
      const { verdict, prediction } = ask(judge, state, action);
      if (verdict !== 'serve') continue;
      served[isAgreed ? 'agreed' : 'split']++;
      if (prediction?.action !== action) wrong++;
    }
    expect(served.agreed).toBeGreaterThan(1_500);
    expect(served.split).toBeLessThan(served.agreed / 5);
    expect(wrong / (served.agreed + served.split)).toBeLessThanOrEqual(0.1);
  });
});

describe('the class of a risk', () => {
  /** The class of a state in which models have chosen block ten times. */
  function classOfKnown(judge: HitJudge): number | undefined {
    const known: Circumstances = { state: 1, gates: 1, actionSet: 1, momentum: undefined };
    for (let i = 0; i < 10; i++) judge.learn({ ...judge.predict(ACTIONS, known), prediction: undefined }, 'block');
    return judge.judge(judge.predict(ACTIONS, known)).riskClass;
  }

  /** Elsewhere, with other actions, whatever looks sure turns out wrong. */
  function mislead(judge: HitJudge): void {
    for (let i = 0; i < 40; i++) {
      const elsewhere: Circumstances = { state: 100 + i, gates: 100 + i, actionSet: 100 + i, momentum: undefined };
      const others = [`left ${i}`, `right ${i}`, `up ${i}`];
      for (let n = 0; n < 10; n++) judge.learn(judge.judge(judge.predict(others, elsewhere)), `left ${i}`);
      for (let n = 0; n < 4; n++) judge.learn(judge.judge(judge.predict(others, elsewhere)), `right ${i}`);
      for (let n = 0; n < 3; n++) judge.learn(judge.judge(judge.predict(others, elsewhere)), `up ${i}`);
    }
  }

  test('rises where predictions that looked as sure turned out wrong', () => {
    const fooled = new HitJudge(0.1, NO_PROBES);
    mislead(fooled);
    const trusting = new HitJudge(0.1, NO_PROBES);
    expect(classOfKnown(fooled)).toBeGreaterThan(classOfKnown(trusting) as number);
  });

  test('is that of a new judge after clear', () => {
    const fooled = new HitJudge(0.1, NO_PROBES);
    mislead(fooled);
    fooled.clear();
    expect(classOfKnown(fooled)).toBe(classOfKnown(new HitJudge(0.1, NO_PROBES)));
  });
});

describe('a prediction without a verdict', () => {
  test('counts for nothing, and what models answer is learned all the same', () => {
    const judge = new HitJudge(0.1, NO_PROBES);
    for (let i = 0; i < 50; i++) judge.learn(judge.predict(ACTIONS, at(1)), 'block');
    expect(judge.predict(ACTIONS, at(1))).toMatchObject({
      prediction: { action: 'block', inState: 50 },
      verdict: 'ask',
    });
    expect(judge.stats()).toMatchObject({ judged: 0, served: 0, probes: 0 });
    // It was never judged, so nothing is known of how often such predictions are right.
    expect(ask(judge, 1, 'block').verdict).toBe('ask');
  });
});

describe('allows', () => {
  test('says what judge would, and counts nothing', () => {
    const judge = taught(0.1, 300);
    const before = judge.stats();
    const { prediction } = judge.predict(ACTIONS, at(1));
    if (prediction === undefined) throw new Error('nothing was predicted');
    expect(judge.allows(prediction)).toBe(true);
    expect(new HitJudge(0.1, NO_PROBES).allows(prediction)).toBe(false);
    expect(judge.stats()).toEqual(before);
  });
});

describe('when the answers change', () => {
  test('what was served is asked about again, after a bounded number of requests', () => {
    const random = seededRandom(11);
    const judge = taught(0.1, 1_000, random);
    let servedWrong = 0;
    for (let i = 0; i < 4_000; i++) {
      const { verdict, prediction } = ask(judge, i % 5, 'flee');
      if (verdict === 'serve' && prediction?.action === 'block') servedWrong++;
    }
    expect(servedWrong).toBeLessThan(1_000);
    expect(judge.predict(ACTIONS, at(1)).prediction?.action).toBe('flee');
  });
});

test('forgets everything on clear', () => {
  const judge = taught(0.1, 300);
  judge.clear();
  expect(judge.predict(ACTIONS, at(1)).prediction).toBeUndefined();
  for (let i = 0; i < 5; i++) expect(ask(judge, 1, 'block').verdict).toBe('ask');
});
