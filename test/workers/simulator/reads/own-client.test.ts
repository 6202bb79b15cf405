import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/shared/clock.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { ModelClient } from '../../../../src/shared/model-client/model-client.ts';
import type { ReadForm, ReadOutcome } from '../../../../src/shared/reads/reading.ts';
import { renderSituation, renderSystem, situationOf } from '../../../../src/shared/situation.ts';
import { NO_RATES, type ServerFlavour, type SimulatorOptions } from '../../../../src/workers/simulator/options.ts';
import { type SimulatorHandle, startSimulator } from '../../../../src/workers/simulator/start.ts';

const FORMS: readonly ReadForm[] = ['decisions', 'systemone', 'logprobs'];
const ACTIONS = ['attack', 'block', 'retreat', 'drink_potion'];
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function simulate(options: SimulatorOptions): Promise<SimulatorHandle> {
  const simulator = await startSimulator({
    speed: 2_000,
    rates: NO_RATES,
    models: [{ id: 'one', skill: 1 }],
    ...options,
  });
  cleanups.push(() => simulator.close());
  return simulator;
}

function read(simulator: SimulatorHandle, form: ReadForm, actions: readonly string[] = ACTIONS): Promise<ReadOutcome> {
  const client = new ModelClient({ name: 'sim', baseURL: simulator.baseURL }, systemClock, 8);
  cleanups.push(() => client.close());
  const observation = { scene: 'combat', health: 20, inCombat: true };
  const situation = situationOf({ agent: 'lydia', observation, actions }, 40);
  return client.read({
    form,
    model: 'one',
    system: renderSystem(skyrim),
    state: renderSituation(skyrim, situation, form === 'logprobs' ? 'label' : 'none'),
    roles: skyrim.roles.slice(2, form === 'logprobs' ? 3 : 4).map(({ name }) => name),
    actions,
    timeoutMs: 10_000,
    alternativesMax: 20,
    thinkingSwitch: 'template',
  });
}

/** Its best action, or the code of its failure. */
function end(outcome: ReadOutcome): string | undefined {
  if (!outcome.ok) return outcome.failure.code;
  const probabilities = outcome.readings[0]?.probabilities ?? [];
  return ACTIONS[probabilities.indexOf(Math.max(...probabilities))];
}

describe("the planner's client", () => {
  test('reads the same action in all forms, for each role that it asks', async () => {
    const simulator = await simulate({ flavour: 'vllm' });
    const outcomes = await Promise.all(FORMS.map((form) => read(simulator, form)));
    expect(new Set(outcomes.map(end))).toEqual(new Set(['drink_potion']));
    const readings = outcomes.map((outcome) => (outcome.ok ? outcome.readings : []));
    expect(readings.map((list) => list.length)).toEqual([2, 2, 1]);
    for (const { probabilities } of readings.flat()) {
      const sum = probabilities.reduce((total, p) => total + p, 0);
      expect(sum).toBeGreaterThan(0.85);
      expect(sum).toBeLessThan(1.01);
    }
  });

  test('reads letters where there are more actions than digits', async () => {
    const simulator = await simulate({ flavour: 'llamacpp' });
    const many = [...ACTIONS, ...Array.from({ length: 12 }, (_, index) => `look_${index}`)];
    expect(end(await read(simulator, 'logprobs', many))).toBe('drink_potion');
  });

  test.each<readonly [ServerFlavour, ReadForm]>([
    ['lmstudio', 'systemone'],
    ['lmstudio', 'decisions'],
    ['llamacpp', 'systemone'],
    ['llamacpp', 'decisions'],
    ['ollama', 'decisions'],
  ])('learns that %s has no %s', async (flavour, form) => {
    expect(end(await read(await simulate({ flavour }), form))).toBe('ERR_METHOD_UNKNOWN');
  });

  test('learns that LM Studio tells no log probabilities, and Ollama has no decision model', async () => {
    expect(end(await read(await simulate({ flavour: 'lmstudio' }), 'logprobs'))).toBe('ERR_MODEL_MALFORMED');
    expect(end(await read(await simulate({ flavour: 'ollama' }), 'systemone'))).toMatch(/^ERR_MODEL_/);
  });

  test('tells what the server had read before', async () => {
    const simulator = await simulate({ flavour: 'vllm', slots: 1 });
    await read(simulator, 'decisions');
    const { report } = await read(simulator, 'decisions');
    expect(report.cachedTokens).toBe((report.promptTokens ?? 0) - 1);
  });
});
