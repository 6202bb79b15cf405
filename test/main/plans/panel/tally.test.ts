import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ExpertVote, tallyVotes, withWinner } from '../../../../src/main/plans/panel/tally.ts';

const ACTIONS = ['attack', 'block', 'constructor', 'flee'];

function vote(action: string, confidence?: number): ExpertVote {
  return {
    role: 'one',
    model: 'm',
    vote: { action, reason: '', ...(confidence === undefined ? {} : { confidence }) },
  };
}

function winner(votes: readonly ExpertVote[], qValues?: Record<string, number>): string | undefined {
  return tallyVotes(votes, { actions: ACTIONS, ...(qValues ? { qValues } : {}) })[0]?.action;
}

describe('the winner', () => {
  test('is none where nobody voted', () => {
    expect(tallyVotes([], { actions: ACTIONS })).toEqual([]);
  });

  test('has most votes, whatever their confidence', () => {
    expect(winner([vote('flee', 0.1), vote('block', 1), vote('flee', 0.1)])).toBe('flee');
  });

  test('has most confidence among those with as many votes; a vote that states none counts a half', () => {
    expect(winner([vote('attack', 0.6), vote('flee', 0.7)])).toBe('flee');
    expect(winner([vote('flee', 0.49), vote('block')])).toBe('block');
    expect(winner([vote('flee', 0.51), vote('block')])).toBe('flee');
  });

  test('has the higher value among those with as much confidence; no value is below every value', () => {
    expect(winner([vote('attack'), vote('flee')], { attack: 0.1, flee: 0.2 })).toBe('flee');
    expect(winner([vote('attack'), vote('flee')], { flee: -1e300 })).toBe('flee');
    expect(winner([vote('flee'), vote('constructor')], { flee: -5 })).toBe('flee');
  });

  test('comes first in the request where all else is equal', () => {
    expect(winner([vote('flee'), vote('block')])).toBe('block');
    expect(winner([vote('flee'), vote('block')], { flee: 1, block: 1 })).toBe('block');
  });
});

test('the tally counts every vote once and sums its confidence', () => {
  const tally = tallyVotes([vote('flee', 0.25), vote('block'), vote('flee', 0.5)], { actions: ACTIONS });
  expect(tally).toEqual([
    { action: 'flee', count: 2, weight: 0.75 },
    { action: 'block', count: 1, weight: 0.5 },
  ]);
});

test('the order is total: the same votes in any order give the same tally, and it is sorted by the rule', () => {
  // Confidences that add up exactly, for a sum of floats depends on its order.
  const anyVote = fc
    .tuple(fc.constantFrom(...ACTIONS), fc.option(fc.constantFrom(0, 0.25, 0.5, 1), { nil: undefined }))
    .map(([action, confidence]) => vote(action, confidence));
  const values = fc.dictionary(fc.constantFrom(...ACTIONS), fc.constantFrom(-1, 0, 1));
  const shuffled = fc
    .array(anyVote, { maxLength: 12 })
    .chain((votes) =>
      fc.tuple(fc.constant(votes), fc.shuffledSubarray(votes, { minLength: votes.length, maxLength: votes.length })),
    );
  fc.assert(
    fc.property(shuffled, values, ([votes, others], qValues) => {
      const request = { actions: ACTIONS, qValues };
      const tally = tallyVotes(votes, request);
      expect(tallyVotes(others, request)).toEqual(tally);
      expect(tally.reduce((sum, { count }) => sum + count, 0)).toBe(votes.length);
      const key = (action: string) =>
        (Object.hasOwn(qValues, action) ? qValues[action] : undefined) ?? Number.NEGATIVE_INFINITY;
      for (const [i, entry] of tally.slice(1).entries()) {
        const before = tally[i] as (typeof tally)[number];
        const ranks = [
          [before.count, entry.count],
          [before.weight, entry.weight],
          [key(before.action), key(entry.action)],
          [-ACTIONS.indexOf(before.action), -ACTIONS.indexOf(entry.action)],
        ] as const;
        const [ahead, behind] = ranks.find(([a, b]) => a !== b) as readonly [number, number];
        expect(ahead).toBeGreaterThan(behind);
      }
    }),
    { numRuns: 500 },
  );
});

describe('the synthesizer', () => {
  const tally = [
    { action: 'flee', count: 2, weight: 1 },
    { action: 'block', count: 1, weight: 0.5 },
  ];

  test('puts its action first, with one vote and one weight more', () => {
    expect(withWinner(tally, 'block')).toEqual([
      { action: 'block', count: 2, weight: 1.5 },
      { action: 'flee', count: 2, weight: 1 },
    ]);
  });

  test('may decide for what nobody voted for, and where nobody voted', () => {
    expect(withWinner(tally, 'attack')).toEqual([{ action: 'attack', count: 1, weight: 1 }, ...tally]);
    expect(withWinner([], 'attack')).toEqual([{ action: 'attack', count: 1, weight: 1 }]);
  });

  test('changes nothing in the tally it is given', () => {
    const before = structuredClone(tally);
    withWinner(tally, 'flee');
    expect(tally).toEqual(before);
  });
});
