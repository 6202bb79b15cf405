import { describe, expect, test } from 'vitest';
import { StandingChoice } from '../../../src/shared/vote/standing-choice.ts';
import { stripThinking } from '../../../src/shared/vote/thoughts.ts';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';

const ACTIONS = ['attack', 'block', 'retreat'];
/** A thought that would be read as a choice, if it were one. */
const THOUGHT = '1. attack\nAttack is my choice: it is bold. Action: attack';

/** How models mark a thought: what stands before it and after it. */
const MARKS: readonly (readonly [whose: string, begin: string, end: string])[] = [
  ['DeepSeek, Qwen and many', '<think>', '</think>'],
  ['with blanks', '< think >', '</ think >'],
  ['in capitals', '<THINKING>', '</THINKING>'],
  ['EXAONE', '<thought>', '</thought>'],
  ['Reka', '<reasoning>', '</reasoning>'],
  ['Claude-like', '<scratchpad>', '</scratchpad>'],
  ['an analysis', '<analysis>', '</analysis>'],
  ['Kimi', '◁think▷', '◁/think▷'],
  ['Seed', '<seed:think>', '</seed:think>'],
  ['Magistral', '[THINK]', '[/THINK]'],
  ['Command A', '<|START_THINKING|>', '<|END_THINKING|><|START_RESPONSE|>'],
  ['Sky-T1', '<|begin_of_thought|>', '<|end_of_thought|>\n\n<|begin_of_solution|>'],
  ['Apertus', '<|inner_prefix|>', '<|inner_suffix|>'],
  ['Gemma', '<|channel>thought\n', '<channel|>'],
  ['MedGemma', '<unused94>thought\n', '<unused95>'],
  ['gpt-oss', '<|channel|>analysis<|message|>', '<|end|><|start|>assistant<|channel|>final<|message|>'],
  ['gpt-oss, without some tokens', '<|channel|>analysis ', '<|channel|>final '],
  [
    'gpt-oss, constrained',
    '<|channel|>analysis<|message|>',
    '<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>',
  ],
  ['gpt-oss, its commentary', '<|channel|>commentary to=user<|message|>', '<|channel|>final<|message|>'],
  ['gpt-oss, without all tokens', 'analysisWe choose. ', 'assistantfinal'],
  ['Granite', 'Here is my thought process:\n', '\nHere is my response:\n'],
];

const ANSWERS: readonly (readonly [answer: string, expected: string | undefined])[] = [
  ['2\nBlocking is safe.\n', 'block'],
  ['{"choice": 2, "confidence": 0.9, "reason": "It is safe."}', 'block'],
  ['block', 'block'],
  ['Action: retreat', 'retreat'],
  ['', undefined],
];

function voteOf(answer: string): string | undefined {
  const parsed = parseVote(answer, ACTIONS);
  return parsed.kind === 'vote' ? parsed.vote.action : undefined;
}

describe.each(MARKS)('a thought as of %s', (_, begin, end) => {
  test.each(ANSWERS)('has no say before %j', (answer, expected) => {
    expect(voteOf(begin + THOUGHT + end + answer)).toBe(expected);
    expect(voteOf(`${begin}${THOUGHT}${end}\n\n${answer}`)).toBe(expected);
  });

  test('leaves nothing after it where it does not end', () => {
    expect(voteOf(begin + THOUGHT)).toBeUndefined();
    expect(stripThinking(begin + THOUGHT).trim()).toBe('');
  });

  test('has no say where its beginning was the end of the prompt', () => {
    // A heading is no mark unless the thought began with one.
    if (begin.startsWith('Here')) return;
    expect(voteOf(`${THOUGHT}${end}2\nBlocking is safe.`)).toBe('block');
  });

  test('has no say while it is written, character by character', () => {
    const standing = new StandingChoice(ACTIONS);
    const whole = `${begin}${THOUGHT}\nattack\n${end}2\nBlocking is safe.\n`;
    const said = new Set<string | undefined>();
    for (let length = 1; length <= whole.length; length++) said.add(standing.look(whole.slice(0, length)));
    expect([...said]).toEqual([undefined, 'block']);
  });
});

describe('a thought without marks', () => {
  const LONG = 'We could attack, or retreat, or wait for another day. '.repeat(400);

  test.each([
    ['before the form asked for', 'I could attack.\nIt is strong.\n\n2\nBlocking is safe.', 'block'],
    ['before a number', 'I could attack.\nIt is strong.\n\n2', 'block'],
    ['before a name', 'I could attack it.\nIt is strong.\n\n**Block**', 'block'],
    ['that names one action only', 'Okay. Attack comes to mind.\nOr not.\n2\nBlocking is safe.', 'block'],
    ['that is long, before the form asked for', `${LONG}\n\n2\nBlocking is safe.`, 'block'],
    ['that is long, before JSON', `${LONG}\n\n{"choice": 2, "reason": "safe"}`, 'block'],
    ['that begins with a name', 'Attack: it is bold.\nIt is strong, though.\n\n2\nBlocking is safe.', undefined],
    ['before a list of the actions', 'We choose among these.\nattack\nblock', undefined],
  ])('%s', (_, answer, expected) => {
    expect(voteOf(answer)).toBe(expected);
  });
});

test('words that look like marks are none', () => {
  expect(voteOf('2\nThe analysis of a thought: think <of> it.')).toBe('block');
  expect(voteOf('Analysis: the enemy is near.\nAction: block')).toBe('block');
  expect(voteOf('2\nHere is my response: it is safe to block.')).toBe('block');
  expect(voteOf('2\nHere is my thought process: attack is too bold.')).toBe('block');
  expect(voteOf('<reason>it is safe</reason>\n<action>block</action>')).toBe('block');
});

test('marks are found in time that grows with the text', () => {
  for (const unit of [
    '<think>',
    '< ',
    '<|channel|>',
    '<|channel|>a',
    '[THINK',
    'analysis',
    'here is my ',
    '<|channel|>final <|constrain|>',
  ]) {
    stripThinking(unit.repeat(200_000 / unit.length));
  }
});
