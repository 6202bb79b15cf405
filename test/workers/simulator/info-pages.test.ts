import { describe, expect, test } from 'vitest';
import { type InfoSource, infoPage } from '../../../src/workers/simulator/info-pages.ts';
import { resolveSimulatorOptions, type ServerFlavour } from '../../../src/workers/simulator/options.ts';

const PATHS = ['/v1/models', '/health', '/props', '/slots', '/api/v1/models', '/api/v0/models', '/api/tags', '/api/ps'];

function source(flavour: ServerFlavour, busySlots = 0): InfoSource {
  const models = [
    { id: 'one', vision: true, contextTokens: 2_048 },
    { id: 'two', contextTokens: 4_096 },
  ];
  return {
    options: resolveSimulatorOptions({ flavour, models, slots: 3 }),
    busySlots,
    isLoaded: (id) => id === 'two',
  };
}

describe('the pages of a simulated server', () => {
  test.each<readonly [ServerFlavour, readonly string[]]>([
    ['llamacpp', ['/v1/models', '/health', '/props', '/slots']],
    ['lmstudio', ['/v1/models', '/api/v1/models', '/api/v0/models']],
    ['ollama', ['/v1/models', '/api/tags', '/api/ps']],
  ])('as %s are %j and no others', (flavour, paths) => {
    expect(PATHS.filter((path) => infoPage(path, source(flavour)) !== undefined)).toEqual(paths);
  });

  test('of llama.cpp tell its one model, its slots, and how many of them are at work', () => {
    expect(infoPage('/props', source('llamacpp'))).toMatchObject({
      total_slots: 3,
      model_path: 'one',
      modalities: { vision: true },
      default_generation_settings: { n_ctx: 2_048 },
    });
    const slots = infoPage('/slots', source('llamacpp', 2)) as { id: number; is_processing: boolean }[];
    expect(slots.map(({ id, is_processing }) => [id, is_processing])).toEqual([
      [0, true],
      [1, true],
      [2, false],
    ]);
  });

  test('of LM Studio tell what is loaded, and that it shares the slots of the machine', () => {
    expect(infoPage('/api/v1/models', source('lmstudio'))).toMatchObject({
      models: [
        { key: 'one', loaded_instances: [], capabilities: { vision: true } },
        { key: 'two', loaded_instances: [{ id: 'two', config: { parallel: 3, context_length: 4_096 } }] },
      ],
    });
    expect(infoPage('/api/v0/models', source('lmstudio'))).toMatchObject({
      data: [
        { id: 'one', type: 'vlm', state: 'not-loaded', max_context_length: 2_048 },
        { id: 'two', type: 'llm', state: 'loaded' },
      ],
    });
  });

  test('of Ollama tell all models, and those in memory', () => {
    expect(infoPage('/api/tags', source('ollama'))).toMatchObject({
      models: [
        { name: 'one', capabilities: ['completion', 'vision'] },
        { name: 'two', context_length: 4_096 },
      ],
    });
    expect(infoPage('/api/ps', source('ollama'))).toMatchObject({ models: [{ name: 'two' }] });
  });
});
