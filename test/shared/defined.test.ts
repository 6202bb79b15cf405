import { expect, test } from 'vitest';
import { defined } from '../../src/shared/defined.ts';

test('keeps what is given, in its order, and drops what is undefined', () => {
  const given = defined({ a: 0, b: undefined, c: null, d: '' });
  expect(Object.entries(given)).toEqual([
    ['a', 0],
    ['c', null],
    ['d', ''],
  ]);
});

test('a member that may be undefined becomes one that may be absent', () => {
  const timeoutMs = undefined as number | undefined;
  const options: { timeoutMs?: number; name: string } = { ...defined({ timeoutMs, name: 'a' }) };
  expect(options).toStrictEqual({ name: 'a' });
});
