import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecayedQuantiles, type SavedQuantiles } from '../../../src/main/measure/decayed-quantiles.ts';
import { randomNormal, seededRandom } from '../../../src/shared/random.ts';

function recorded(values: Iterable<number>, memory?: number): DecayedQuantiles {
  const quantiles = new DecayedQuantiles(memory);
  for (const value of values) quantiles.record(value);
  return quantiles;
}

/** Log-normal times around a median. */
function times(medianMs: number, count: number, seed = 1): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => medianMs * Math.exp(0.5 * randomNormal(random)));
}

/** The value that the share `q` of the values does not pass. */
function exact(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number;
}

function offBy(found: number | undefined, wanted: number): number {
  return Math.abs((found as number) / wanted - 1);
}

const durations = fc.array(fc.double({ min: 0.05, max: 86_400_000, noNaN: true }), { minLength: 1, maxLength: 60 });

describe('a quantile', () => {
  test('is unknown while nothing was recorded', () => {
    expect([new DecayedQuantiles().quantile(0.5), new DecayedQuantiles().count]).toEqual([undefined, 0]);
  });

  test.each([0.05, 1, 17, 1_234.5, 86_400_000])('of one value is that value, within 5 %%: %d', (ms) => {
    for (const q of [0, 0.5, 1]) expect(offBy(recorded([ms]).quantile(q), ms)).toBeLessThan(0.05);
  });

  test('is within 5 % of the exact one of values that none of has faded', () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const found = recorded(values, 1e9).quantile(q);
        // Between two values a rounding may decide.
        const near = [q - 1e-6, q, q + 1e-6].map((each) => exact(values, Math.min(1, Math.max(0, each))));
        expect(Math.min(...near.map((value) => offBy(found, value)))).toBeLessThan(0.05);
      }),
    );
  });

  test('is within 10 % of the exact one of many values, however long that goes on', () => {
    const quantiles = new DecayedQuantiles();
    // The largest and least weights are far apart by then, and were scaled down.
    const values = times(200, 100_000);
    for (const [i, value] of values.entries()) {
      quantiles.record(value);
      if (i % 20_000 !== 19_999) continue;
      for (const q of [0.1, 0.5, 0.9]) expect(offBy(quantiles.quantile(q), exact(values, q))).toBeLessThan(0.1);
    }
  });

  test('of lower shares is never higher', () => {
    fc.assert(
      fc.property(durations, (values) => {
        const quantiles = recorded(values, 20);
        const found = Array.from({ length: 21 }, (_, i) => quantiles.quantile(i / 20) as number);
        expect(found).toEqual(found.toSorted((a, b) => a - b));
      }),
    );
  });

  test('is that of the least or longest time there is where times are shorter or longer', () => {
    expect(recorded([0, 0.001]).quantile(0.5)).toBeCloseTo(0.05);
    expect(offBy(recorded([1e12, Number.POSITIVE_INFINITY]).quantile(0.5), 86_400_000)).toBeLessThan(0.05);
  });

  test('does not count what is no time', () => {
    const quantiles = recorded([Number.NaN, -1, Number.NEGATIVE_INFINITY]);
    expect([quantiles.count, quantiles.quantile(0.5)]).toEqual([0, undefined]);
  });
});

describe('forgetting', () => {
  test('a sample weighs a third after as many as are remembered', () => {
    const quantiles = recorded([...times(100, 2_000), ...Array.from({ length: 500 }, () => 10_000)], 500);
    const share = [...Array(1_001).keys()].find((i) => (quantiles.quantile(i / 1_000) as number) > 9_000) as number;
    expect(share / 1_000).toBeCloseTo(Math.exp(-1), 1);
  });

  test('what changed is known after as many samples as are remembered, and what was is gone after ten times as many', () => {
    const quantiles = recorded(times(100, 5_000), 500);
    const later = times(1_000, 5_000, 2);
    for (const value of later.slice(0, 500)) quantiles.record(value);
    expect(quantiles.quantile(0.5)).toBeGreaterThan(400);
    for (const value of later.slice(500)) quantiles.record(value);
    for (const q of [0.05, 0.5, 0.95]) expect(offBy(quantiles.quantile(q), exact(later, q))).toBeLessThan(0.1);
  });

  test('counts no more than what is remembered, however much was recorded', () => {
    for (const memory of [50, 500]) {
      const quantiles = new DecayedQuantiles(memory);
      quantiles.record(1);
      expect(quantiles.count).toBeCloseTo(1);
      for (let i = 0; i < 100_000; i++) quantiles.record(1 + (i % 1_000));
      expect(quantiles.count).toBeGreaterThan(memory * 0.98);
      expect(quantiles.count).toBeLessThan(memory * 1.02);
    }
  });

  // Weights grow with every sample and are scaled down at times: nothing is to be seen of it.
  test('is the same at every moment', () => {
    const quantiles = recorded(times(100, 1_000), 50);
    for (const value of times(100, 5_000, 3)) {
      const before = [quantiles.count, quantiles.quantile(0.5) as number] as const;
      quantiles.record(value);
      expect(Math.abs(quantiles.count - before[0])).toBeLessThan(1);
      expect(offBy(quantiles.quantile(0.5), before[1])).toBeLessThan(0.25);
    }
  });
});

describe('what is saved', () => {
  test('gives the same quantiles when it is restored, and goes on from there', () => {
    for (const count of [1, 30, 3_000, 100_000]) {
      const values = times(300, count);
      const before = recorded(values);
      const after = new DecayedQuantiles();
      after.restore(JSON.parse(JSON.stringify(before.save())) as SavedQuantiles);
      for (const q of [0.1, 0.5, 0.9]) expect(after.quantile(q)).toBe(before.quantile(q));
      expect(offBy(after.count, before.count)).toBeLessThan(0.01);
      for (const value of times(300, 100, 4)) {
        before.record(value);
        after.record(value);
      }
      for (const q of [0.1, 0.5, 0.9])
        expect(offBy(after.quantile(q), before.quantile(q) as number)).toBeLessThan(0.11);
    }
  });

  test('counts for the share that is wanted', () => {
    const before = recorded(times(300, 1_000));
    const after = new DecayedQuantiles();
    after.restore(before.save(), 0.5);
    expect(offBy(after.count, before.count / 2)).toBeLessThan(0.01);
    expect(after.quantile(0.5)).toBe(before.quantile(0.5));
  });

  test('counts beside what was recorded meanwhile', () => {
    const quantiles = recorded(
      Array.from({ length: 900 }, () => 10),
      1_000,
    );
    const { count } = quantiles;
    quantiles.restore(recorded([10_000], 1_000).save(), 300);
    expect(quantiles.count - count).toBeCloseTo(300);
    expect(offBy(quantiles.quantile(count / quantiles.count - 0.01), 10)).toBeLessThan(0.05);
    expect(offBy(quantiles.quantile(count / quantiles.count + 0.01), 10_000)).toBeLessThan(0.05);
  });

  test('is small, whatever was recorded', () => {
    const quantiles = new DecayedQuantiles();
    for (let ms = 0.01; ms < 1e9; ms *= 1.01) quantiles.record(ms);
    expect(quantiles.save().length).toBeLessThan(250);
    expect(JSON.stringify(quantiles.save()).length).toBeLessThan(4_000);
  });

  test('is left out where it is not in range', () => {
    const quantiles = new DecayedQuantiles();
    quantiles.restore([
      [-1, 5],
      [1.5, 5],
      [100_000, 5],
      [Number.NaN, 5],
      [3, 0],
      [3, -5],
      [3, Number.NaN],
      [3, Number.POSITIVE_INFINITY],
    ]);
    expect([quantiles.count, quantiles.quantile(0.5)]).toEqual([0, undefined]);
    quantiles.restore([[3, 5]]);
    expect(quantiles.count).toBeCloseTo(5);
  });

  test('weighs no more than all that can be remembered: new samples count at once', () => {
    const quantiles = new DecayedQuantiles(50);
    quantiles.restore([
      [10, 1e12],
      [20, 1e12],
    ]);
    expect(quantiles.count).toBeLessThan(52);
    for (let i = 0; i < 100; i++) quantiles.record(5_000);
    expect(offBy(quantiles.quantile(0.5), 5_000)).toBeLessThan(0.05);
  });
});
