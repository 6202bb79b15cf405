import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { panelEnd, rungEnd, SETTLE_MS, SLICE_MS_MIN } from '../../../../src/main/models/time/time-budget.ts';

const SLICED = { timeSlices: true, hasNext: true, nextMs: undefined };
const LAST = { timeSlices: true, hasNext: false, nextMs: undefined };
const WHOLE = { timeSlices: false, hasNext: true, nextMs: undefined };
const LONG_MS = 60_000;

describe.each([
  ['the panel', panelEnd],
  ['a rung', rungEnd],
])('%s', (_step, end) => {
  test('gets three fifths of what is left where a model step follows', () => {
    expect(end(1_000, 2_000, LONG_MS, SLICED)).toBe(1_600);
  });

  test('gets what is left, but for the time to settle, where none follows', () => {
    expect(end(1_000, 2_000, LONG_MS, LAST)).toBe(2_000 - SETTLE_MS);
  });

  test('may take all of it where time is not sliced', () => {
    expect(end(1_000, 2_000, LONG_MS, WHOLE)).toBe(2_000 - SETTLE_MS);
  });

  test('leaves a next step that is known to be short its time and a third, and one that is long no more than otherwise', () => {
    expect(end(1_000, 2_000, LONG_MS, { ...SLICED, nextMs: 100 })).toBe(1_870);
    expect(end(1_000, 2_000, LONG_MS, { ...SLICED, nextMs: 307 })).toBeCloseTo(1_600.9);
    expect(end(1_000, 2_000, LONG_MS, { ...SLICED, nextMs: 308 })).toBe(1_600);
    expect(end(1_000, 2_000, LONG_MS, { ...SLICED, nextMs: 5_000 })).toBe(1_600);
  });

  test('leaves nothing to a step that does not follow, however long it is known to be', () => {
    expect(end(1_000, 2_000, LONG_MS, { ...LAST, nextMs: 100 })).toBe(2_000 - SETTLE_MS);
  });

  test('never gets more than its timeout: one below, at, and above its slice', () => {
    expect([599, 600, 601].map((timeoutMs) => end(1_000, 2_000, timeoutMs, SLICED))).toEqual([1_599, 1_600, 1_600]);
  });

  test('keeps back a tenth where little is left, instead of more than there is', () => {
    expect(end(0, 100, LONG_MS, LAST)).toBe(90);
    expect(end(0, 99, LONG_MS, LAST)).toBeCloseTo(89.1);
    expect(end(0, 10, LONG_MS, LAST)).toBe(9);
  });

  test('ends after now and before the deadline, within its timeout, for all times and rules', () => {
    const ms = (max: number) => fc.double({ min: 0.001, max, noNaN: true });
    fc.assert(
      fc.property(
        ms(1e9),
        ms(1e8),
        ms(1e8),
        fc.boolean(),
        fc.boolean(),
        fc.option(ms(1e8), { nil: undefined }),
        (now, left, timeoutMs, timeSlices, hasNext, nextMs) => {
          const at = end(now, now + left, timeoutMs, { timeSlices, hasNext, nextMs });
          expect(at).toBeGreaterThanOrEqual(now);
          expect(at).toBeLessThanOrEqual(now + left);
          expect(at).toBeLessThanOrEqual(now + timeoutMs);
        },
      ),
    );
  });
});

test('a panel that uses all of its time leaves three rungs enough to begin, in a plan of 100 ms', () => {
  let now = panelEnd(0, 100, LONG_MS, SLICED);
  for (const hasNext of [true, true, false]) {
    const end = rungEnd(now, 100, LONG_MS, { timeSlices: true, hasNext, nextMs: undefined });
    expect(end - now).toBeGreaterThanOrEqual(SLICE_MS_MIN);
    now = end;
  }
  expect(now).toBeLessThan(100);
});
