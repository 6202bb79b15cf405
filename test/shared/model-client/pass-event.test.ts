import { expect, test } from 'vitest';
import { failureOf, isTerminal } from '../../../src/shared/model-client/pass-event.ts';

test.each(['', ' ', 'null', 'None', null, undefined])('a completion with the finish reason %j goes on', (reason) => {
  expect(isTerminal({ choices: [{ text: 'a', finish_reason: reason }] })).toBe(false);
});

test('a completion with a finish reason has ended', () => {
  expect(isTerminal({ choices: [{ text: '', finish_reason: 'stop' }] })).toBe(true);
});

test.each([null, false, 0, '', {}, [], { message: '' }])('an error that is %j is none', (error) => {
  expect(failureOf({ choices: [], error })).toBeUndefined();
});

test.each([
  { code: 429, message: 'slow down' },
  { code: '429', message: 'slow down' },
  { status: 429, message: 'slow down' },
])('the status of an error is read as chats read it: %j', (error) => {
  expect(failureOf({ error })?.code).toBe('ERR_MODEL_OVERLOADED');
});
