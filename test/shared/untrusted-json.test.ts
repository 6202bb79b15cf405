import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BoundsFault,
  boundsFault,
  JSON_LIMITS,
  JsonScan,
  readJson,
  valueFault,
} from '../../src/shared/untrusted-json.ts';

const { depth, members, membersInAll } = JSON_LIMITS;

function scan(pieces: readonly Uint8Array[]): BoundsFault | undefined {
  const scan = new JsonScan();
  let fault: BoundsFault | undefined;
  for (const piece of pieces) fault = scan.push(piece);
  return fault;
}

const nested = (levels: number, inside = '') => `${'['.repeat(levels)}${inside}${']'.repeat(levels)}`;
const wide = (count: number, member = '0') => `[${Array.from({ length: count }, () => member).join(',')}]`;
const object = (count: number) => `{${Array.from({ length: count }, (_, i) => `"a${i}":0`).join(',')}}`;
const lists = (count: number, of: number) => `[${Array.from({ length: count }, () => wide(of)).join(',')}]`;

const table: [string, string, BoundsFault | undefined][] = [
  ['the deepest', nested(depth), undefined],
  ['one level more', nested(depth + 1), 'too-deep'],
  ['one level more, mixed', `${'[{"a":'.repeat(depth / 2)}[]${'}]'.repeat(depth / 2)}`, 'too-deep'],
  ['brackets that never close', '['.repeat(1_000_000), 'too-deep'],
  ['brackets in a text', `["${'['.repeat(1_000)}"]`, undefined],
  ['brackets in a text behind a quote', `["\\"${'['.repeat(1_000)}"]`, undefined],
  ['brackets behind a text that ends in a backslash', `["\\\\"${',['.repeat(depth)}`, 'too-deep'],
  ['brackets in a text never closed', `["${'['.repeat(1_000)}`, undefined],
  ['many closed one after the other', wide(members, '[0]'), undefined],
  ['the widest list', wide(members), undefined],
  ['one member more', wide(members + 1), 'too-wide'],
  ['the widest object', object(members), undefined],
  ['one name more', object(members + 1), 'too-wide'],
  ['commas in a text', `["${','.repeat(300_000)}"]`, undefined],
  ['commas outside of everything', ','.repeat(members + 1), 'too-wide'],
  ['empty objects', wide(members + 1, '{}'), 'too-wide'],
  // Two lists of one member less than what is left beside their own two and one.
  ['as many as there may be in all', lists(10, (membersInAll - 10) / 10), undefined],
  ['one more in all', lists(10, (membersInAll - 10) / 10).replace('[0', '[0,0'), 'too-wide'],
  ['a request with the most actions and values', `{"a":${wide(members, '"x"')},"q":${object(members)}}`, undefined],
  ['closing without opening', ']]}'.repeat(1_000), undefined],
  ['nothing', '', undefined],
  ['texts without end', '""'.repeat(500_002), 'too-wide'],
  ['closing without end', ']'.repeat(500_002), 'too-wide'],
];

describe('a bound is found', () => {
  test.each(table)('%s', (_, text, fault) => {
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

describe('a value is bounded as its text is', () => {
  test.each(table.filter(([, text]) => isJson(text)))('%s', (_, text, fault) => {
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
