import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wellFormed, wellFormedJson } from '../../src/shared/well-formed.ts';

describe('a value whose texts are Unicode', () => {
  test('is returned as it is', () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'a 😀 b', n: null }], n: 1, stream: true };
    expect(wellFormed(body)).toBe(body);
    for (const value of ['x', 1, null, undefined, true]) expect(wellFormed(value)).toBe(value);
  });
});

describe('half of a pair', () => {
  test.each([
    ['a \ud800 b', 'a \ufffd b'],
    ['\udc00', '\ufffd'],
    ['\ude00\ud83d', '\ufffd\ufffd'],
    ['😀\ud83d', '😀\ufffd'],
  ])('%j is replaced in texts and names at any depth, and what was given stays', (text, mended) => {
    const given = { [text]: [{ deep: [text, 'fine', 3, null] }], other: text };
    const copy = structuredClone(given);
    expect(wellFormed(given)).toEqual({ [mended]: [{ deep: [mended, 'fine', 3, null] }], other: mended });
    expect(given).toEqual(copy);
  });

  test('is never left in what is sent', () => {
    const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) });
    fc.assert(
      fc.property(fc.dictionary(text, fc.array(text)), (value) => {
        expect(/\\ud[89a-f]/.test(JSON.stringify(wellFormed(value)).replaceAll('\\\\', ''))).toBe(false);
        expect(wellFormedJson(value)).toBe(JSON.stringify(wellFormed(value)));
      }),
    );
  });
});
