import { describe, expect, test } from 'vitest';
import { callsAtOnce, worthAtOnce } from '../../../../src/main/plans/panel/calls-at-once.ts';

/** Calls whose chance depends on how many of them there are. */
function calls(most: number, needed: number, chance: (calls: number) => number): number {
  return callsAtOnce({ most, needed, chancesOf: (count) => Array<number>(count).fill(chance(count)) });
}

describe('as many are asked at once', () => {
  test('as a quorum needs, where all are sure to answer', () => {
    for (const needed of [1, 2, 3]) expect(calls(8, needed, () => 1)).toBe(needed);
  });

  test('as there are idle slots, where each has an even chance', () => {
    for (const most of [2, 3, 4]) expect(calls(most, 2, () => 0.5)).toBe(most);
    // More add too little.
    expect(calls(64, 2, () => 0.5)).toBeLessThan(8);
  });

  test('as one, where calls slow one another so that two have less of a chance than one', () => {
    expect(calls(4, 2, (count) => [0.9, 0.2, 0.05, 0][count - 1] as number)).toBe(1);
  });

  test('as one, where none has a chance', () => {
    expect(calls(4, 2, () => 0)).toBe(1);
  });

  test('as a quorum needs, though fewer slots are idle: who waits slows nobody', () => {
    expect(calls(1, 2, () => 1)).toBe(2);
    expect(calls(0, 3, () => 1)).toBe(3);
    expect(calls(2, 3, () => 0.5)).toBe(3);
  });

  test('as add enough: one more call for less than a twentieth is not made', () => {
    // A third adds .055 to two of .9, and .03 to two of .95.
    expect(calls(4, 2, () => 0.9)).toBe(3);
    expect(calls(4, 2, () => 0.95)).toBe(2);
    // With one needed, a second adds .2 × .8 and a third only .2 × .2 × .8.
    expect(calls(4, 1, () => 0.8)).toBe(2);
  });

  test('as are worth it together, where one alone adds nothing', () => {
    const worth = [0, 0, 0.9];
    expect(calls(3, 2, (count) => worth[count - 1] as number)).toBe(3);
  });
});

describe('calls at once are worth', () => {
  const worth = (most: number, chance: (calls: number) => number): number =>
    worthAtOnce({ most, needed: 2, chancesOf: (count) => Array<number>(count).fill(chance(count)) });

  test('most for one answer in time, and all for a quorum', () => {
    expect(worth(1, () => 1)).toBeCloseTo(0.7);
    expect(worth(2, () => 1)).toBeCloseTo(1);
    expect(worth(4, () => 0)).toBe(0);
  });

  test('what the best number of them is worth', () => {
    expect(worth(4, (count) => (count === 1 ? 0.9 : 0))).toBeCloseTo(0.63);
  });
});
