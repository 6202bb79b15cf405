import { expect, test } from 'vitest';
import { keepsSchema } from '../../../src/shared/constrained-answer.ts';
import { PlannerError } from '../../../src/shared/errors.ts';
import { StandingChoice } from '../../../src/shared/vote/standing-choice.ts';
import { isVoteComplete, parseVote } from '../../../src/shared/vote/vote-parser.ts';
import { readVote } from '../../../src/shared/vote-answer.ts';

/**
 * What reads the text of a model takes time that grows with its length, not with the square of it. The time of a text is compared
 * with that of one an eighth as long, side by side on the same machine: eight times for what is linear, 64 for what is quadratic.
 * Times too short to compare pass.
 */
const CHARS = 200_000;
const PARTS = 8;
const RATIO_MAX = 30;
const COMPARABLE_MS = 150;
const RUNS = 4;

const NAMES = ['attack', 'block', 'retreat'];
const LETTERS = [...'abcdefghij'];
const MANY = Array.from({ length: 2_000 }, (_, index) => `act ${index + 1}`);

type Make = (unit: string, count: number) => string;

const UNITS = [
  'attack ',
  'a b ',
  'a or b ',
  'act 7 ',
  'not to the a ',
  "don't a ",
  'because a ',
  'option 1, ',
  '{',
  '[',
  '{},',
  '[[],',
  '{"a":',
  '"a":1,',
  '\\\\',
  'a<think></think>',
  '</think>a',
  '1. a\n',
  'action: act\n',
  'Action: act 1 and more\n',
  'a \n',
  'İ',
  '你',
  '.',
  '!',
  ' ',
];

const FORMS: Readonly<Record<string, Make>> = {
  bare: (unit, count) => unit.repeat(count),
  'a choice': (unit, count) => JSON.stringify({ choice: unit.repeat(count) }),
  'another key': (unit, count) => JSON.stringify({ action: unit.repeat(count) }),
  'a thought': (unit, count) => JSON.stringify({ thought: unit.repeat(count), choice: 1 }),
  'a reason': (unit, count) => JSON.stringify({ choice: 'nothing', confidence: 1, reason: unit.repeat(count) }),
  'a cut choice': (unit, count) => `{"choice":"${unit.repeat(count)}`,
  'a list': (unit, count) => `{"choice":[${unit.repeat(count)}]}`,
  nested: (unit, count) => `{"choice":${unit.repeat(count)}1${(unit[0] === '[' ? ']' : '}').repeat(count)}}`,
  'a label': (unit, count) => `Action: ${unit.repeat(count)}`,
  'behind a number': (unit, count) => `1 ${unit.repeat(count)}x`,
};

function read(text: string, actions: readonly string[]): void {
  const answer = (content: string, reasoning: string) => ({ content, reasoning, finishReason: 'stop' }) as const;
  parseVote(text, actions);
  isVoteComplete(text);
  keepsSchema(answer(text, ''), actions);
  new StandingChoice(actions).look(text);
  for (const whole of [answer(text, ''), answer('', text)]) {
    try {
      readVote(whole, actions);
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
    }
  }
}

/** The shortest of some runs, or the first short one: what else the machine does makes times longer, never shorter. */
function msOf(text: string, actions: readonly string[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS && least > COMPARABLE_MS; run++) {
    const startedAt = process.hrtime.bigint();
    read(text, actions);
    least = Math.min(least, Number(process.hrtime.bigint() - startedAt) / 1e6);
  }
  return least;
}

function leastMsOf(text: string, actions: readonly string[]): number {
  return Math.min(...Array.from({ length: RUNS }, () => msOf(text, actions)));
}

test.each(Object.entries(FORMS))(
  '%s of any unit is read in a time that grows with its length',
  (_, make) => {
    for (const actions of [NAMES, LETTERS]) {
      for (const unit of UNITS) {
        const count = Math.ceil(CHARS / unit.length);
        const ms = msOf(make(unit, count), actions);
        if (ms < COMPARABLE_MS) continue;
        const part = make(unit, Math.ceil(count / PARTS));
        expect(ms / leastMsOf(part, actions), JSON.stringify({ unit, actions })).toBeLessThan(RATIO_MAX);
      }
    }
  },
  120_000,
);

test.each(UNITS)(
  '%j after a label on each line is read among many names in a time that grows with their number',
  (unit) => {
    const text = `${unit.trim()}\n`.repeat(Math.ceil(8_000 / (unit.trim().length + 1)));
    const ms = msOf(text, MANY);
    if (ms < COMPARABLE_MS) return;
    expect(ms / leastMsOf(text, MANY.slice(0, MANY.length / PARTS))).toBeLessThan(RATIO_MAX);
  },
);

test('a choice of 28,000 words is the action that they name, and of two actions none', () => {
  const vote = (choice: string) =>
    parseVote(JSON.stringify({ choice, confidence: 1, reason: '' }), ['attack', 'block']);
  expect(vote('attack '.repeat(28_000))).toMatchObject({ kind: 'vote', vote: { action: 'attack' } });
  expect(vote('attack block '.repeat(28_000))).toMatchObject({ kind: 'ambiguous' });
  expect(vote('not attack '.repeat(28_000))).toMatchObject({ kind: 'illegal' });
});

test('what a longer name takes up does not name a shorter one, nor does what is turned down', () => {
  const actions = ['power attack', 'attack', 'not', 'a a'];
  const named = (text: string) => parseVote(text, actions);
  expect(named('It says power attack, power attack.')).toMatchObject({
    kind: 'vote',
    vote: { action: 'power attack' },
  });
  expect(named('Never attack. Go for power attack')).toMatchObject({ kind: 'vote', vote: { action: 'power attack' } });
  expect(named('well a a a, surely')).toMatchObject({ kind: 'vote', vote: { action: 'a a' } });
});
