import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Circumstances,
  Evidence,
  FEATURES,
  JUDGED_ACTIONS_MAX,
  type Momentum,
  type Prediction,
} from '../../../../src/main/cache/evidence/evidence.ts';

const ACTIONS = ['attack', 'block', 'flee'];

function at(state: number, more: Partial<Circumstances> = {}): Circumstances {
  return { state, gates: 1, actionSet: 1, momentum: undefined, ...more };
}

const moving = (action: string, more: Partial<Momentum> = {}): Momentum => ({
  action,
  repeats: 1,
  streak: 1,
  isUnchanged: false,
  ...more,
});

function learned(
  ...seen: readonly (readonly [times: number, action: string, circumstances: Circumstances])[]
): Evidence {
  const evidence = new Evidence(10_000);
  for (const [times, action, circumstances] of seen) {
    for (let i = 0; i < times; i++) evidence.learn(circumstances, action, undefined);
  }
  return evidence;
}

function feature(prediction: Prediction | undefined, name: (typeof FEATURES)[number]): number {
  return prediction?.features[FEATURES.indexOf(name)] as number;
}

describe('nothing is predicted', () => {
  test('where nothing was decided', () => {
    expect(new Evidence(10).predict(ACTIONS, at(1))).toBeUndefined();
  });

  test('from decisions with the same actions alone, in states with other gates', () => {
    const evidence = learned([50, 'block', at(1)]);
    expect(evidence.predict(ACTIONS, at(2, { gates: 2 }))).toBeUndefined();
    expect(evidence.predict(ACTIONS, at(2))?.action).toBe('block');
  });

  test('of more than 200 actions', () => {
    expect(JUDGED_ACTIONS_MAX).toBe(200);
    const evidence = learned([5, 'a0', at(1)]);
    const names = Array.from({ length: 201 }, (_, i) => `a${i}`);
    expect(evidence.predict(names.slice(0, 200), at(1))?.action).toBe('a0');
    expect(evidence.predict(names, at(1))).toBeUndefined();
  });

  test('after clear', () => {
    const evidence = learned([5, 'block', at(1)]);
    evidence.clear();
    expect(evidence.predict(ACTIONS, at(1))).toBeUndefined();
  });
});

describe('the prediction', () => {
  test('is always one of the actions that are legal now', () => {
    const evidence = learned([9, 'dance', at(1)], [1, 'flee', at(1)]);
    expect(evidence.predict(ACTIONS, at(1))?.action).toBe('flee');
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
    const seen = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.nat(3)), { minLength: 1 });
    fc.assert(
      fc.property(names, seen, fc.nat(3), (actions, decisions, state) => {
        const any = learned(...decisions.map(([action, where]) => [1, action, at(where)] as const));
        const prediction = any.predict(actions, at(state));
        expect(actions).toContain(prediction?.action);
        expect(prediction?.features).toHaveLength(FEATURES.length);
        expect(prediction?.features.every(Number.isFinite)).toBe(true);
      }),
    );
  });

  test("follows coarser evidence at first, and the state's own decisions as they grow", () => {
    const evidence = learned([30, 'block', at(1)]);
    expect(evidence.predict(ACTIONS, at(2))?.action).toBe('block');
    const followed: (string | undefined)[] = [];
    const odds: number[] = [];
    for (let i = 0; i < 8; i++) {
      // After another action each time, so that the state alone is what has grown.
      evidence.learn(at(2, { momentum: moving(`action ${i}`) }), 'flee', undefined);
      const prediction = evidence.predict(ACTIONS, at(2));
      followed.push(prediction?.action);
      if (prediction?.action === 'flee') odds.push(feature(prediction, 'logOdds'));
    }
    expect(followed).toEqual(['block', ...Array(7).fill('flee')]);
    expect(odds).toEqual([...odds].sort((a, b) => a - b));
    // Elsewhere they are as they were.
    expect(evidence.predict(ACTIONS, at(3))?.action).toBe('block');
  });

  test('describes how many decisions were for other actions, in the state and in those with equal gates', () => {
    const evidence = learned([7, 'block', at(1)], [2, 'flee', at(1)]);
    const prediction = evidence.predict(ACTIONS, at(1));
    expect(prediction?.action).toBe('block');
    expect(feature(prediction, 'contraryState')).toBeCloseTo(Math.log(3), 6);
    expect(feature(prediction, 'contraryGates')).toBeCloseTo(Math.log(3), 6);
    expect(feature(learned([7, 'block', at(1)]).predict(ACTIONS, at(1)), 'contraryGates')).toBe(0);
  });

  test('goes by what the agent does: the same state after another action, or in another momentum', () => {
    const gone = at(1, { momentum: moving('attack') });
    const stuck = at(1, { momentum: moving('attack', { isUnchanged: true }) });
    const evidence = learned([6, 'block', gone], [6, 'flee', stuck]);
    expect(evidence.predict(ACTIONS, gone)?.action).toBe('block');
    expect(evidence.predict(ACTIONS, stuck)?.action).toBe('flee');
  });

  test('goes by whether the last action changed anything, also in states never seen', () => {
    const left = (state: number, isUnchanged: boolean) => at(state, { momentum: moving('attack', { isUnchanged }) });
    const evidence = new Evidence(10_000);
    for (let i = 0; i < 12; i++) {
      evidence.learn(left(100 + i, false), 'block', undefined);
      evidence.learn(left(200 + i, true), 'flee', undefined);
    }
    expect(evidence.predict(ACTIONS, left(1, false))?.action).toBe('block');
    expect(evidence.predict(ACTIONS, left(2, true))?.action).toBe('flee');
  });

  test.each([
    [1, 2],
    [3, 4],
    [7, 8],
  ])('tells an agent that has been at it %i times from one that has %i times', (short, long) => {
    // In states never seen, so that only momentum tells them apart.
    const moved = (state: number, streak: number) => at(state, { momentum: moving('attack', { streak }) });
    const evidence = new Evidence(10_000);
    for (let i = 0; i < 12; i++) {
      evidence.learn(moved(100 + i, short), 'block', undefined);
      evidence.learn(moved(200 + i, long), 'flee', undefined);
    }
    expect(evidence.predict(ACTIONS, moved(1, short))?.action).toBe('block');
    expect(evidence.predict(ACTIONS, moved(2, long))?.action).toBe('flee');
  });

  test('says how much is known of the state and of those with equal gates, and how much of it agrees', () => {
    const evidence = learned([3, 'block', at(1)], [1, 'flee', at(1)], [2, 'block', at(2)]);
    expect(evidence.predict(ACTIONS, at(1))).toMatchObject({ action: 'block', inState: 4, inGates: 6, agreeing: 3 });
    expect(evidence.predict(ACTIONS, at(9))).toMatchObject({ action: 'block', inState: 0, inGates: 6, agreeing: 5 });
  });
});

describe('what a prediction is judged by', () => {
  test('is surer the more decisions agree', () => {
    const few = learned([2, 'block', at(1)]).predict(ACTIONS, at(1));
    const many = learned([20, 'block', at(1)]).predict(ACTIONS, at(1));
    const split = learned([11, 'block', at(1)], [9, 'flee', at(1)]).predict(ACTIONS, at(1));
    for (const name of ['logOdds', 'margin', 'shareState', 'logOddsState'] as const) {
      expect(feature(many, name)).toBeGreaterThan(feature(few, name));
      expect(feature(many, name)).toBeGreaterThan(feature(split, name));
    }
  });

  test('holds the record of the action: how often it was predicted rightly', () => {
    const evidence = learned([4, 'block', at(1)]);
    expect(feature(evidence.predict(ACTIONS, at(1)), 'record')).toBe(1 / 2);
    evidence.learn(at(2), 'block', 'block');
    expect(feature(evidence.predict(ACTIONS, at(1)), 'record')).toBe(2 / 3);
    for (let i = 0; i < 3; i++) evidence.learn(at(2), 'flee', 'block');
    expect(feature(evidence.predict(ACTIONS, at(1)), 'record')).toBe(2 / 6);
  });

  test('tells a repetition in an unchanged state from one in another', () => {
    const repeated = moving('block', { repeats: 4, streak: 4, isUnchanged: true });
    const evidence = learned([4, 'block', at(1)]);
    const same = evidence.predict(ACTIONS, at(1, { momentum: repeated }));
    const other = evidence.predict(ACTIONS, at(1, { momentum: { ...repeated, isUnchanged: false } }));
    const none = evidence.predict(ACTIONS, at(1));
    const told = (prediction: Prediction | undefined) =>
      (['isUnchanged', 'isRepeat', 'repeats', 'isLastAction'] as const).map((name) => feature(prediction, name));
    expect([told(same), told(other), told(none)]).toEqual([
      [1, 1, 0.5, 1],
      [0, 0, 0, 1],
      [0, 0, 0, 0],
    ]);
  });

  test('has a margin of at most 1, also where there is only one action', () => {
    const evidence = learned([4, 'block', at(1)]);
    expect(feature(evidence.predict(['block'], at(1)), 'margin')).toBeCloseTo(1, 10);
    const margin = feature(evidence.predict(['flee', 'block'], at(1)), 'margin');
    expect(margin).toBe(feature(evidence.predict(['block', 'flee'], at(1)), 'margin'));
    expect(margin).toBeGreaterThan(0);
    expect(margin).toBeLessThan(1);
  });
});

test('the contexts are bounded: what was learned longest ago is forgotten', () => {
  const evidence = new Evidence(60);
  evidence.learn(at(1, { gates: 1, actionSet: 1 }), 'block', undefined);
  for (let i = 2; i < 12; i++) evidence.learn(at(i, { gates: i, actionSet: i }), 'flee', undefined);
  expect(evidence.predict(ACTIONS, at(1))).toBeUndefined();
  expect(evidence.predict(ACTIONS, at(11, { gates: 11, actionSet: 11 }))?.action).toBe('flee');
});
