import { describe, expect, test } from 'vitest';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { forkRandom } from '../../../../src/shared/random.ts';
import { renderSituation, situationOf } from '../../../../src/shared/situation.ts';
import { formOpinion } from '../../../../src/workers/simulator/opinion.ts';
import { type PromptReading, readPrompt } from '../../../../src/workers/simulator/prompt-reader.ts';
import { labelMass, readDistribution } from '../../../../src/workers/simulator/reads/distribution.ts';

const ACTIONS = ['attack', 'block', 'retreat', 'drink_potion', 'loot_chest', 'wait'];
const STATES = 600;

function readingOf(n: number): PromptReading {
  const random = forkRandom(n, 'state');
  const observation = {
    scene: random.next() < 0.5 ? 'combat' : 'outdoor_city',
    health: Math.floor(random.next() * 100),
    inCombat: random.next() < 0.5,
    enemiesNearby: Math.floor(random.next() * 5),
  };
  const qValues = Object.fromEntries(ACTIONS.map((action) => [action, random.next()]));
  return readPrompt(
    renderSituation(skyrim, situationOf({ agent: 'lydia', observation, actions: ACTIONS, qValues }, 40)),
  );
}

/** It has no bias. */
const MODEL = { id: 'm', labelBias: 0 };

function best(probabilities: readonly number[]): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

/** How often the same is read as written, and how often two who write say the same. */
function agreement(readSkill: number, hastySkill = 0.8): { readonly read: number; readonly written: number } {
  let read = 0;
  let written = 0;
  for (let n = 0; n < STATES; n++) {
    const reading = readingOf(n);
    const write = (name: string): number | undefined => formOpinion(reading, hastySkill, forkRandom(n, name))?.index;
    const one = write('one');
    if (one === best(readDistribution(reading, { ...MODEL, hastySkill, readSkill }, forkRandom(n, 'read')))) read++;
    if (one === write('another')) written++;
  }
  return { read: read / STATES, written: written / STATES };
}

describe('what a model reads', () => {
  test('is a probability for each action, the same for the same luck', () => {
    const reading = readingOf(1);
    const read = (seed: number): number[] =>
      readDistribution(reading, { ...MODEL, hastySkill: 0.75, readSkill: 1 }, forkRandom(seed, 'read'));
    expect(read(1)).toHaveLength(ACTIONS.length);
    expect(read(1).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
    expect(read(1).every((p) => p > 0)).toBe(true);
    expect(read(1)).toEqual(read(1));
    expect(read(2)).not.toEqual(read(1));
  });

  test('is as good as what it writes, and no better', () => {
    const { read, written } = agreement(1);
    expect(Math.abs(read - written)).toBeLessThan(0.05);
  });

  test('is worse with less skill, and noise without any', () => {
    const [half, none] = [agreement(0.5), agreement(0)];
    expect(half.read).toBeLessThan(agreement(1).read - 0.1);
    expect(none.read).toBeLessThan(half.read - 0.05);
    expect(Math.abs(none.read - 1 / ACTIONS.length)).toBeLessThan(0.06);
  });

  test('is right more often where it is surer', () => {
    const sure = { n: 0, right: 0 };
    const unsure = { n: 0, right: 0 };
    for (let n = 0; n < STATES; n++) {
      const reading = readingOf(n);
      const probabilities = readDistribution(
        reading,
        { ...MODEL, hastySkill: 0.8, readSkill: 1 },
        forkRandom(n, 'read'),
      );
      const group = Math.max(...probabilities) > 0.7 ? sure : unsure;
      group.n++;
      if (best(probabilities) === formOpinion(reading, 0.8, forkRandom(n, 'written'))?.index) group.right++;
    }
    expect(Math.min(sure.n, unsure.n)).toBeGreaterThan(STATES / 10);
    expect(sure.right / sure.n).toBeGreaterThan(unsure.right / unsure.n + 0.2);
  });

  test('of a model that never errs is sure of the best', () => {
    const reading = readingOf(3);
    const probabilities = readDistribution(reading, { ...MODEL, hastySkill: 1, readSkill: 1 }, forkRandom(1, 'read'));
    expect(best(probabilities)).toBe(formOpinion(reading, 1, forkRandom(1, 'written'))?.index);
    expect(Math.max(...probabilities)).toBeGreaterThan(0.5);
  });
});

test('the labels have most of the probability, but for what a model says that is no choice', () => {
  const masses = (rate: number): number[] =>
    Array.from({ length: 500 }, (_, n) => labelMass(rate, forkRandom(n, 'mass')));
  expect(Math.min(...masses(0))).toBeGreaterThanOrEqual(0.9);
  expect(Math.max(...masses(1))).toBeLessThan(0.5);
  expect(masses(0.3).filter((mass) => mass < 0.5).length / 500).toBeCloseTo(0.3, 1);
});

test('a model with a bias prefers some labels in every prompt, and another model prefers others', () => {
  const ids = { nemo: 'mistralai/mistral-nemo-instruct-2407', phi: 'microsoft/phi-4-mini-reasoning' };
  const choices = (name: keyof typeof ids, labelBias: number): number[] => {
    const counts = ACTIONS.map(() => 0);
    for (let n = 0; n < STATES; n++) {
      const read = readDistribution(
        readingOf(n),
        { id: ids[name], labelBias, hastySkill: 0.8, readSkill: 1 },
        forkRandom(n, 'read'),
      );
      const place = best(read);
      counts[place] = (counts[place] as number) + 1;
    }
    return counts;
  };
  const [none, some] = [choices('nemo', 0), choices('nemo', 10)];
  expect(Math.max(...some)).toBeGreaterThan(Math.max(...none));
  expect(Math.max(...some)).toBeGreaterThan(0.6 * STATES);
  expect(choices('nemo', 0)).toEqual(choices('phi', 0));
  expect(best(choices('phi', 10))).not.toBe(best(some));
});
