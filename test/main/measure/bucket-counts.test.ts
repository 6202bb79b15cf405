import { expect, test } from 'vitest';
import { BucketCounts } from '../../../src/main/measure/bucket-counts.ts';
import { CALL_BOUNDS, TOKEN_BOUNDS } from '../../../src/main/plans/distributions.ts';

test('a value is counted in the first bucket whose bound it does not pass', () => {
  const buckets = new BucketCounts([1, 5]);
  for (const value of [0, 1, 1.001, 5, 5.001, 100]) buckets.observe(value);
  expect([...buckets.counts]).toEqual([2, 2]);
  expect(buckets.count).toBe(6);
  expect(buckets.sum).toBeCloseTo(112.002);
});

test('bounds of calls and tokens are those of the conventions', () => {
  expect([CALL_BOUNDS[0], CALL_BOUNDS.at(-1), CALL_BOUNDS.length]).toEqual([0.01, 81.92, 14]);
  expect([TOKEN_BOUNDS[0], TOKEN_BOUNDS.at(-1), TOKEN_BOUNDS.length]).toEqual([1, 67_108_864, 14]);
});
