import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StandingChoice, watchAnswer } from '../../../src/shared/vote/standing-choice.ts';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';

/** What stands in one text, looked at once. */
function standingChoice(content: string, actions: readonly string[]): string | undefined {
  return new StandingChoice(actions).look(content);
}

const ACTIONS = ['attack', 'block', 'retreat'];
const MANY = Array.from({ length: 130 }, (_, index) => `act_${index + 1}`);

function expectRows(rows: readonly (readonly [answer: string, expected: string | undefined])[]): void {
  for (const [answer, expected] of rows) {
    expect(standingChoice(answer, ACTIONS), JSON.stringify(answer)).toBe(expected);
  }
}

describe('in JSON a choice stands', () => {
  test('when its value is closed, and not before', () => {
    expectRows([
      ['{"choice": 2', undefined],
      ['{"choice": 2,', 'block'],
      ['{"choice": 2 ', 'block'],
      ['{"choice":2\n', 'block'],
      ['{"choice":2}', 'block'],
      ['{"choice": "block', undefined],
      ['{"choice": "block"', 'block'],
      ['{"thought": "Attack is 1, no: 3', undefined],
      ['{"thought": "Attack is 1, no: 3", "choice": 2, "confidence": 0.8, "reason": "because', 'block'],
      ['  \n{\n  "choice": 3,\n  "rea', 'retreat'],
      ['{"choice": 9, "reason": "', undefined],
      ['{"choice": 2.5, "reason": "', undefined],
    ]);
  });

  test('until another one contradicts it', () => {
    expectRows([
      ['{"choice": 2, "reason": "x", "choice": 3', 'block'],
      ['{"choice": 2, "reason": "x", "choice": 3,', 'retreat'],
      ['{"choice": 2, "action": "attack"}', undefined],
    ]);
  });

  test('only where the answer begins with the form that is asked for', () => {
    expectRows([
      ['{"enemy": 2, "choice": 3, "rea', undefined],
      ['I choose {"choice": 2, "reason": "', undefined],
      ['```json\n{"choice": 2,\n"reason": "', undefined],
    ]);
  });
});

describe('in text a choice stands', () => {
  test('when its line has ended, and not before', () => {
    expectRows([
      ['2', undefined],
      ['2\n', 'block'],
      ['2.\nBecause it', 'block'],
      ['**2**\n', 'block'],
      ['2 because health is', undefined],
      ['2 because health is low\n', 'block'],
      ['Block\nThe enemy', 'block'],
      ['The enemy is strong.\nACTION: 2', undefined],
      ['The enemy is strong.\nACTION: 2\nREASON: he', 'block'],
      ['<answer>2</answer>\n', 'block'],
      ['9\n', undefined],
    ]);
  });

  test('until another one contradicts it', () => {
    expectRows([
      ['2\nACTION: 3', 'block'],
      ['2\nACTION: 3\n', undefined],
      ['2\n3\n', undefined],
    ]);
  });

  test('in the form asked for, whatever is marked as a thought behind it', () => {
    expectRows([['2\nbecause it is. </think>1\n', 'block']]);
    expect(parseVote('2\nbecause it is. </think>1\n', ACTIONS)).toMatchObject({ vote: { action: 'block' } });
  });

  test('not where prose names an action, nor where the first line may be that of a list', () => {
    expectRows([
      ['I think that block is best here\nbecause', undefined],
      ['1. attack\n', undefined],
      ['1. attack\n  ', undefined],
      ['1. attack\n2', undefined],
      ['1. attack\n2. block\n', undefined],
      ['1. attack\nIt is', 'attack'],
    ]);
  });

  test('not while the model is thinking, and then by what follows', () => {
    expectRows([
      ['<think>2\n', undefined],
      ['<think>2\n</think>', undefined],
      ['<think>2\n</think>\n\n3\n', 'retreat'],
      ['<think>{"choice": 1, </think>{"choice": 2, "rea', 'block'],
      ['1\nno</think>2\n', 'block'],
    ]);
  });
});

test('names that are numbers are chosen by name', () => {
  const numbers = ['0', '1', '12', '-1'];
  expect(standingChoice('{"choice": "1', numbers)).toBeUndefined();
  expect(standingChoice('{"choice": "12", "rea', numbers)).toBe('12');
  expect(standingChoice('-1\n', numbers)).toBe('-1');
});

test('a tag of thinking that comes in pieces is seen, and what stood before it is not served inside it', () => {
  const standing = new StandingChoice(ACTIONS);
  const told = ['<thi', '<think>1\n', '<think>1\n</th', '<think>1\n</think>2', '<think>1\n</think>2\n'].map((text) =>
    standing.look(text),
  );
  expect(told).toEqual([undefined, undefined, undefined, undefined, 'block']);
});

test('changes are told once each', () => {
  const told: (string | undefined)[] = [];
  const look = watchAnswer(ACTIONS, (action) => told.push(action));
  for (const content of ['2', '2\n', '2\nIt', '2\nIt is', '2\nIt is\nACTION: 3', '2\nIt is\nACTION: 3\n'])
    look(content);
  expect(told).toEqual(['block', undefined]);
});

/** Cuts of a text, in order, the whole text last. */
function cuts(text: string, gaps: Iterator<number>): string[] {
  const all: string[] = [];
  for (let at = 0; at < text.length; at += gaps.next().value as number) all.push(text.slice(0, at));
  return [...all, text];
}

const gaps = fc.infiniteStream(fc.integer({ min: 1, max: 7 }));
const said = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom('act_7', '"choice": 1', '{"choice":3}', '}', '\\', 'ACTION: 3'),
);
const white = fc.infiniteStream(fc.constantFrom('', '', ' ', '\n', '\t'));

describe('for any answer', () => {
  test('of the JSON asked for, what stands at a cut is what is voted in the end, from the end of the number on', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 130 }),
        said,
        said,
        white,
        gaps,
        (choice, thought, reason, space, steps) => {
          const gap = (): string => space.next().value;
          const thinks = thought === '' ? '' : `"thought"${gap()}:${gap()}${JSON.stringify(thought)}${gap()},`;
          const head = `{${gap()}${thinks}"choice":${gap()}${choice}`;
          const json = `${head}${gap()},"confidence":0.5,"reason":${gap()}${JSON.stringify(reason)}}`;
          const standing = new StandingChoice(MANY);
          for (const cut of cuts(json, steps)) {
            const expected = cut.length > head.length ? MANY[choice - 1] : undefined;
            expect(standing.look(cut), cut).toBe(expected);
            expect(standingChoice(cut, MANY), cut).toBe(expected);
          }
        },
      ),
    );
  });

  test('of a number and a reason, what stands at a cut is what is voted in the end, from the end of its line on', () => {
    const sentence = fc
      .array(fc.constantFrom('it', 'is', 'strong', 'low', '3', 'enemies'), { minLength: 2, maxLength: 9 })
      .map((words) => `Now ${words.join(' ')}.`);
    const thought = fc.constantFrom('', '<think>1\n2\n</think>', '<think>{"choice":4,</think>\n');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 130 }), thought, sentence, gaps, (choice, think, reason, steps) => {
        const head = `${think}${choice}\n`;
        const standing = new StandingChoice(MANY);
        for (const cut of cuts(`${head}${reason}`, steps)) {
          expect(standing.look(cut), cut).toBe(cut.length >= head.length ? MANY[choice - 1] : undefined);
        }
      }),
    );
  });

  const fragment = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom('1', '2', '12', '\n', '\n', '. ', 'attack', 'block', 'ACTION: ', '{"choice":', '"', ',', '}', '{'),
    fc.constantFrom('<think>', '</think>', ' because ', '"reason":', '"action":', '**', '```', '- ', 'not '),
  );
  const answer = fc.array(fragment, { maxLength: 20 }).map((parts) => parts.join(''));

  test('looks one after the other say what one look at the text says', () => {
    fc.assert(
      fc.property(answer, gaps, (text, steps) => {
        const standing = new StandingChoice(ACTIONS);
        for (const cut of cuts(text, steps)) expect(standing.look(cut), cut).toBe(standingChoice(cut, ACTIONS));
      }),
      { numRuns: 1_000 },
    );
  });

  test('what stands in a text that ends with its line is what the parser reads in it', () => {
    fc.assert(
      fc.property(answer, (text) => {
        const action = standingChoice(`${text}\n`, ACTIONS);
        if (action === undefined) return;
        expect(parseVote(`${text}\n`, ACTIONS)).toMatchObject({ kind: 'vote', vote: { action } });
      }),
      { numRuns: 3_000 },
    );
  });
});

test('a look costs the same however long the answer was before it', () => {
  const standing = new StandingChoice(ACTIONS);
  const part = 'a < b, and so on\n';
  const thought = `<think>${part.repeat(20_000)}`;
  const startedAt = performance.now();
  for (let at = 0; at < thought.length; at += part.length) standing.look(thought.slice(0, at));
  expect(standing.look(`${thought}</think>2\n`)).toBe('block');
  // Read from its beginning each time it would be 3,400 MB.
  expect(performance.now() - startedAt).toBeLessThan(500);
});
