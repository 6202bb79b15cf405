import { describe, expect, test } from 'vitest';
import type { ResolvedExpert } from '../../../../src/main/options/planner-options.ts';
import { type ReadPlace, ReadTimes, type ReadTimesParts } from '../../../../src/main/plans/reads/asking/read-times.ts';
import type { ReadWorth } from '../../../../src/main/plans/reads/equality-test.ts';

const LEFT_MS = 2_000;
const EXPERT = { role: 'one', model: 'm', endpoint: 'e', alternatives: [] } as unknown as ResolvedExpert;

interface Scene {
  /** Time of a read, and the chance that it is in time. */
  readonly readMs?: number;
  readonly inTime?: number;
  /** What experts are worth that have so much time, and so many slots less. */
  readonly worth?: (ms: number, taken: number) => number;
  readonly besideAnother?: number;
  readonly isTimely?: boolean;
  readonly known?: ReadWorth;
  readonly writingMs?: number;
}

/** Experts are worth .8 with all of the time, half of that with half of it, and a little less with a slot less. */
const steep = (ms: number, taken: number): number => (ms >= LEFT_MS ? 0.8 : ms >= LEFT_MS / 2 ? 0.4 : 0) - taken * 0.05;

function times({ readMs = 500, inTime = 1, worth = steep, ...scene }: Scene): ReadTimes {
  const { besideAnother = 1, isTimely = true, known = 'unknown', writingMs = 1_000 } = scene;
  const forecast = { workMs: () => readMs, chanceWithin: () => inTime, meanMs: () => writingMs };
  const given = {
    parts: {
      clock: { now: () => 0 },
      options: { reads: { answers: 'auto' }, experts: [EXPERT] },
      endpoints: new Map([['e', { forecast, gate: { busy: 0 } }]]),
    },
    reads: { worthOf: () => known, further: { usualMs: () => readMs } },
    outlook: { worthWithin: worth, besideAnother: () => besideAnother, isTimely: () => isTimely },
    calls: { deadlineMs: LEFT_MS + 10 },
  };
  return new ReadTimes(given as unknown as ReadTimesParts);
}

const placeOf = (scene: Scene): ReadPlace => times(scene).placeOf(EXPERT);

describe('the place of a read', () => {
  test('is first where experts have time enough after it', () => {
    expect(placeOf({ worth: () => 0.9 })).toBe('first');
    expect(placeOf({ worth: () => 0.9, known: 'worse' })).toBe('first');
  });

  test('is beside experts where that takes less from them than waiting', () => {
    expect(placeOf({})).toBe('beside');
    // Next to each other, a read of half a second delays experts by 450 ms.
    expect(placeOf({ besideAnother: 1.9, worth: (ms) => Math.max(0, ms / LEFT_MS - 0.2) })).toBe('beside');
  });

  test('is instead of experts where that takes less, and good reads would gain enough', () => {
    const alone = (ms: number, taken: number): number => (taken > 0 ? 0 : ms >= LEFT_MS ? 0.6 : 0.3);
    expect(placeOf({ worth: alone })).toBe('instead');
    expect(placeOf({ worth: alone, inTime: 0.5 })).toBe('none');
  });

  test('is nowhere where reads are worse, or as good and later than experts', () => {
    expect(placeOf({ known: 'worse' })).toBe('none');
    expect(placeOf({ known: 'equal' })).toBe('instead');
    expect(placeOf({ known: 'equal', inTime: 0.5 })).toBe('none');
  });

  test('is first where nobody can write in time, and nowhere if it can only be late and is hardly quicker', () => {
    expect(placeOf({ isTimely: false })).toBe('first');
    expect(placeOf({ isTimely: false, inTime: 0.1, readMs: 3_500, writingMs: 4_000 })).toBe('none');
    expect(placeOf({ isTimely: false, inTime: 0.1, readMs: 3_500, writingMs: 10_000 })).toBe('first');
    expect(placeOf({ isTimely: false, inTime: 0.1, readMs: 2_500 })).toBe('first');
    expect(placeOf({ inTime: 0.1, readMs: 300 })).toBe('none');
  });
});

test('a pair of votes has time where a second one has a fair chance', () => {
  expect(times({ worth: () => 0.8 }).isPairTimely(EXPERT, false)).toBe(true);
  expect(times({ worth: () => 0.7 }).isPairTimely(EXPERT, false)).toBe(false);
  expect(times({ worth: (_, taken) => 0.8 - taken * 0.1 }).isPairTimely(EXPERT, true)).toBe(false);
});
