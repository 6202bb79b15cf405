import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DurationTally, durationsOf, mergedCounts } from '../../../src/main/measure/duration-tally.ts';

function tallied(values: readonly number[]) {
  const tally = new DurationTally();
  for (const value of values) tally.record(value);
  return tally.take();
}

const durationMs = fc.double({ min: 0, max: 86_400_000, noNaN: true });

test('percentiles are at or above the exact ones, by 5 % at most', () => {
  fc.assert(
    fc.property(fc.array(durationMs, { minLength: 1, maxLength: 200 }), (values) => {
      const sorted = [...values].sort((a, b) => a - b);
      const told = durationsOf(tallied(values));
      for (const [name, share] of [
        ['p50', 0.5],
        ['p95', 0.95],
        ['p99', 0.99],
      ] as const) {
        const exact = sorted[Math.ceil(share * sorted.length) - 1] as number;
        expect(told[name]).toBeGreaterThanOrEqual(exact - 0.001);
        // Below a microsecond is the first bucket.
        expect(told[name]).toBeLessThanOrEqual(exact * 1.05 + 0.0021);
      }
      expect(told.count).toBe(values.length);
      expect(told.max).toBeCloseTo(sorted.at(-1) as number, 2);
    }),
  );
});

test('two tallies that are merged are the tally of all', () => {
  fc.assert(
    fc.property(fc.array(durationMs), fc.array(durationMs), (first, second) => {
      const { sum, ...merged } = mergedCounts([tallied(first), tallied(second)]);
      const { sum: sumOfAll, ...all } = tallied([...first, ...second]);
      expect(merged).toEqual(all);
      expect(sum).toBeCloseTo(sumOfAll, 0);
    }),
  );
});

test('what was taken is not there the next time', () => {
  const tally = new DurationTally();
  tally.record(0.2);
  tally.take();
  tally.record(2);
  const { counts, ...second } = tally.take();
  expect(counts).toHaveLength(1);
  expect(durationsOf({ counts, ...second })).toMatchObject({ count: 1, max: 2, p99: 2 });
  expect(durationsOf(tally.take())).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});
