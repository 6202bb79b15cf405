import { expect, test } from 'vitest';
import { withoutCredentials } from '../../src/shared/secrets.ts';

test.each([
  ['redis://user:SECRET@h:6379', 'redis://[hidden]@h:6379'],
  ['redis://user:SEC/RET@h:6379', 'redis://[hidden]@h:6379'],
  ['redis://user:SEC#RET@h:6379', 'redis://[hidden]@h:6379'],
  ['rediss://:SEC?RET@h:6379/2', 'rediss://[hidden]@h:6379/2'],
  ['"http://joe:SEC/RET@h/v1"', '"http://[hidden]@h/v1"'],
  ['redis:/user:SECRET@127.0.0.1:6379', '[hidden]@127.0.0.1:6379'],
  ['redis:user:SECRET@localhost', '[hidden]@localhost'],
  ['user:SECRET@127.0.0.1', '[hidden]@127.0.0.1'],
  ['got "user:SEC/RET@engine:6379"', 'got "[hidden]@engine:6379"'],
  ['user:SECRET@[::1]:6379', '[hidden]@[::1]:6379'],
])('the credentials of %s are hidden, though it is no URL', (text, hidden) => {
  expect(withoutCredentials(text)).toBe(hidden);
});

test.each(['qwen3-4b:2@q4_k_m', 'http://localhost:1234/v1/x@y', 'mail joe@example.org at 12:30', 'http://h:80?a@b'])(
  '%s has none',
  (text) => {
    expect(withoutCredentials(text)).toBe(text);
  },
);

test('a long line takes no longer for its repeated beginnings', () => {
  const line = '://:'.repeat(20_000) + 'a:'.repeat(20_000);
  expect(withoutCredentials(line)).toBe(line);
});
