import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chatKeyInParts, KEYED_CHARS_MAX, modelKey } from '../../../../src/main/chat/answers/chat-key.ts';
import { readChatInParts } from '../../../../src/main/chat/chat-request.ts';
import { inOneGo } from '../../../../src/shared/in-parts.ts';

const BASE = { model: 'm', messages: [{ role: 'user', content: 'hi' }], temperature: 0 };

function keyFor(body: unknown): string | undefined {
  return inOneGo(chatKeyInParts(inOneGo(readChatInParts(body))));
}

function keyOf(more: object = {}): string | undefined {
  return keyFor({ ...BASE, ...more });
}

/** The same with the members of all objects in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, shuffled(member)]),
  );
}

/** Equal JSON, whatever the order of members. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}

const jsonValue = fc.jsonValue({ maxDepth: 4 });
const members = fc.dictionary(
  fc.string().filter((name) => !(name in BASE) && !['stream', 'stream_options', 'user', 'n', 'seed'].includes(name)),
  jsonValue,
  { maxKeys: 4 },
);

describe('the exact key', () => {
  test('is that of the JSON: the order of members has no say', () => {
    fc.assert(
      fc.property(members, (more) => {
        expect(keyOf(more)).toBe(keyFor(shuffled({ ...BASE, ...more })));
      }),
    );
  });

  test('differs wherever the JSON does', () => {
    fc.assert(
      fc.property(members, members, (one, other) => {
        const [a, b] = [one, other].map((more) => JSON.parse(JSON.stringify(more)) as object) as [object, object];
        expect(keyOf(a) === keyOf(b)).toBe(canonical(a) === canonical(b));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    [{ a: ['b', 'c'] }, { a: ['b,c'] }],
    [{ a: [1, 2] }, { a: [12] }],
    [{ a: [true, null] }, { a: [true] }],
    [{ a: '1' }, { a: 1 }],
    [{ a: null }, {}],
    [{ a: {} }, { a: [] }],
    [{ a: [[], []] }, { a: [[[]]] }],
    [{ a: { b: 1 }, c: 2 }, { a: { b: 1, c: 2 } }],
    [{ 'a":1,"b': 1 }, { a: 1, b: 1 }],
    [{ a: 0.1 }, { a: 0.10000000000000002 }],
  ])('tells %j from %j', (one, other) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  test('neither how the answer is to come nor for whom is a part of it', () => {
    expect(keyOf({ stream: true, stream_options: { include_usage: true }, user: 'me' })).toBe(keyOf());
    expect(keyOf({ model: 'other' })).toBe(keyOf());
    expect(modelKey(keyOf() as string, 'a')).not.toBe(modelKey(keyOf() as string, 'b'));
  });

  test('what cannot be put together from events is kept apart by how it was asked for', () => {
    expect(keyOf({ modalities: ['audio'], stream: true })).not.toBe(keyOf({ modalities: ['audio'] }));
  });
});

test('a request is too long for a key one character after it has one', () => {
  const room = KEYED_CHARS_MAX - '{"messages":[{"content":"","role":"user",},],"temperature":0,}'.length;
  const keyOfContent = (content: unknown) => keyOf({ messages: [{ role: 'user', content }] });
  expect(keyOfContent('a'.repeat(room))).toBeDefined();
  expect(keyOfContent('a'.repeat(room + 1))).toBeUndefined();
  expect(keyOfContent(Array.from({ length: 99_999 }, () => 'a'.repeat(20)))).toBeUndefined();
});
