import { expect, test } from 'vitest';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';

const ACTIONS = ['attack', 'block', 'retreat'];

test.each([
  ['Option 1 is too dangerous, so I choose 2', 'block'],
  ['1 is too risky. I pick 3.', 'retreat'],
  ['Attack is too dangerous, so block.', 'block'],
  ["Option 1 isn't safe. Option 2 is.", 'block'],
  ['Attack is not an option: block', 'block'],
  ['Retreat would be pointless, attack is bad, block.', 'block'],
  ['Option 1 ist zu gefährlich, ich wähle 2.', 'block'],
  ["L'option 1 est trop risquée, je choisis 2.", 'block'],
  ['Вариант 1 слишком опасен, выбираю 2.', 'block'],
  ['1太危险，选2', 'block'],
  ['Option 2 is too dangerous', 'none'],
  ['Block is the worst of all ideas here', 'none'],
])('%j rejects what it names first: %s', (answer, expected) => {
  const parsed = parseVote(answer, ACTIONS);
  expect(parsed.kind === 'vote' ? parsed.vote.action : parsed.kind).toBe(expected);
});

test.each([
  'Option 2 is the best.',
  'Option 2 is not only safe but quick.',
  'Option 2 is too good to miss.',
  'Block is not bad.',
  'Block is risky but best.',
  '2 is safe',
  '2\n太多敌人，防御更安全。',
  '2)太多敌人，防御更安全。',
  '2\nслишком много врагов',
  "2\nisn't it obvious",
  '2\nis too dangerous for them to break',
  'Sure! Here is my choice: 2',
  'Well, my final answer is: **2**',
  'I think the answer would be 2.',
])('%j rejects nothing', (answer) => {
  expect(parseVote(answer, ACTIONS)).toMatchObject({ vote: { action: 'block' } });
});
