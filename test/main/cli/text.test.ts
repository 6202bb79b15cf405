import { expect, test } from 'vitest';
import { count, duration, percent, rate, table } from '../../../src/main/cli/terminal/text.ts';

test.each([
  [0, '0 ms'],
  [0.0714, '0.07 ms'],
  [0.4, '0.4 ms'],
  [8.44, '8.4 ms'],
  [9.96, '10 ms'],
  [84.4, '84 ms'],
  [999.4, '999 ms'],
  [999.6, '1 s'],
  [1_240, '1.24 s'],
  [27_000, '27 s'],
  [119_400, '119 s'],
  [120_000, '2 min'],
  [125_300, '2 min 5 s'],
])('%d milliseconds read %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [0, 0, '0 %'],
  [0, 10, '0 %'],
  [1, 10_000, '< 0.1 %'],
  [612, 1_000, '61.2 %'],
  [1, 2, '50 %'],
  [9_999, 10_000, '> 99.9 %'],
  [10, 10, '100 %'],
])('%d of %d read %s', (part, whole, text) => {
  expect(percent(part, whole)).toBe(text);
});

test('counts are grouped and agree with their noun', () => {
  expect([count(1_204), count(1, 'plan'), count(2, 'plan'), count(0, 'miss', 'misses')]).toEqual([
    '1,204',
    '1 plan',
    '2 plans',
    '0 misses',
  ]);
});

test('rates keep three digits that matter', () => {
  expect([rate(216.4), rate(96.44), rate(100), rate(10), rate(4.5), rate(0.123)]).toEqual([
    '216',
    '96.4',
    '100',
    '10',
    '4.5',
    '0.12',
  ]);
});

test('a table aligns its columns', () => {
  const rows = [
    ['name', 'n'],
    ['a', '1,000'],
  ];
  expect(table(rows, { indent: 1, alignRightFrom: 1 })).toBe(' name      n\n a     1,000');
});
