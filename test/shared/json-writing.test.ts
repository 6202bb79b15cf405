import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inOneGo, PART_CHARS } from '../../src/shared/in-parts.ts';
import { membersInParts } from '../../src/shared/json-writing.ts';
import { wellFormed } from '../../src/shared/well-formed.ts';

function written(value: Readonly<Record<string, unknown>>, ...leftOut: string[]): string {
  return `{${Buffer.concat(inOneGo(membersInParts(value, new Set(leftOut)))).toString()}}`;
}

/** Long enough to be cut, between the halves of characters too. */
const text = fc
  .tuple(fc.constantFrom('', 'a', '\ud83d'), fc.string({ unit: fc.constantFrom('😀', '\ud83d', '"', 'ż', '\n') }))
  .map(([first, unit]) => first + unit.repeat(Math.ceil((unit.length === 3 ? 2 * PART_CHARS : 1) / (unit.length + 1))));

test('writes what JSON.stringify does, with texts that are Unicode', () => {
  const value = fc.object({ values: [text, fc.string(), fc.double(), fc.boolean(), fc.constant(undefined)] });
  fc.assert(
    fc.property(value, (members) => {
      expect(written(members as Record<string, unknown>)).toBe(JSON.stringify(wellFormed(members)));
    }),
  );
});

test('leaves out what it is told to at the top, and what JSON has no word for', () => {
  const value = { model: 'm', inner: { model: 'n', none: undefined, call: () => 1, list: [undefined, () => 1] } };
  expect(written(value, 'model')).toBe('{"inner":{"model":"n","list":[null,null]}}');
  expect(written({ model: 'm' }, 'model')).toBe('{}');
});

test('takes the word of objects that say what their JSON is', () => {
  const value = {
    date: new Date(0),
    boxed: Object(1),
    own: { toJSON: () => 'own' },
    map: new Map([[1, 2]]),
    bare: Object.create(null),
  };
  expect(written(value)).toBe(JSON.stringify(value));
});

test('stops after some thousand members and after a long text', () => {
  const parts = (value: Readonly<Record<string, unknown>>): number => [...membersInParts(value, new Set())].length;
  expect(parts({ few: [1, 2, 3] })).toBe(0);
  expect(parts({ many: Array(50_000).fill(0) })).toBeGreaterThan(10);
  expect(parts({ long: 'x'.repeat(10 * PART_CHARS) })).toBe(10);
});
