import { describe, expect, test } from 'vitest';
import {
  decodeError,
  describeValue,
  ERROR_CODES,
  type ErrorCode,
  encodeError,
  PlannerError,
} from '../../src/shared/errors.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe('the codec', () => {
  test('every code, message and retryable come back as they were sent', () => {
    for (const code of CODES) {
      for (const retryable of [true, false]) {
        const wire = JSON.parse(JSON.stringify(encodeError(new PlannerError(code, `about ${code}`, { retryable }))));
        const error = decodeError(wire);
        expect(error).toBeInstanceOf(PlannerError);
        expect({ code: error.code, message: error.message, retryable: error.retryable }).toEqual({
          code,
          message: `about ${code}`,
          retryable,
        });
      }
    }
  });

  test('the wire form is data that crosses threads', () => {
    const wire = encodeError(new PlannerError('ERR_MODEL_EMPTY', 'nothing', { cause: () => 1 }));
    expect(structuredClone(wire)).toEqual({ code: 'ERR_MODEL_EMPTY', message: 'nothing', retryable: false });
  });

  test('what is not a PlannerError is a bug: it keeps its name and message and is not retried', () => {
    expect(encodeError(new TypeError('x is undefined'))).toEqual({
      code: 'ERR_INTERNAL',
      message: 'TypeError: x is undefined',
      retryable: false,
    });
    expect(encodeError('thrown text')).toMatchObject({ code: 'ERR_INTERNAL', message: 'thrown text' });
    expect(encodeError(undefined)).toMatchObject({ code: 'ERR_INTERNAL', message: 'undefined' });
  });

  test('a code that this version does not know becomes ERR_INTERNAL', () => {
    const decode = (code: string) => decodeError({ code: code as ErrorCode, message: 'm', retryable: false }).code;
    expect(decode('ERR_FROM_THE_FUTURE')).toBe('ERR_INTERNAL');
    expect(decode('')).toBe('ERR_INTERNAL');
  });
});

describe('PlannerError', () => {
  test('is not retryable unless it says so, and has a cause only if it was given one', () => {
    const error = new PlannerError('ERR_MODEL_RESET', 'gone');
    expect(error.retryable).toBe(false);
    expect('cause' in error).toBe(false);
    const cause = new Error('why');
    expect(new PlannerError('ERR_MODEL_RESET', 'gone', { cause }).cause).toBe(cause);
  });
});

describe('describeValue', () => {
  test('is short, on one line, and shows the type', () => {
    const rows: readonly (readonly [unknown, string])[] = [
      ['a', '"a"'],
      ['a\nb', '"a\\nb"'],
      ['x'.repeat(60), `"${'x'.repeat(60)}"`],
      ['x'.repeat(61), `"${'x'.repeat(60)}"… (61 characters)`],
      [1, '1'],
      [Number.NaN, 'NaN'],
      [5n, '5'],
      [true, 'true'],
      [null, 'null'],
      [undefined, 'nothing'],
      [[], 'an empty list'],
      [[1, 2], 'a list of 2'],
      [{}, 'an object'],
      [() => 1, 'a function'],
      [Symbol('s'), 'Symbol(s)'],
    ];
    for (const [value, expected] of rows) expect(describeValue(value)).toBe(expected);
  });
});
