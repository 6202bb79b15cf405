import { expect } from 'vitest';
import { messageFault } from '../../src/main/faces/socket/message-check.ts';
import { ERROR_CODES } from '../../src/shared/errors.ts';
import { boundsFault } from '../../src/shared/untrusted-json.ts';
import type { Answer } from './raw-client.ts';

function isNotification(value: unknown): boolean {
  return messageFault(value) === undefined && (value as { id?: unknown }).id === undefined;
}

/** How many answers the lines in these bytes are to have. */
export function answersTo(bytes: Buffer): number {
  let answers = 0;
  for (const line of bytes.toString('latin1').split('\n')) {
    if (line === '' || line === '\r') continue;
    // What is too deep or too wide is refused, and would take long to parse here.
    if (boundsFault(line) !== undefined) {
      answers++;
      continue;
    }
    let value: unknown;
    try {
      // Without a byte order mark, as Windows programs write it.
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(line, 'latin1')));
    } catch {
      answers++;
      continue;
    }
    const isSilent = Array.isArray(value) ? value.length > 0 && value.every(isNotification) : isNotification(value);
    if (!isSilent) answers++;
  }
  return answers;
}

/** A result, or an error with a code of the table. */
export function checkAnswer(answer: Answer): void {
  expect(answer.jsonrpc).toBe('2.0');
  if (answer.error === undefined) return expect(answer).toHaveProperty('result');
  expect(Number.isInteger(answer.error.code) && answer.error.code <= -32_000 && answer.error.code >= -32_768).toBe(
    true,
  );
  expect(Object.keys(ERROR_CODES)).toContain(answer.error.data.code);
  expect(answer.error.data.code).not.toBe('ERR_INTERNAL');
  expect(answer.error.message.length).toBeLessThan(2_000);
}
