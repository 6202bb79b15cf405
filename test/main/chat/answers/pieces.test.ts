import { describe, expect, test } from 'vitest';
import { PieceJoiner } from '../../../../src/main/chat/answers/pieces.ts';

function joined(name: string, ...pieces: readonly unknown[]): unknown {
  const joiner = new PieceJoiner();
  return pieces.reduce<unknown>((known, more) => joiner.join(name, known, more), undefined);
}

const text = (value: string): object => ({ type: 'text', text: value });

describe('the pieces of a member', () => {
  test.each<readonly [what: string, name: string, pieces: readonly unknown[], expected: unknown]>([
    ['texts', 'thinking', ['a', 'b'], 'ab'],
    ['texts and null', 'thinking', [null, 'a', null, 'b'], 'ab'],
    ['texts that come whole', 'role', ['assistant', '', 'assistant'], 'assistant'],
    ['lists of texts', 'content', [[text('a')], [text('b')]], [text('ab')]],
    ['a text and a list', 'content', ['a', [text('b')]], [text('ab')]],
    ['a list and a text', 'content', [[text('a')], 'b', ''], [text('ab')]],
    ['an empty text and a list', 'content', ['', [text('b')]], [text('b')]],
    [
      'lists of pictures',
      'images',
      [[{ type: 'image_url', image_url: { url: 'x' } }], [{ type: 'image_url', image_url: { url: 'y' } }]],
      [
        { type: 'image_url', image_url: { url: 'x' } },
        { type: 'image_url', image_url: { url: 'y' } },
      ],
    ],
    [
      'numbered items',
      'reasoning_details',
      [
        [{ index: 0, type: 'reasoning.text', text: 'a' }],
        [{ index: 1, type: 'reasoning.text', text: 'x' }],
        [{ index: 0, type: 'reasoning.text', text: 'b' }],
      ],
      [
        { index: 0, type: 'reasoning.text', text: 'ab' },
        { index: 1, type: 'reasoning.text', text: 'x' },
      ],
    ],
    [
      'objects',
      'audio',
      [
        { id: 'a', data: 'x' },
        { id: 'a', data: 'y', expires_at: 1 },
      ],
      { id: 'a', data: 'xy', expires_at: 1 },
    ],
    ['numbers', 'score', [1, 2], 2],
  ])('are joined: %s', (_, name, pieces, expected) => {
    expect(joined(name, ...pieces)).toEqual(expected);
  });

  test('are not changed themselves', () => {
    const first = [text('a')];
    joined('content', first, [text('b')]);
    joined('content', 'x', first, [text('b')]);
    joined('content', 'x', { list: first }, { list: [text('b')] });
    expect(first).toEqual([text('a')]);
  });

  test('may have any name', () => {
    const more = JSON.parse('{"__proto__":{"a":1}}') as object;
    expect(JSON.stringify(joined('x', more, more))).toBe('{"__proto__":{"a":1}}');
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });
});
