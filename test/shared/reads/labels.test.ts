import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasNumericNames, labelOfToken, labelsFor, READ_ACTIONS_MAX } from '../../../src/shared/reads/labels.ts';

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `act ${index}x`);
}

describe('labels', () => {
  test.each([
    [1, ['1']],
    [9, ['1', '2', '3', '4', '5', '6', '7', '8', '9']],
    [10, [...'ABCDEFGHIJ']],
    [26, [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']],
  ])('%d actions have one token each', (count, labels) => {
    expect(labelsFor(names(count))).toEqual(labels);
  });

  test('27 actions have no labels, and none is made up', () => {
    expect(READ_ACTIONS_MAX).toBe(26);
    expect(() => labelsFor(names(27))).toThrow(RangeError);
  });

  test.each([['7'], [' 7 '], ['٣'], ['１２']])('actions that are the number %j are labelled by letters', (action) => {
    expect(hasNumericNames(['wait', action])).toBe(true);
    expect(labelsFor(['wait', action])).toEqual(['A', 'B']);
  });

  test.each([['1.5'], ['-1'], ['7th'], ['']])('%j is a name like any other', (action) => {
    expect(labelsFor(['wait', action])).toEqual(['1', '2']);
  });

  test('actions that differ only in case or white space have labels of their own', () => {
    expect(labelsFor(['Wait', 'wait', ' wait', 'wait '])).toEqual(['1', '2', '3', '4']);
  });
});

describe('the label in a token', () => {
  test.each([
    ['1', '1'],
    [' 1', '1'],
    ['\n1', '1'],
    ['▁A', 'A'],
    ['Ġ2', '2'],
    ['1.', '1'],
    ['A)', 'A'],
    ['(B', 'B'],
    ['"C"', 'C'],
    ['**D**', 'D'],
    ['`3`', '3'],
    ['1,', '1,'],
    ['a', 'a'],
    ['Attack', 'Attack'],
    ['', ''],
    [' ', ''],
    ['12', '12'],
  ])('%j is %j', (token, label) => {
    expect(labelOfToken(token)).toBe(label);
  });

  test.each([[undefined], [null], [1], [['1']], [{ toString: 1 }], ['1'.repeat(17)]])('%j has none', (token) => {
    expect(labelOfToken(token)).toBe('');
  });

  test('a token of blanks as long as a body is no work', () => {
    expect(labelOfToken(`x${' '.repeat(10_000_000)}x`)).toBe('');
  });

  test('any string has one, and it is found again between marks', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...'123456789ABCXYZ'),
        fc.constantFrom('', ' ', '▁', 'Ġ', '"', '('),
        (label, mark) => {
          expect(labelOfToken(`${mark}${label}`)).toBe(label);
          expect(labelOfToken(`${mark}${label}.`)).toBe(label);
        },
      ),
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (token) => typeof labelOfToken(token) === 'string'));
  });
});
