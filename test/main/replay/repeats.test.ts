import { expect, test } from 'vitest';
import { Repeats } from '../../../src/main/replay/repeats.ts';

test('an answer repeats what was done last in the same state, and is the third from two times on', () => {
  const repeats = new Repeats();
  expect(repeats.of('one', 'hall', 'go')).toBe('none');
  repeats.done('one', 'hall', 'go');
  expect(repeats.of('one', 'hall', 'go')).toBe('second');
  repeats.done('one', 'hall', 'go');
  expect(repeats.of('one', 'hall', 'go')).toBe('third');
  expect(repeats.of('one', 'hall', 'stay')).toBe('none');
  expect(repeats.of('one', 'yard', 'go')).toBe('none');
  expect(repeats.of('two', 'hall', 'go')).toBe('none');
});

test.each([
  ['another action', 'hall', 'stay'],
  ['another state', 'yard', 'go'],
])('%s begins anew', (_, state, action) => {
  const repeats = new Repeats();
  for (const [where, what] of [
    ['hall', 'go'],
    ['hall', 'go'],
    [state, action],
    ['hall', 'go'],
  ] as const) {
    repeats.done('one', where, what);
  }
  expect(repeats.of('one', 'hall', 'go')).toBe('second');
});

test('an unknown action ends a repetition only in another state', () => {
  const repeats = new Repeats();
  repeats.done('one', 'hall', 'go');
  repeats.done('one', 'hall', undefined);
  expect(repeats.of('one', 'hall', 'go')).toBe('second');
  repeats.done('one', 'yard', undefined);
  expect(repeats.of('one', 'hall', 'go')).toBe('none');
});

test('the agents seen last are remembered', () => {
  const repeats = new Repeats(2);
  for (const agent of ['one', 'two', 'three']) repeats.done(agent, 'hall', 'go');
  expect(['one', 'two', 'three'].map((agent) => repeats.of(agent, 'hall', 'go'))).toEqual(['none', 'second', 'second']);
});
