import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askedJson, cutJson } from '../../../src/shared/vote/asked-json.ts';
import { isVoteComplete, type ParsedVote, parseVote } from '../../../src/shared/vote/vote-parser.ts';
import { readVote } from '../../../src/shared/vote-answer.ts';

const ACTIONS = ['attack', 'block', 'retreat'];
const MANY = Array.from({ length: 12 }, (_, index) => `act_${index + 1}`);
const WHOLE = '{"thought":"Attack? No: {2}.","choice":2,"confidence":0.8,"reason":"It is \\"safe\\"."}';

function outcome(parsed: ParsedVote): string {
  return parsed.kind === 'vote' ? parsed.vote.action : `[${parsed.kind}]`;
}

function readJson(answer: string, actions: readonly string[] = ACTIONS): string {
  return outcome(parseVote(answer, actions));
}

/** JSON with any white space between its parts. */
function spaced(members: Record<string, unknown>, gap: () => string): string {
  const parts = Object.entries(members).map(
    ([key, value]) => `${gap()}${JSON.stringify(key)}${gap()}:${gap()}${JSON.stringify(value)}${gap()}`,
  );
  return `${gap()}{${parts.join(',')}}`;
}

const white = fc.infiniteStream(fc.constantFrom('', '', ' ', '\n', '\t\t', '\r\n', ' '.repeat(50)));
const said = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.constantFrom('attack', '"choice": 1', '{"choice":3}', '}', '\\', '1. attack\n2. block', 'a\u2028b', '…'),
);
const members = fc.record(
  {
    thought: said,
    choice: fc.integer({ min: 1, max: 12 }),
    confidence: fc.double({ min: 0, max: 1, noNaN: true }),
    reason: said,
  },
  { requiredKeys: ['choice', 'confidence', 'reason'] },
);

describe('JSON of the form asked for', () => {
  test('is read with its confidence and its reason, whatever the thought names', () => {
    expect(parseVote(WHOLE, ACTIONS)).toEqual({
      kind: 'vote',
      vote: { action: 'block', confidence: 0.8, reason: 'It is "safe".' },
    });
  });

  test('is read with any amount of white space', () => {
    const flood = '\n '.repeat(20_000);
    expect(readJson(`${flood}{${flood}"choice"${flood}:${flood}2${flood},"confidence":1,"reason":"x"}`)).toBe('block');
    expect(readJson(`${flood}{${flood}"choice"${flood}: 2${flood},`)).toBe('block');
  });

  test('names an action by a name that is a number, byte for byte', () => {
    const actions = ['0', '1', ' 1', ' fire\n'];
    for (const choice of actions) {
      const json = JSON.stringify({ choice, confidence: 1, reason: 'Not 0.' });
      expect(parseVote(json, actions)).toMatchObject({ kind: 'vote', vote: { action: choice } });
    }
  });

  test('for any words and white space gives the action of its number, and is complete at its brace, not before', () => {
    fc.assert(
      fc.property(members, white, fc.string({ maxLength: 30 }), (object, gaps, more) => {
        const json = spaced(object, () => gaps.next().value);
        expect(readJson(json, MANY)).toBe(MANY[object.choice - 1]);
        for (let length = 0; length < json.length; length += 3)
          expect(isVoteComplete(json.slice(0, length))).toBe(false);
        expect(isVoteComplete(json)).toBe(json.length <= 4_000);
        // What follows the brace has no say, so that it need not be waited for.
        expect(readJson(`${json}${more}{"choice":1}`, MANY)).toBe(MANY[object.choice - 1]);
      }),
    );
  });

  test('cut anywhere gives the action of its number or none, and that action once the number is whole', () => {
    fc.assert(
      fc.property(members, white, (object, gaps) => {
        const json = spaced(object, () => gaps.next().value);
        const afterChoice = json.lastIndexOf(`"confidence"`);
        for (let length = json.indexOf('"'); length < json.length; length++) {
          const parsed = readJson(json.slice(0, length), MANY);
          if (length >= afterChoice) expect(parsed).toBe(MANY[object.choice - 1]);
          else expect(['[none]', '[illegal]', MANY[object.choice - 1]]).toContain(parsed);
        }
      }),
    );
  });

  test('that chooses what is not offered is illegal', () => {
    expect(readJson('{"choice":4,"confidence":1,"reason":"x"}')).toBe('[illegal]');
    expect(readJson('{"choice":"dance","confidence":1,"reason":"x"}')).toBe('[illegal]');
  });

  test('inside a thought, with other members, or not at the head is read to the end', () => {
    for (const answer of [
      `<think>${WHOLE}`,
      `Here it is: ${WHOLE}`,
      '```json\n{"choice":2}\n```',
      '{"action":2,"reason":"x"}',
      '{"choice":2,"plan":"x"}',
      '{"confidence":1}',
      '{"choice":2',
      '[{"choice":2}]',
      '{choice:2}',
      '',
    ]) {
      expect(isVoteComplete(answer), answer).toBe(false);
    }
  });
});

describe('JSON that was cut short', () => {
  test('says what is whole, and marks the text that is not', () => {
    expect(cutJson('{"thought":"Hm.", "choice" : 2, "reason":"The enemy is abo')).toEqual({
      thought: 'Hm.',
      choice: 2,
      reason: 'The enemy is abo…',
    });
    expect(cutJson('{"choice":2,"reason":"quote \\')).toEqual({ choice: 2, reason: 'quote …' });
    expect(cutJson('{"choice":2,"reason":"\\u00')).toEqual({ choice: 2 });
    expect(cutJson('{"choice":"bl')).toEqual({});
  });

  test('has no choice where the number may go on, nor where there is only a thought', () => {
    expect(readJson('{"choice":1', MANY)).toBe('[none]');
    expect(readJson('{"choice":1,', MANY)).toBe('act_1');
    expect(readJson('{"choice":12 ', MANY)).toBe('act_12');
    expect(readJson('{"thought":"I would attack, as the en')).toBe('[none]');
    expect(readJson('{"thought":"I would attack.",')).toBe('[none]');
  });

  test('takes its thought for the reason where the reason is missing', () => {
    expect(parseVote('{"thought":"Health is low.","choice":3,"confidence":0.', ACTIONS)).toEqual({
      kind: 'vote',
      vote: { action: 'retreat', reason: 'Health is low.' },
    });
  });

  test('is none where the answer begins otherwise', () => {
    expect(cutJson('Here: {"choice":2,')).toBeUndefined();
    expect(cutJson('{"action":2,')).toBeUndefined();
    expect(askedJson('{"choice":2,')).toBeUndefined();
  });

  test('is read in a time that grows with its length', () => {
    for (const unit of ['{', '"', '\\', '\\"', '{"choice":', '"choice":"', ',', '1', ' ', '{"choice":1,'])
      for (const head of ['', '{"choice":"', '{"thought":', '{"choice":1,"reason":"'])
        readJson(head + unit.repeat(400_000 / unit.length));
  });
});

describe('JSON among the reasoning', () => {
  const read = (reasoning: string, finishReason = 'stop') =>
    readVote({ content: '', reasoning, finishReason }, ACTIONS).action;

  test('is read whole, and cut short after its choice', () => {
    expect(read(WHOLE)).toBe('block');
    expect(read(WHOLE, 'length')).toBe('block');
    expect(read('{\n  "choice": 3,\n  "reason": "The', 'length')).toBe('retreat');
  });

  test('is nothing where it was cut before its choice', () => {
    expect(() => read('{"thought":"I would attack', 'length')).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_EMPTY' }),
    );
  });
});
