import { describe, expect, test } from 'vitest';
import { CompletionBuilder, eventsOf } from '../../../../src/main/chat/answers/completion.ts';
import type { ChunkEvent } from '../../../../src/shared/model-client/chat-event.ts';

type Called = readonly [name: string, args: string];

function calledBy(pieces: readonly object[]): Called[] {
  const builder = new CompletionBuilder();
  for (const piece of pieces) {
    builder.add({ choices: [{ index: 0, delta: { tool_calls: [piece] } }] } as unknown as ChunkEvent);
  }
  return calls(builder.build());
}

function calls(whole: object): Called[] {
  const { choices } = whole as { choices: { message?: Message; delta?: Message }[] };
  const message = choices[0]?.message ?? choices[0]?.delta;
  return (message?.tool_calls ?? []).map(({ function: said }) => [said.name, said.arguments]);
}

interface Message {
  readonly tool_calls?: readonly { index?: number; function: { name: string; arguments: string } }[];
}

const LOOK = ['look', '{"x":1}'] as const;
const RUN = ['run', '{"y":2}'] as const;
const piece = (index: unknown, id: string | undefined, name: string | undefined, args?: unknown): object => ({
  ...(index === undefined ? {} : { index }),
  ...(id === undefined ? {} : { id, type: 'function' }),
  function: { ...(name === undefined ? {} : { name }), ...(args === undefined ? {} : { arguments: args }) },
});

const ROWS: readonly (readonly [what: string, pieces: readonly object[], expected: readonly Called[]])[] = [
  [
    'numbered from 0',
    [piece(0, 'a', 'look', '{"x"'), piece(0, undefined, undefined, ':1}'), piece(1, 'b', 'run', '{"y":2}')],
    [LOOK, RUN],
  ],
  ['numbered from 1', [piece(1, 'a', 'look', '{"x":1}'), piece(2, 'b', 'run', '{"y":2}')], [LOOK, RUN]],
  ['with a gap', [piece(0, 'a', 'look', '{"x":1}'), piece(7, 'b', 'run', '{"y":2}')], [LOOK, RUN]],
  ['in the wrong order', [piece(1, 'b', 'run', '{"y":2}'), piece(0, 'a', 'look', '{"x":1}')], [LOOK, RUN]],
  ['numbered in digits', [piece('1', 'b', 'run', '{"y":2}'), piece('0', 'a', 'look', '{"x":1}')], [LOOK, RUN]],
  [
    'all numbered 0, with ids of their own',
    [piece(0, 'a', 'look', '{"x"'), piece(0, 'a', undefined, ':1}'), piece(0, 'b', 'run', '{"y":2}')],
    [LOOK, RUN],
  ],
  [
    'all numbered 0, the id once',
    [
      piece(0, 'a', 'look', '{"x"'),
      piece(0, undefined, undefined, ':1}'),
      piece(0, 'b', 'run', '{"y"'),
      piece(0, undefined, undefined, ':2}'),
    ],
    [LOOK, RUN],
  ],
  [
    'all numbered 0, in turns',
    [
      piece(0, 'a', 'look', '{"x"'),
      piece(0, 'b', 'run', '{"y"'),
      piece(0, 'a', undefined, ':1}'),
      piece(0, 'b', undefined, ':2}'),
    ],
    [LOOK, RUN],
  ],
  [
    'without ids, by name',
    [piece(0, undefined, 'look', '{"x":1}'), piece(0, undefined, 'run', '{"y":2}')],
    [LOOK, RUN],
  ],
  [
    'of one name without ids, by whole arguments',
    [piece(0, undefined, 'look', '{"x":1}'), piece(0, undefined, 'look', '{"x":1}')],
    [LOOK, LOOK],
  ],
  [
    'of a server that repeats the name',
    [piece(0, undefined, 'look', '{"x"'), piece(0, undefined, 'look', ':1}')],
    [LOOK],
  ],
  ['with the id after the name', [piece(0, undefined, 'look', '{"x"'), piece(0, 'a', undefined, ':1}')], [LOOK]],
  ['without numbers', [piece(undefined, 'a', 'look', '{"x":1}'), piece(undefined, 'b', 'run', '{"y":2}')], [LOOK, RUN]],
  [
    'with numbers that are null',
    [piece(null, 'a', 'look', '{"x":1}'), piece(null, 'b', 'run', '{"y":2}')],
    [LOOK, RUN],
  ],
  ['with arguments as an object', [piece(0, 'a', 'look', { x: 1 })], [LOOK]],
  ['with arguments as an object after none', [piece(0, 'a', 'look', ''), piece(0, 'a', undefined, { x: 1 })], [LOOK]],
  ['with arguments that are null', [piece(0, 'a', 'look', null), piece(0, undefined, undefined, '{"x":1}')], [LOOK]],
];

describe('the tool calls of a stream', () => {
  test.each(ROWS)('are told apart: %s', (_, pieces, expected) => {
    expect(calledBy(pieces)).toEqual(expected);
  });

  test('are as many as came, at the cost of their number', () => {
    const count = 100_000;
    const pieces = Array.from({ length: count }, (_, nth) => piece(0, `id${nth}`, 'look', '{}'));
    expect(calledBy(pieces)).toHaveLength(count);
  });
});

describe('the tool calls of a whole answer', () => {
  test('are numbered by their place in its events, with arguments as texts', () => {
    const tool_calls = [piece(0, 'a', 'look', { x: 1 }), piece(0, 'b', 'run', '{"y":2}'), null];
    const completion = { choices: [{ index: 0, message: { content: null, tool_calls }, finish_reason: 'tool_calls' }] };
    const [first] = eventsOf(completion).map(({ data }) => JSON.parse(data) as { choices: { delta: Message }[] });
    expect(calls(first as object)).toEqual([LOOK, RUN]);
    expect(first?.choices[0]?.delta.tool_calls?.map(({ index }) => index)).toEqual([0, 1]);
  });
});
