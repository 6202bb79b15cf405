import { describe, expect, test } from 'vitest';
import { wilson } from '../../../src/main/measure/wilson.ts';
import { randomIndex, seededRandom } from '../../../src/shared/random.ts';

describe('wilson', () => {
  // Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998, table I.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('agrees with the published interval of %i of %i', (wrong, n, low, high) => {
    const interval = wilson(wrong, n);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  test('allows every share while nothing was seen', () => {
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });

  test('ends exactly at 0 and at 1 where none or all were wrong', () => {
    for (let n = 1; n <= 2_000; n++) {
      expect(wilson(0, n).low).toBe(0);
      expect(wilson(n, n).high).toBe(1);
    }
  });

  test('is narrower for more that was seen and for a smaller z', () => {
    const width = (wrong: number, n: number, z?: number): number => wilson(wrong, n, z).high - wilson(wrong, n, z).low;
    expect(width(100, 400)).toBeLessThan(width(10, 40));
    expect(width(10, 40, 1)).toBeLessThan(width(10, 40));
  });

  test('holds the true share 95 times of 100', () => {
    const random = seededRandom(7);
    const rounds = 4_000;
    let held = 0;
    for (let round = 0; round < rounds; round++) {
      let wrong = 0;
      for (let i = 0; i < 100; i++) if (randomIndex(random, 5) === 0) wrong++;
      const { low, high } = wilson(wrong, 100);
      if (low <= 0.2 && 0.2 <= high) held++;
    }
    expect(held / rounds).toBeGreaterThan(0.93);
    expect(held / rounds).toBeLessThan(0.97);
  });

  test('refuses counts that cannot be', () => {
    expect(() => wilson(2, 1)).toThrow('got 2 of 1');
    expect(() => wilson(-1, 1)).toThrow('got -1 of 1');
  });
});
