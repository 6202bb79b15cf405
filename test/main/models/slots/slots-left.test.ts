import { expect, test } from 'vitest';
import { SlotsLeft } from '../../../../src/main/models/slots/slots-left.ts';

test('without a start nothing is known', () => {
  expect(new SlotsLeft().mean(() => 1)).toBeUndefined();
});

test('a figure is averaged over what starts left; a start with others waiting left fewer than none', () => {
  const left = new SlotsLeft();
  left.record(3, 0);
  left.record(1, 0);
  left.record(0, 2);
  expect(left.mean((slots) => slots)).toBeCloseTo(1, 1);
  expect(left.mean((slots) => (slots < 0 ? 1 : 0))).toBeCloseTo(1 / 3, 2);
});

test('old starts fade', () => {
  const left = new SlotsLeft();
  for (let nth = 0; nth < 200; nth++) left.record(0, 0);
  for (let nth = 0; nth < 1_000; nth++) left.record(4, 0);
  expect(left.mean((slots) => slots)).toBeGreaterThan(3.95);
});
