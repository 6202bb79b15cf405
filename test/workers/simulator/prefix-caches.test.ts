import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/shared/random.ts';
import { SimulatedMachine } from '../../../src/workers/simulator/machine.ts';
import { resolveSimulatorOptions, type SimulatorOptions } from '../../../src/workers/simulator/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Sends prompts in turn, and returns how many tokens of each were not read again. */
function cachedOf(
  prompts: readonly (readonly [model: string, text: string])[],
  options: SimulatorOptions = {},
): number[] {
  const clock = new FakeClock();
  const settings = resolveSimulatorOptions({ slots: 1, models: [{ id: 'a' }, { id: 'b' }], ...options });
  const machine = new SimulatedMachine(settings, clock);
  return prompts.map(([id, text]) => {
    let cached = -1;
    machine.submit({
      model: settings.models.find((model) => model.id === id) as never,
      prompt: { text, images: 0, imagesEnd: 0 },
      tokens: 1,
      random: seededRandom(1),
      listener: {
        onStart: () => {},
        onTokens: () => {},
        onDone: ({ cachedTokens }) => {
          cached = cachedTokens;
        },
      },
    });
    clock.runAll();
    return cached;
  });
}

const SHARED = 's'.repeat(400);

describe('what a server has read', () => {
  test('is kept for each model, whatever is asked of another', () => {
    const told = cachedOf([
      ['a', `${SHARED}1111`],
      ['b', `${SHARED}1111`],
      ['a', `${SHARED}2222`],
      ['b', `${SHARED}3333`],
    ]);
    expect(told).toEqual([0, 0, 100, 100]);
  });

  test('is lost with its model', () => {
    const told = cachedOf(
      [
        ['a', SHARED],
        ['b', SHARED],
        ['a', SHARED],
      ],
      { loadedModelsMax: 1 },
    );
    expect(told).toEqual([0, 0, 0]);
  });

  test('is saved when another prompt takes its slot, and restored', () => {
    const other = 'o'.repeat(400);
    expect(
      cachedOf(
        ['1', '2', '3'].flatMap(
          (end) =>
            [
              ['a', `${SHARED}${end}`],
              ['a', `${other}${end}`],
            ] as const,
        ),
      ),
    ).toEqual([0, 0, 100, 100, 100, 100]);
  });

  test('is not restored if little of it would be kept', () => {
    const [, , again] = cachedOf([
      ['a', `${'h'.repeat(80)}${SHARED}`],
      ['a', 'o'.repeat(400)],
      ['a', `${'h'.repeat(80)}${'t'.repeat(400)}`],
    ]);
    expect(again).toBe(0);
  });

  test('is in one slot, or in all', () => {
    const cold = [SHARED, `${SHARED}1111`, `${SHARED}2222`, `${SHARED}3333`];
    const clock = new FakeClock();
    for (const sharesPrefixes of [false, true]) {
      const settings = resolveSimulatorOptions({ slots: 4, models: [{ id: 'a' }], sharesPrefixes });
      const machine = new SimulatedMachine(settings, clock);
      const told: number[] = [];
      const send = (text: string): void => {
        const listener = {
          onStart() {},
          onTokens() {},
          onDone: (usage: { cachedTokens: number }) => void told.push(usage.cachedTokens),
        };
        const [model] = settings.models as [never];
        machine.submit({
          model,
          prompt: { text, images: 0, imagesEnd: 0 },
          tokens: 1,
          random: seededRandom(1),
          listener,
        });
      };
      send(cold[0] as string);
      clock.runAll();
      for (const text of cold.slice(1)) send(text);
      clock.runAll();
      expect(told.sort((a, b) => a - b)).toEqual(sharesPrefixes ? [0, 100, 100, 100] : [0, 0, 0, 100]);
    }
  });

  test('is shared by the slots of vLLM alone', () => {
    expect(resolveSimulatorOptions({ flavour: 'vllm' }).sharesPrefixes).toBe(true);
    expect(resolveSimulatorOptions({ flavour: 'llamacpp' }).sharesPrefixes).toBe(false);
  });
});
