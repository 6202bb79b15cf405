import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inOneGo } from '../../src/shared/in-parts.ts';
import {
  type BoundsFault,
  boundsFault,
  extentInParts,
  JSON_LIMITS,
  JsonScan,
  readJson,
} from '../../src/shared/untrusted-json.ts';
import { JSON_ROWS, nested, wide } from '../support/rows/json-rows.ts';

const { depth } = JSON_LIMITS;

function scan(pieces: readonly Uint8Array[]): BoundsFault | undefined {
  const scan = new JsonScan();
  let fault: BoundsFault | undefined;
  for (const piece of pieces) fault = scan.push(piece);
  return fault;
}

describe('a bound is found', () => {
  test.each(JSON_ROWS)('%s', (_, text, fault) => {
    const bytes = Buffer.from(text);
    expect(boundsFault(text)).toBe(fault);
    expect(scan([bytes])).toBe(fault);
    for (const size of [1_000, 4_093]) {
      const pieces = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      expect(scan(pieces)).toBe(fault);
    }
  });

  test('wherever the bytes are cut, as JSON.parse has it', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.string({ unit: fc.constantFrom('"', '\\', '[', ',', '{', 'a', 'ż'), maxLength: 60 }),
        fc.integer(),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string({ maxLength: 30 }), tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, fc.array(fc.nat(), { maxLength: 40 }), fc.nat({ max: depth + 3 }), (inside, cuts, levels) => {
        const bytes = Buffer.from(nested(levels, JSON.stringify(inside)));
        const at = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b);
        const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        expect(scan(pieces)).toBe(levels + depthOf(inside) > depth ? 'too-deep' : undefined);
      }),
      { numRuns: 2_000 },
    );
  });
});

function depthOf(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function valueFault(value: unknown): unknown {
  const extent = inOneGo(extentInParts(value));
  return typeof extent === 'string' ? extent : undefined;
}

describe('a value is bounded as its text is', () => {
  test.each(JSON_ROWS.filter(([, text]) => isJson(text)))('%s', (_, text, fault) => {
    expect(valueFault(JSON.parse(text))).toBe(fault);
  });

  test('also where it refers to itself', () => {
    const value: Record<string, unknown> = {};
    value.self = { value };
    expect(valueFault(value)).toBe('too-deep');
    const shared = Array.from({ length: 1_000 }, () => []);
    expect(valueFault(Array.from({ length: 1_000 }, () => shared))).toBe('too-wide');
    expect(valueFault(new Array(4_000_000_000))).toBe('too-wide');
  });

  test('and its members and characters are counted', () => {
    const value = { a: [1, 'four', {}], long: 'ż'.repeat(100_000), b: null };
    expect(inOneGo(extentInParts(value))).toEqual({ members: 7, chars: 100_000 + 4 + 6 });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('what is read is what JSON.parse gives, and a rule says what is wrong', () => {
  expect(readJson('{"__proto__":1}')).toEqual({ value: JSON.parse('{"__proto__":1}') });
  expect(readJson('{')).toEqual({ rule: expect.stringMatching(/^must be JSON \(/) });
  expect(readJson(nested(129))).toEqual({ rule: 'must not nest deeper than 128 levels' });
  expect(readJson(wide(100_001))).toEqual({
    rule: 'must hold at most 100000 members in one list or object and 250000 in all',
  });
});
