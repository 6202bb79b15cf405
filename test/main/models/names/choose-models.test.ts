import { describe, expect, test } from 'vitest';
import {
  chooseSeats,
  chosenPanel,
  isChatModel,
  panelOf,
  seatsOf,
} from '../../../../src/main/models/names/choose-models.ts';

const ROLES = [
  { name: 'look', prompt: 'p', vision: true },
  { name: 'move', prompt: 'p' },
  { name: 'fear', prompt: 'p' },
];

test.each([
  ['microsoft/phi-4-mini-reasoning', true],
  ['qwen3:4b', true],
  ['text-embedding-nomic-embed-text-v1.5', false],
  ['nomic-embed-text:latest', false],
  ['BAAI/bge-reranker-v2-m3', false],
  ['BAAI/bge-m3', false],
  ['intfloat/e5-large-v2', false],
  ['openai/whisper-large-v3', false],
])('%s chats: %s', (id, chats) => {
  expect(isChatModel(id)).toBe(chats);
});

describe('a choice without a wish', () => {
  test('takes the first two models that chat', () => {
    const listed = [{ name: 'local', models: ['nomic-embed', 'a', 'b', 'c'] }];
    expect(chooseSeats(listed)).toEqual([
      { model: 'a', endpoint: 'local' },
      { model: 'b', endpoint: 'local' },
    ]);
  });

  test('takes one of each endpoint before a second of one', () => {
    const listed = [
      { name: 'x', models: ['a', 'b'] },
      { name: 'y', models: ['c'] },
      { name: 'z', models: ['d'] },
    ];
    expect(chooseSeats(listed).map(({ model }) => model)).toEqual(['a', 'c', 'd']);
  });

  test('gives the role that sees a model that sees, and the others the rest', () => {
    const seats = ['phi', 'google/gemma-3-4b'].map((model) => ({ model, endpoint: 'local' }));
    const { experts, synthesis } = chosenPanel(ROLES, seats);
    expect(experts.map(({ model }) => model)).toEqual(['google/gemma-3-4b', 'phi', 'phi']);
    expect(synthesis.models.map((seat) => (seat as { model: string }).model)).toEqual(['phi', 'google/gemma-3-4b']);
  });

  test('of nothing is nothing', () => {
    expect(chooseSeats([{ name: 'local', models: [] }])).toEqual([]);
    expect(chosenPanel(ROLES, [])).toEqual({ experts: [], synthesis: { models: [] } });
  });
});

describe('named models', () => {
  test('are spread over the roles in their order, and are the ladder', () => {
    const seats = seatsOf(['a', 'b'], [{ name: 'local', models: [] }]);
    const { experts, synthesis } = panelOf(ROLES, seats);
    expect(experts.map(({ role, model }) => [role, model])).toEqual([
      ['look', 'a'],
      ['move', 'b'],
      ['fear', 'a'],
    ]);
    expect(synthesis.models).toEqual(seats);
  });

  test('go to every endpoint that lists them, and to the first where none does', () => {
    const listed = [
      { name: 'x', models: ['a'] },
      { name: 'y', models: ['a', 'b'] },
    ];
    expect(seatsOf(['a', 'b', 'c'], listed).map(({ model, endpoint }) => `${model}@${endpoint}`)).toEqual([
      'a@x',
      'a@y',
      'b@y',
      'c@x',
    ]);
  });
});
