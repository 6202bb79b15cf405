import { describe, expect, test } from 'vitest';
import { type ExperienceGuess, Foreseer } from '../../../src/main/foresight/foreseer.ts';
import { defineDomain, type Observation } from '../../../src/shared/domain.ts';
import { SIGNATURE_WORDS, Signer, signatureText } from '../../../src/shared/signature.ts';
import { cellar, duel, noise, type Stream } from '../../support/foresight-streams.ts';

/** Tells a foreseer a whole stream, and returns the guesses after each decision. */
function guessesOf(
  { domain, steps }: Stream,
  foreseer = new Foreseer(domain),
): readonly (readonly ExperienceGuess[])[] {
  return steps.map(({ agent, observation, actions, chosen, t }) => {
    foreseer.asked(agent, observation, actions, 1_000 * t);
    foreseer.decided(agent, chosen, 1_000 * t);
    return foreseer.guesses(agent);
  });
}

interface Shares {
  readonly first: number;
  readonly three: number;
  readonly newThree: number;
}

/** Shares of the second half of a stream that were foreseen: of all requests, and of those never seen before. */
function foreseen(stream: Stream): Shares {
  const guesses = guessesOf(stream);
  const signer = new Signer(stream.domain);
  const keyOf = (observation: Observation, actions: readonly string[]): string =>
    signatureText(signer.sign(observation, actions, new Int32Array(SIGNATURE_WORDS)));
  const seen = new Set<string>();
  const last = new Map<string, readonly string[]>();
  const count = { all: 0, first: 0, three: 0, unseen: 0, newThree: 0 };
  for (const [index, { agent, observation, actions }] of stream.steps.entries()) {
    const key = keyOf(observation, actions);
    const guessed = last.get(agent) ?? [];
    if (index > stream.steps.length / 2) {
      const isNew = !seen.has(key);
      count.all++;
      count.first += guessed[0] === key ? 1 : 0;
      count.three += guessed.includes(key) ? 1 : 0;
      count.unseen += isNew ? 1 : 0;
      count.newThree += isNew && guessed.includes(key) ? 1 : 0;
    }
    seen.add(key);
    last.set(agent, guesses[index]?.map((guess) => keyOf(guess.observation, guess.actions)) ?? []);
  }
  return { first: count.first / count.all, three: count.three / count.all, newThree: count.newThree / count.unseen };
}

describe('foresees most of what follows from the actions', () => {
  test('flags, phases and the actions that they allow, in turns', () => {
    const { first, three, newThree } = foreseen(duel(500));
    expect(first).toBeGreaterThan(0.75);
    expect(three).toBeGreaterThan(0.9);
    expect(newThree).toBeGreaterThan(0.75);
  });

  test('numbers that drift, each agent at its own pace', () => {
    const { first, three, newThree } = foreseen(cellar(500));
    expect(first).toBeGreaterThan(0.7);
    expect(three).toBeGreaterThan(0.88);
    expect(newThree).toBeGreaterThan(0.85);
  });
});

test('guesses nothing in noise', () => {
  const guesses = guessesOf(noise(300)).slice(100).flat();
  expect(guesses.length).toBeLessThan(10);
});

test('equal streams have equal guesses', () => {
  expect(guessesOf(duel(100, 3))).toEqual(guessesOf(duel(100, 3)));
});

test('guesses depend on nothing that comes later', () => {
  const long = duel(100, 4);
  expect(guessesOf({ ...long, steps: long.steps.slice(0, 60) })).toEqual(guessesOf(long).slice(0, 60));
});

test('gives at most three guesses, likeliest first, with their likelihood below one in all', () => {
  for (const guesses of guessesOf(cellar(100))) {
    const likelihoods = guesses.map(({ likelihood }) => likelihood);
    expect(guesses.length).toBeLessThanOrEqual(3);
    expect(likelihoods).toEqual(likelihoods.toSorted((a, b) => b - a));
    expect(likelihoods.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(1);
  }
});

test('likelihoods are honest: guesses that claim three quarters come true about as often', () => {
  const stream = duel(500, 5);
  const guesses = guessesOf(stream);
  const sure = guesses.slice(200, -1).flatMap(([best], index) => {
    const next = stream.steps[201 + index];
    return best !== undefined && best.likelihood >= 0.75 ? [best.observation.phase === next?.observation.phase] : [];
  });
  expect(sure.length).toBeGreaterThan(100);
  expect(sure.filter(Boolean).length / sure.length).toBeGreaterThan(0.75);
});

const hall = defineDomain({
  name: 'hall',
  features: {
    scene: { kind: 'category' },
    power: { kind: 'number', edges: [10, 20, 30, 40, 50, 60, 70, 80, 90], range: [0, 100], optional: true },
    seen: { kind: 'set', optional: true },
    notes: { kind: 'text', optional: true },
    view: { kind: 'image', optional: true },
  },
});

/** An agent that does the same again and again, in the observations that `at` returns. */
function repeated(at: (index: number) => Observation, count: number, actions = ['go', 'stay']): Foreseer {
  const foreseer = new Foreseer(hall);
  for (let index = 0; index < count; index++) {
    foreseer.asked('a', at(index), actions, 2_000 * index);
    foreseer.decided('a', 'go', 2_000 * index);
  }
  return foreseer;
}

test('a number goes on at its pace, stays in its range, and is kept where it is missing', () => {
  const fading = repeated((index) => ({ scene: 'hall', power: 90 - 4 * index }), 12);
  expect(fading.guesses('a')[0]?.observation.power).toBeCloseTo(42);
  const full = repeated((index) => ({ scene: 'hall', power: Math.min(98, 10 * index) }), 11);
  expect(full.guesses('a').every(({ observation }) => (observation.power as number) <= 100)).toBe(true);
  expect(repeated(() => ({ scene: 'hall' }), 8).guesses('a')[0]?.observation).toEqual({ scene: 'hall' });
});

test('a set, a category and a number that comes and goes become what they became', () => {
  const light = { scene: 'day', power: 50, seen: ['sun'] };
  const foreseer = repeated((index) => (index % 2 === 0 ? light : { scene: 'night' }), 9);
  expect(foreseer.guesses('a')[0]?.observation).toEqual({ scene: 'night' });
  foreseer.asked('a', { scene: 'night' }, ['go', 'stay'], 18_000);
  foreseer.decided('a', 'go', 18_000);
  expect(foreseer.guesses('a')[0]?.observation).toEqual(light);
});

test('pictures are never part of a guess, and other text is that of the present', () => {
  const view = 'data:image/png;base64,AAAA';
  const foreseer = repeated((index) => ({ scene: 'hall', notes: `day ${index}`, view }), 8);
  expect(foreseer.guesses('a')[0]?.observation).toEqual({ scene: 'hall', notes: 'day 7' });
});

test('a guess says when its state usually comes', () => {
  const foreseer = repeated(() => ({ scene: 'hall' }), 8);
  const [guess] = foreseer.guesses('a');
  expect(guess).toMatchObject({ source: 'experience', horizon: 1, actions: ['go', 'stay'] });
  expect((guess?.inMs as number) / 2_000).toBeCloseTo(1, 1);
  expect(repeated(() => ({ scene: 'hall' }), 3).guesses('a')[0]?.inMs).toBeUndefined();
});

test('what one agent lived through is foreseen for another', () => {
  const foreseer = repeated((index) => ({ scene: index % 2 === 0 ? 'day' : 'night' }), 12);
  foreseer.asked('b', { scene: 'day' }, ['go', 'stay'], 0);
  foreseer.decided('b', 'go', 0);
  expect(foreseer.guesses('b')[0]?.observation.scene).toBe('night');
});

test('nothing is guessed before a decision, after the next request, for a forgotten agent or for an unknown horizon', () => {
  const foreseer = repeated(() => ({ scene: 'hall' }), 8);
  expect(foreseer.guesses('a', 2)).toEqual([]);
  expect(foreseer.guesses('nobody')).toEqual([]);
  foreseer.asked('a', { scene: 'hall' }, ['go', 'stay'], 16_000);
  expect(foreseer.guesses('a')).toEqual([]);
  foreseer.decided('a', 'go', 16_000);
  expect(foreseer.guesses('a')).toHaveLength(1);
  foreseer.forget('a');
  expect(foreseer.guesses('a')).toEqual([]);
});

test('a request that was never decided teaches nothing about what follows it', () => {
  const foreseer = new Foreseer(hall);
  for (let index = 0; index < 8; index++) {
    foreseer.asked('a', { scene: index % 2 === 0 ? 'day' : 'night' }, ['go', 'stay'], index);
  }
  foreseer.decided('a', 'go', 8);
  expect(foreseer.guesses('a')).toEqual([]);
});

test('further horizons are learned on their own', () => {
  const scenes = ['dawn', 'day', 'dusk', 'night'];
  const foreseer = new Foreseer(hall, { horizons: [1, 2] });
  for (let index = 0; index < 20; index++) {
    foreseer.asked('a', { scene: scenes[index % 4] }, ['go', 'stay'], 1_000 * index);
    foreseer.decided('a', 'go', 1_000 * index);
  }
  expect(foreseer.guesses('a', 1)[0]).toMatchObject({ horizon: 1, observation: { scene: 'dawn' } });
  expect(foreseer.guesses('a', 2)[0]).toMatchObject({ horizon: 2, observation: { scene: 'day' } });
});

test('follows only so many agents, and no request that is very large', () => {
  const foreseer = new Foreseer(hall, { agentsMax: 2 });
  for (const agent of ['a', 'a', 'b', 'c']) {
    foreseer.asked(agent, { scene: 'hall' }, ['go', 'stay'], 0);
    foreseer.decided(agent, 'go', 0);
  }
  expect(['a', 'b', 'c'].map((agent) => foreseer.guesses(agent).length)).toEqual([0, 1, 1]);
  const large = repeated(() => ({ scene: 'hall', notes: 'x'.repeat(20_000) }), 8);
  const many = Array.from({ length: 1_001 }, (_, index) => `a${index}`);
  expect(large.guesses('a')).toEqual([]);
  expect(repeated(() => ({ scene: 'hall' }), 8, ['go', ...many]).guesses('a')).toEqual([]);
});
