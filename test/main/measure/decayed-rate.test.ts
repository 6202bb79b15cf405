import { expect, test } from 'vitest';
import { DecayedRate } from '../../../src/main/measure/decayed-rate.ts';

test('a rate is that of late, and fades', () => {
  const rate = new DecayedRate(1_000);
  expect(rate.perMs(5)).toBe(0);
  for (let atMs = 0; atMs < 10_000; atMs += 10) rate.add(atMs);
  expect(rate.perMs(10_000)).toBeCloseTo(0.1, 2);
  expect(rate.perMs(11_000)).toBeCloseTo(0.1 / Math.E, 2);
});
