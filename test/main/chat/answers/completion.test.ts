import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Completion,
  CompletionBuilder,
  eventsOf,
  isKeepable,
} from '../../../../src/main/chat/answers/completion.ts';
import type { ChunkEvent } from '../../../../src/shared/model-client/chat-event.ts';
import { HELLO } from '../../../support/make-chats.ts';

function built(events: readonly object[]): CompletionBuilder {
  const builder = new CompletionBuilder();
  for (const event of events) builder.add(event as ChunkEvent);
  return builder;
}

function rebuilt(completion: Completion): Completion {
  return built(eventsOf(completion).map(({ data }) => JSON.parse(data) as object)).build();
}

const text = fc.string({ minLength: 1 });
const call = fc.record({
  id: text,
  type: fc.constant('function'),
  function: fc.record({ name: text, arguments: fc.string() }),
});
const logprobs = fc.record({
  content: fc.array(fc.record({ token: text, logprob: fc.double({ noNaN: true, max: 0 }) }), { minLength: 1 }),
  refusal: fc.constant(null),
});
const choice = fc.record(
  {
    message: fc.record(
      {
        role: fc.constant('assistant'),
        content: text,
        reasoning_content: text,
        tool_calls: fc.array(call, { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: ['role', 'content'] },
    ),
    logprobs,
    finish_reason: fc.constantFrom('stop', 'tool_calls', 'length'),
  },
  { requiredKeys: ['message', 'finish_reason'] },
);
const completion = fc
  .record({
    id: text,
    created: fc.nat(),
    model: text,
    choices: fc.array(choice, { minLength: 1, maxLength: 3 }),
    system_fingerprint: text,
    usage: fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat() }),
    timings: fc.record({ cache_n: fc.nat() }),
  })
  .map(
    ({ choices, ...rest }): Completion => ({
      ...rest,
      object: 'chat.completion',
      choices: choices.map((each, index) => ({ index, ...each })),
    }),
  );

describe('a whole answer and its events', () => {
  test('tell the same: what is told as a stream is put together again', () => {
    fc.assert(
      fc.property(completion, (whole) => {
        expect(rebuilt(whole)).toEqual(JSON.parse(JSON.stringify(whole)));
      }),
    );
  });

  test('the events of a server are put together', () => {
    expect(built(HELLO.slice(0, -1) as object[]).build()).toEqual({
      id: 'c1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hello world' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
    });
  });

  test('the parts of several choices and of their log probabilities come in any order', () => {
    const part = (index: number, content: string, token: string) => ({
      choices: [{ index, delta: { content }, logprobs: { content: [{ token, logprob: -1 }] }, finish_reason: null }],
    });
    const { choices } = built([part(1, 'a', 'A'), part(0, 'x', 'X'), part(1, 'b', 'B')]).build();
    expect(choices).toMatchObject([
      { index: 0, message: { content: 'x' }, logprobs: { content: [{ token: 'X' }] } },
      { index: 1, message: { content: 'ab' }, logprobs: { content: [{ token: 'A' }, { token: 'B' }] } },
    ]);
  });

  test('tool calls without a number are told apart by their ids', () => {
    const part = (tool: object) => ({ choices: [{ index: 0, delta: { tool_calls: [tool] } }] });
    const { choices } = built([
      part({ id: 'a', function: { name: 'look', arguments: '{"x"' } }),
      part({ function: { arguments: ':1}' } }),
      part({ id: 'b', function: { name: 'run', arguments: '{}' } }),
    ]).build();
    expect(choices).toMatchObject([
      {
        message: {
          tool_calls: [
            { id: 'a', function: { name: 'look', arguments: '{"x":1}' } },
            { id: 'b', function: { name: 'run', arguments: '{}' } },
          ],
        },
      },
    ]);
  });

  test('a function call of old is put together', () => {
    const part = (function_call: object) => ({ choices: [{ index: 0, delta: { function_call } }] });
    const { choices } = built([part({ name: 'look', arguments: '{' }), part({ arguments: '}' })]).build();
    expect(choices).toMatchObject([{ message: { content: null, function_call: { name: 'look', arguments: '{}' } } }]);
  });

  test('a member of a delta that is not known is told of', () => {
    expect(built([{ choices: [{ index: 0, delta: { content: 'a' } }] }]).hasUnknown).toBe(false);
    expect(built([{ choices: [{ index: 0, delta: { audio: { data: 'x' } } }] }]).hasUnknown).toBe(true);
  });

  test.each([
    [{}],
    [{ choices: 'x' }],
    [{ choices: [null, 5] }],
    [{ choices: [{ delta: 5, index: 'x' }] }],
    [{ choices: [{ delta: { tool_calls: [{ index: -1 }, { index: 1e9 }] } }] }],
  ])('nonsense such as %j breaks nothing', (event) => {
    expect(() => built([event]).build()).not.toThrow();
  });
});

const NONSENSE = [null, 7, 'x', true, [], [null], {}, { index: 0.5 }, { function: 'x' }, { content: [1] }];
const nonsense = fc.constantFrom(...NONSENSE);
const brokenPart = fc.record(
  { content: nonsense, tool_calls: fc.oneof(nonsense, fc.array(nonsense)), function_call: nonsense, role: nonsense },
  { requiredKeys: [] },
);
const brokenChoice = fc.oneof(
  nonsense,
  fc.record(
    { index: nonsense, delta: fc.oneof(nonsense, brokenPart), logprobs: nonsense },
    { requiredKeys: ['delta'] },
  ),
  fc.record({ index: nonsense, message: fc.oneof(nonsense, brokenPart), logprobs: nonsense }),
);

test('whatever a server sends is put together, and told as events', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ choices: fc.oneof(nonsense, fc.array(brokenChoice)) })), (all) => {
      JSON.stringify(built(all).build());
      for (const each of all) eventsOf(each as Completion);
    }),
  );
});

test('a list of many log probabilities is joined', () => {
  const content = Array.from({ length: 300_000 }, () => 0);
  const event = { choices: [{ index: 0, delta: {}, logprobs: { content } }] };
  const { choices } = built([event, event]).build() as { choices: { logprobs: { content: unknown[] } }[] };
  expect(choices[0]?.logprobs.content).toHaveLength(600_000);
});

describe('an answer is kept', () => {
  const answer = (finish_reason: unknown, message: object): Completion => ({
    choices: [{ index: 0, message, finish_reason }],
  });

  test('where it ended by itself and says something', () => {
    expect(isKeepable(answer('stop', { content: 'x' }))).toBe(true);
    expect(isKeepable(answer('tool_calls', { content: null, tool_calls: [{ id: 'a' }] }))).toBe(true);
  });

  test.each([
    ['cut', answer('length', { content: 'x' })],
    ['filtered', answer('content_filter', { content: 'x' })],
    ['without an end', answer(null, { content: 'x' })],
    ['empty', answer('stop', { content: '' })],
    ['blank', answer('stop', { content: ' \n' })],
    ['of thought alone', answer('stop', { content: '', reasoning_content: 'x' })],
    ['without choices', { choices: [] }],
    ['no answer', {}],
  ])('but not where it is %s', (_, completion) => {
    expect(isKeepable(completion)).toBe(false);
  });

  test('nor where one of its choices is not', () => {
    const { choices } = answer('stop', { content: 'x' });
    const { choices: others } = answer('length', { content: 'x' });
    expect(isKeepable({ choices: [...(choices as object[]), ...(others as object[])] })).toBe(false);
  });
});
