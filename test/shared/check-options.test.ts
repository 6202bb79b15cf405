import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkOptions } from '../../src/shared/check-options.ts';

const schema = z.strictObject({
  endpoints: z.record(z.string().min(1), z.strictObject({ baseURL: z.string(), apiKey: z.string().optional() })),
  timeoutMs: z.number().optional(),
});

describe('a misspelt key is named, with the key that was meant', () => {
  test.each([
    [{ endpoints: { a: { baseUrl: 'x' } } }, 'endpoints.a.baseUrl is not a known option (did you mean baseURL?)'],
    [
      { endpoints: { a: { baseURL: 'x', apikey: '' } } },
      'endpoints.a.apikey is not a known option (did you mean apiKey?)',
    ],
    [{ endpoint: {} }, 'endpoint is not a known option (did you mean endpoints?)'],
    [{ endpoints: {}, timeoutMS: 1 }, 'timeoutMS is not a known option (did you mean timeoutMs?)'],
    [{ endpoints: {}, colour: 1 }, 'colour is not a known option'],
    [{ endpoints: { a: { url: 'x' } } }, 'endpoints.a.baseURL must be a text, got nothing'],
  ])('%j', (options, message) => {
    expect(() => checkOptions(schema, options)).toThrow(new RegExp(`^${message.replaceAll(/[.?()]/g, '\\$&')}$`));
  });
});

test.each([
  [{ endpoints: { '': { baseURL: 'x' } } }, 'endpoints must have names of 1 to 200 characters, got ""'],
  [JSON.parse('{ "endpoints": { "__proto__": { "baseURL": "x" } } }'), 'endpoints.__proto__ cannot be a name here'],
  [JSON.parse('{ "__proto__": {} }'), '__proto__ cannot be a name here'],
])('a name that cannot be one is refused: %j', (options, message) => {
  expect(() => checkOptions(schema, options)).toThrow(message);
});

test('a long unknown key costs no time', () => {
  expect(() => checkOptions(schema, { endpoints: {}, ['k'.repeat(1e6)]: 1 })).toThrow('is not a known option');
});
