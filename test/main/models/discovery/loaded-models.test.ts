import { describe, expect, test } from 'vitest';
import type { ServerKind } from '../../../../src/main/models/discovery/endpoint-facts.ts';
import { loadedModels, loadedOf } from '../../../../src/main/models/discovery/loaded-models.ts';

const STUDIO = {
  models: [
    { key: 'a', loaded_instances: [{ id: 'a' }, { id: 'a:2' }] },
    { key: 'b', loaded_instances: [] },
  ],
};
const OLD_STUDIO = {
  data: [
    { id: 'a', state: 'loaded' },
    { id: 'b', state: 'not-loaded' },
  ],
};
const OLLAMA = { models: [{ name: 'a:latest' }, { name: 'b:7b' }] };
const ROUTER = {
  data: [
    { id: 'a', status: { value: 'loaded' } },
    { id: 'b', status: { value: 'unloaded' } },
  ],
};

function asked(pages: Readonly<Record<string, unknown>>, kind: ServerKind) {
  const client = {
    getJson: async (path: string) => {
      if (!(path in pages)) throw new Error('404');
      return pages[path];
    },
  };
  return loadedModels(client, kind, 1_000);
}

describe('what a server has in memory', () => {
  test.each<readonly [ServerKind, Readonly<Record<string, unknown>>, readonly string[], number]>([
    ['lmstudio', { '/api/v1/models': STUDIO }, ['a', 'a:2'], 1],
    ['lmstudio', { '/api/v1/models': { error: 'x' }, '/api/v0/models': OLD_STUDIO }, ['a'], 1],
    ['ollama', { '/api/ps': OLLAMA }, ['a:latest', 'a', 'b:7b'], 2],
    ['ollama', { '/api/ps': { models: [] } }, [], 0],
    ['llamacpp', { '/v1/models': ROUTER }, ['a'], 1],
  ])('is told by %s', async (kind, pages, names, count) => {
    expect(await asked(pages, kind)).toEqual({ names: new Set(names), count });
  });

  test.each<readonly [ServerKind, Readonly<Record<string, unknown>>]>([
    ['llamacpp', { '/v1/models': { data: [{ id: 'a' }] } }],
    ['lmstudio', {}],
    ['ollama', { '/api/ps': 'nonsense' }],
    ['vllm', { '/v1/models': ROUTER }],
    ['unknown', { '/v1/models': ROUTER }],
  ])('is not told by %s that says nothing of it', async (kind, pages) => {
    expect(await asked(pages, kind)).toBeUndefined();
  });
});

test('a model that is not said to be loaded is not', () => {
  expect(loadedOf([{ id: 'a' }, { id: 'b', loaded: false }])).toEqual({ names: new Set(), count: 0 });
});
