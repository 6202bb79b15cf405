import { describe, expect, test } from 'vitest';
import { LabelPriors } from '../../../../src/main/plans/reads/label-priors.ts';
import { NOTHING_KNOWN } from '../../../../src/main/plans/reads/read-calibration.ts';
import { CALIBRATION_FORMAT } from '../../../../src/main/plans/reads/saved-calibration.ts';
import { forkRandom, randomNormal, seededRandom } from '../../../../src/shared/random.ts';
import { OptionOrder } from '../../../../src/shared/reads/option-order.ts';
import { indexOfBest, type Reading } from '../../../../src/shared/reads/reading.ts';

const ACTIONS = ['attack', 'block', 'dodge', 'heal', 'run'];
/** The model prefers the second label, whatever it stands for. */
const PREFERS = [0, 2, 0, 0, -1];
const NO_PREFERENCE = [0, 0, 0, 0, 0];

/** What a model says about a state: what it thinks of the actions, and how much it prefers their labels. */
function readingOf(
  state: number,
  preferences: readonly number[],
): { readonly own: number[]; readonly reading: Reading } {
  const random = forkRandom(state, 'state');
  random.next();
  const { offset = 0 } = new OptionOrder(ACTIONS, random.next(), 0);
  const own = ACTIONS.map((_, index) => (index === 0 ? 0.5 : 0) + randomNormal(random));
  const weights = own.map((logit, index) => {
    const place = (index - offset + ACTIONS.length) % ACTIONS.length;
    return Math.exp(logit + (preferences[place] as number));
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { own, reading: { role: 'scout', probabilities: weights.map((weight) => (0.9 * weight) / sum), offset } };
}

/** How often what is read after `learned` states is what the model thinks best. */
function agreement(
  preferences: readonly number[],
  learned: number,
): { readonly before: number; readonly after: number } {
  const priors = new LabelPriors();
  for (let state = 0; state < learned; state++)
    priors.without('model', String(state), [readingOf(state, preferences).reading]);
  let before = 0;
  let after = 0;
  for (let state = 1_000; state < 1_400; state++) {
    const { own, reading } = readingOf(state, preferences);
    const [freed] = priors.without('model', String(state), [reading]) as [Reading];
    if (indexOfBest(reading.probabilities) === indexOfBest(own)) before++;
    if (indexOfBest(freed.probabilities) === indexOfBest(own)) after++;
  }
  return { before: before / 400, after: after / 400 };
}

describe('the labels that a model prefers', () => {
  test('are learned from turned lists, and taken out', () => {
    const { before, after } = agreement(PREFERS, 60);
    expect(before).toBeLessThan(0.7);
    expect(after).toBeGreaterThan(0.9);
  });

  test('change nothing for a model that has none', () => {
    expect(agreement(NO_PREFERENCE, 8).after).toBeGreaterThan(0.9);
    expect(agreement(NO_PREFERENCE, 60).after).toBeGreaterThan(0.93);
  });

  test('are unknown from one list, however often it is read', () => {
    const priors = new LabelPriors();
    const { reading } = readingOf(1, PREFERS);
    for (let n = 0; n < 100; n++) expect(priors.without('model', 'the same', [reading])).toEqual([reading]);
  });

  test('belong to the model that was read', () => {
    const priors = new LabelPriors();
    for (let state = 0; state < 60; state++)
      priors.without('model', String(state), [readingOf(state, PREFERS).reading]);
    const { reading } = readingOf(99, PREFERS);
    expect(priors.without('another', 'x', [reading])).toEqual([reading]);
    expect(priors.without('model', 'x', [reading])).not.toEqual([reading]);
  });

  test('leave the doubt as it was', () => {
    const priors = new LabelPriors();
    for (let state = 0; state < 400; state++) {
      const [freed] = priors.without('model', String(state), [readingOf(state, PREFERS).reading]) as [Reading];
      expect(freed.probabilities.reduce((sum, each) => sum + each, 0)).toBeCloseTo(0.9, 9);
    }
  });
});

test('labels that a server does not report say nothing of what it prefers', () => {
  const priors = new LabelPriors();
  const last: Reading[] = [];
  for (let state = 0; state < 60; state++) {
    const { reading } = readingOf(state, NO_PREFERENCE);
    const probabilities = reading.probabilities.map((each) => (each < 0.1 ? 0 : each));
    const [freed] = priors.without('model', String(state), [{ ...reading, probabilities }]) as [Reading];
    last.push(freed);
  }
  for (const { probabilities } of last) expect(probabilities.every((each) => Number.isFinite(each))).toBe(true);
});

test('enough lists are known after 256 different ones', () => {
  const priors = new LabelPriors();
  const read = (state: number): unknown => priors.without('model', String(state), [readingOf(state, PREFERS).reading]);
  for (let state = 0; state < 255; state++) read(state);
  expect(priors.isKnown('model')).toBe(false);
  read(254);
  expect(priors.isKnown('model')).toBe(false);
  read(255);
  expect(priors.isKnown('model')).toBe(true);
});

test('a label that hardly any list had is not known to be preferred', () => {
  const priors = new LabelPriors();
  const read = (state: string, probabilities: number[], offset: number): Reading | undefined =>
    priors.without('model', state, [{ role: 'scout', probabilities, offset }])[0];
  const SURE = [0.9, 0.05, 0.05];
  for (let state = 0; state < 30; state++) read(String(state), SURE, state % 3);
  const long = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.92, 0.01];
  read('long', long, 0);
  const [next] = priors.without('model', 'next', [{ role: 'scout', probabilities: long, offset: 0 }]) as [Reading];
  expect(next.probabilities[7]).toBeGreaterThan(0.9);
});

test('a model without preferences is read as it is, however few actions and lists there are', () => {
  const random = seededRandom(1);
  for (const count of [2, 3, 5]) {
    let turned = 0;
    for (let model = 0; model < 100; model++) {
      const priors = new LabelPriors();
      for (let list = 0; list < 40; list++) {
        const weights = Array.from({ length: count }, () => Math.exp(randomNormal(random)));
        const probabilities = weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0));
        const reading = { role: 'scout', probabilities, offset: Math.floor(count * random.next()) };
        const [freed] = priors.without('at\nm\nsystemone\n1', String(list), [reading]) as [Reading];
        if (indexOfBest(freed.probabilities) !== indexOfBest(probabilities)) turned++;
      }
    }
    expect(turned / 4_000, `${count} actions`).toBeLessThan(0.01);
  }
});

describe('preferences that were found', () => {
  const KEY = 'at\nm\nsystemone\n1';
  const learn = (priors: LabelPriors, from: number, to: number, preferences = PREFERS): void => {
    for (let state = from; state < to; state++)
      priors.without(KEY, String(state), [readingOf(state, preferences).reading]);
  };

  test('are known again after a restart', () => {
    const before = new LabelPriors();
    learn(before, 0, 100);
    const saved = JSON.parse(JSON.stringify(before.saved('m')));
    expect(before.saved('other')).toEqual([]);
    expect(CALIBRATION_FORMAT.isValue({ ...NOTHING_KNOWN, labels: saved })).toBe(true);
    expect(CALIBRATION_FORMAT.isValue({ ...NOTHING_KNOWN, labels: [['x', { lists: 1 }]] })).toBe(false);
    expect(CALIBRATION_FORMAT.isValue(JSON.parse(JSON.stringify(NOTHING_KNOWN)))).toBe(true);
    const after = new LabelPriors();
    after.restore(saved);
    const { reading } = readingOf(1_000, PREFERS);
    const [[was], [is]] = [before, after].map((priors) => priors.without(KEY, 'new', [reading])) as [
      [Reading],
      [Reading],
    ];
    for (const [index, probability] of was.probabilities.entries())
      expect(is.probabilities[index]).toBeCloseTo(probability, 2);
    learn(after, 200, 250);
    expect(after.isKnown(KEY)).toBe(false);
  });

  test('make room for what is learned after a restart', () => {
    const before = new LabelPriors();
    learn(before, 0, 256);
    const after = new LabelPriors();
    after.restore(before.saved('m'));
    expect(after.isKnown(KEY)).toBe(true);
    learn(after, 300, 556, NO_PREFERENCE);
    const { reading } = readingOf(1_000, PREFERS);
    expect(after.without(KEY, 'new', [reading])).toEqual([reading]);
  });
});
