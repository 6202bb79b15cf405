import { describe, expect, test } from 'vitest';
import { PlannerError } from '../../../src/shared/errors.ts';
import { readReadings, startsBlank } from '../../../src/shared/reads/read-answer.ts';
import type { ReadCall, Reading } from '../../../src/shared/reads/reading.ts';

/** The first tokens of chats that are read, as servers report them. */
function callOf(more: Partial<ReadCall> = {}): ReadCall {
  const call = { form: 'logprobs', model: 'm', roles: ['scout'], actions: ['attack', 'block'] } as const;
  return { ...call, timeoutMs: 1_000, alternativesMax: 20, ...more };
}

function read(body: unknown, more: Partial<ReadCall> = {}): readonly Reading[] {
  return readReadings(callOf(more), body);
}

function codeOf(body: unknown): string {
  try {
    read(body);
  } catch (error) {
    expect(error).toBeInstanceOf(PlannerError);
    return (error as PlannerError).code;
  }
  return 'OK';
}

const bodyWith = (top: unknown): unknown => ({ choices: [{ logprobs: { content: [{ top_logprobs: top }] } }] });

describe('the first tokens of a chat', () => {
  test.each([
    ['an id', { token: 'token_id:17', bytes: [49] }],
    ['half a letter', { token: '\ufffd', bytes: [49] }],
    ['nothing', { bytes: [49] }],
  ])('a token that is %s is read from its bytes', (_, token) => {
    expect(read(bodyWith([{ ...token, logprob: -0.1 }]))[0]?.probabilities[0]).toBeCloseTo(0.905, 3);
  });

  test.each([[undefined], [null], [[]], ['49'], [Array(1_000_000).fill(49)], [[{ valueOf: 1 }]]])(
    'bytes that are %# are no label',
    (bytes) => {
      expect(read(bodyWith([{ token: 'token_id:1', bytes, logprob: -0.1 }]))[0]?.probabilities).toEqual([0, 0]);
    },
  );

  describe('of two tokens', () => {
    const place = (...told: readonly (readonly [string, number])[]): object => {
      const top = told.map(([token, chance]) => ({ token, logprob: Math.log(chance) }));
      return { ...top[0], top_logprobs: top };
    };
    const bodyOfTwo = (first: object, ...more: object[]): unknown => ({
      choices: [{ logprobs: { content: [first, ...more] } }],
    });
    const label = place(['2', 0.7], ['1', 0.2]);

    test.each([[' '], ['\u2581'], ['\n'], ['**'], ['"']])(
      'the label that follows %j counts by the chance of both',
      (mark) => {
        const body = bodyOfTwo(place([mark, 0.9], ['1', 0.05]), label);
        const [{ probabilities }] = read(body, { tokensMax: 2 }) as [Reading];
        expect(probabilities[0]).toBeCloseTo(0.05 + 0.9 * 0.2, 6);
        expect(probabilities[1]).toBeCloseTo(0.9 * 0.7, 6);
      },
    );

    test('what follows a label or a word does not count', () => {
      for (const word of ['1', 'The']) {
        const [{ probabilities }] = read(bodyOfTwo(place([word, 0.9]), label)) as [Reading];
        expect(probabilities[1]).toBe(0);
      }
    });

    test('a blank alone asks for a second token, once', () => {
      const blank = bodyOfTwo(place(['\u2581', 0.9], ['1', 0.05]));
      expect(startsBlank(callOf(), blank)).toBe(true);
      expect(startsBlank(callOf({ tokensMax: 2 }), blank)).toBe(false);
      expect(startsBlank(callOf(), bodyOfTwo(label))).toBe(false);
      expect(startsBlank(callOf({ form: 'systemone' }), { answers: {} })).toBe(false);
    });
  });

  test.each([
    ['llama.cpp', { content: null, reasoning_content: '1' }],
    ['Ollama', { content: '', reasoning: '1' }],
    ['a list of parts', { content: [{ type: 'thinking', thinking: '1' }] }],
  ])('a thought that the prompt began is no label, although it is one token: %s', (_, message) => {
    const top = [{ token: '1', logprob: -0.1 }];
    const body = { choices: [{ message, logprobs: { content: [{ token: '1', top_logprobs: top }] } }] };
    expect(codeOf(body)).toBe('ERR_MODEL_REJECTED');
  });

  test.each([[{ content: '1', reasoning_content: '' }], [{ content: '1', reasoning: null }], ['1'], [null]])(
    'a message of %j has no thought',
    (message) => {
      const top = [{ token: '1', logprob: -0.1 }];
      const body = { choices: [{ message, logprobs: { content: [{ token: '1', top_logprobs: top }] } }] };
      expect(codeOf(body)).toBe('OK');
    },
  );
});
