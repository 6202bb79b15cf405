import { describe, expect, test } from 'vitest';
import { isSameModel, nearestModels } from '../../../../src/main/models/names/nearest-models.ts';
import { systemClock } from '../../../../src/shared/clock.ts';

describe('the nearest models', () => {
  test('to an instance that is not loaded are the same model without or with another instance suffix, first', () => {
    const listed = [
      'google/gemma-3-4b',
      'microsoft/phi-4-mini-reasoning',
      'microsoft/phi-4:3',
      'microsoft/phi-4',
      'microsoft/phi-4:2',
    ];
    expect(nearestModels('microsoft/phi-4:5', listed)).toEqual([
      'microsoft/phi-4',
      'microsoft/phi-4:2',
      'microsoft/phi-4:3',
    ]);
  });

  test('to an instance begin with the one without a suffix, however its letters are written', () => {
    const listed = ['Microsoft/phi-4:2', 'microsoft/phi-4'];
    expect(nearestModels('microsoft/phi-4:5', listed)[0]).toBe('microsoft/phi-4');
  });

  test.each([
    ['microsoft/phi-4@q8_0', ['qwen/qwen3-4b', 'microsoft/phi-4@q4_k_m'], 'microsoft/phi-4@q4_k_m'],
    ['microsoft/phi-4@q4_k_m:2', ['qwen/qwen3-4b', 'microsoft/phi-4@q8_0:3'], 'microsoft/phi-4@q8_0:3'],
    ['Microsoft/Phi-4', ['qwen/qwen3-4b', 'microsoft/phi-4'], 'microsoft/phi-4'],
    ['llama3.2', ['qwen3:4b', 'llama3.2:latest'], 'llama3.2:latest'],
    [
      'microsoft/phi-4-mini-reasonin',
      ['qwen/qwen3-4b', 'microsoft/phi-4-mini-reasoning'],
      'microsoft/phi-4-mini-reasoning',
    ],
    ['lmstudio-community/phi-4', ['google/gemma-3-4b', 'microsoft/phi-4'], 'microsoft/phi-4'],
    ['phi-4', ['google/gemma-3-4b', 'microsoft/phi-4'], 'microsoft/phi-4'],
    ['mistral-nemo', ['/models/Mistral-Nemo.gguf', 'qwen3'], '/models/Mistral-Nemo.gguf'],
  ])('to %s in %j begin with %s', (wanted, listed, nearest) => {
    expect(nearestModels(wanted, listed)[0]).toBe(nearest);
  });

  test('are none where no name is near, or none is listed', () => {
    expect(nearestModels('microsoft/phi-4', ['text-embedding-nomic-embed-text-v1.5', 'whisper-large-v3'])).toEqual([]);
    expect(nearestModels('microsoft/phi-4', [])).toEqual([]);
  });

  test('are at most three, or as many as asked for, and in the order of their names where they are equally near', () => {
    const listed = ['phi-4:4', 'phi-4:3', 'phi-4:2', 'phi-4:1'];
    expect(nearestModels('phi-4:9', listed)).toEqual(['phi-4:1', 'phi-4:2', 'phi-4:3']);
    expect(nearestModels('phi-4:9', listed, 1)).toEqual(['phi-4:1']);
  });

  test('are the same whatever the order of the list', () => {
    const listed = ['phi-4-mini', 'phi-4', 'phi-3', 'phi-4:2', 'phi-3.5-mini', 'gemma-3-4b'];
    expect(nearestModels('phi-4:5', [...listed].reverse(), 9)).toEqual(nearestModels('phi-4:5', listed, 9));
  });

  test('are found in time in long lists of long ids', () => {
    const listed = Array.from({ length: 300 }, (_, i) => `publisher/${'long-name-'.repeat(12)}${i}`);
    expect(nearestModels(`${'long-name-'.repeat(12)}7`, listed)).toContain(`publisher/${'long-name-'.repeat(12)}7`);
  });
});

describe('the same model', () => {
  test.each([
    ['phi-4', 'phi-4:2', true],
    ['phi-4@q4_k_m', 'phi-4:2', true],
    ['PHI-4', 'phi-4', true],
    ['phi-4', 'phi-4-mini', false],
    ['microsoft/phi-4', 'phi-4', false],
  ])('%s and %s: %s', (a, b, same) => {
    expect(isSameModel(a, b)).toBe(same);
  });
});

test('a name of very many suffixes is compared in time', () => {
  const suffixes = ':a'.repeat(100_000);
  expect(isSameModel('phi', `phi${suffixes}`)).toBe(true);
  expect(isSameModel('phi', `phi${suffixes}!`)).toBe(false);
  expect(nearestModels(`phi${suffixes}!`, ['phi'])).toEqual(['phi']);
});

describe('a list that is anything', () => {
  const listed = (count: number, chars: number) =>
    Array.from({ length: count }, (_, i) => `${i}`.padStart(chars, 'abcdefghij'));

  test.each([
    ['many names', listed(10_000, 100), 'x'.repeat(100)],
    ['long names', listed(4_000, 1_024), 'x'.repeat(1_024)],
    ['names of suffixes', Array.from({ length: 4_000 }, () => ':a'.repeat(512)), `${':a'.repeat(511)}!!`],
  ])('%s is searched in little time', (_, list, wanted) => {
    const startedAtMs = systemClock.now();
    nearestModels(wanted, list);
    expect(list.some((id) => isSameModel(id, wanted))).toBe(false);
    // Tens of milliseconds; it was half a minute.
    expect(systemClock.now() - startedAtMs).toBeLessThan(2_000);
  });

  test('a name of the longest is compared by its letters, and one more by its beginning alone', () => {
    const [longest, more] = ['a'.repeat(127), 'a'.repeat(128)];
    expect(nearestModels(`x${longest}`, [`y${longest}`])).toEqual([`y${longest}`]);
    expect(nearestModels(`x${more}`, [`y${more}`])).toEqual([]);
    expect(nearestModels(`${more}x`, [more])).toEqual([more]);
  });
});
