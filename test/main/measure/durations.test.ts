import { describe, expect, test } from 'vitest';
import { DurationHistogram } from '../../../src/main/measure/durations.ts';

describe('durations', () => {
  test('are all zero while nothing was recorded', () => {
    expect(new DurationHistogram().summary()).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  });

  test('have their mean, percentiles and greatest to three digits', () => {
    const histogram = new DurationHistogram();
    for (let ms = 1; ms <= 1_000; ms++) histogram.record(ms);
    const { count, mean, p50, p95, p99, max } = histogram.summary();
    expect(count).toBe(1_000);
    for (const [got, wanted] of [
      [mean, 500.5],
      [p50, 500],
      [p95, 950],
      [p99, 990],
      [max, 1_000],
    ] as const) {
      expect(Math.abs(got - wanted) / wanted).toBeLessThan(0.002);
    }
  });

  test('of nothing and of less than nothing count as the least that is measured', () => {
    const histogram = new DurationHistogram();
    for (const ms of [0, -5, 0.0001]) histogram.record(ms);
    expect(histogram.summary()).toMatchObject({ count: 3, max: 0.001 });
  });
});
