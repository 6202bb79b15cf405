import { describe, expect, test } from 'vitest';
import { OTHER_SCENE, SCENES_MAX } from '../../../../src/main/cache/false-hits.ts';
import { AdaptiveTtl, type SceneTtl } from '../../../../src/main/cache/freshness/adaptive-ttl.ts';
import { type Random, seededRandom } from '../../../../src/shared/random.ts';

const INITIAL_MS = 60_000;
const BOUNDS = { initialMs: INITIAL_MS, minMs: 1_000, maxMs: 3_600_000 };
const SEEDS = [1, 2, 3, 4, 5];

/** How the models of a scene answer: noise at age 0, and what is left of their agreement at an age. */
interface World {
  readonly noise: number;
  /** The right answer changes with this half-life. */
  readonly lifeMs: number;
  /** How often an answer to another question happens to be the same. */
  readonly chance?: number;
}

const NEVER_AGES: World = { noise: 0.5, lifeMs: Number.POSITIVE_INFINITY };
const LIVES_30_S: World = { noise: 0.4, lifeMs: 30_000 };

/** Asks again as a cache does: answers of any age up to the TTL, and expired ones that came back. */
function check(ttl: AdaptiveTtl, random: Random, { noise, lifeMs, chance = 0 }: World, times: number): void {
  for (let i = 0; i < times; i++) {
    const ageMs = random.next() * 2 * ttl.ttlMs('combat');
    const isUnchanged = random.next() < 2 ** (-ageMs / lifeMs);
    const isSame = (isUnchanged || random.next() < chance) && random.next() >= noise;
    ttl.answerSeen('combat', ageMs, !isSame);
  }
}

function afterChecks(world: World, seed: number, times: number): AdaptiveTtl {
  const ttl = new AdaptiveTtl(BOUNDS);
  check(ttl, seededRandom(seed), world, times);
  return ttl;
}

function sceneOf(ttl: AdaptiveTtl, name = 'combat'): SceneTtl | undefined {
  return ttl.stats().find(({ scene }) => scene === name);
}

describe('AdaptiveTtl from answers', () => {
  test('starts with the initial TTL', () => {
    const ttl = new AdaptiveTtl(BOUNDS);
    expect(ttl.stats()).toEqual([]);
    expect(ttl.ttlMs('combat')).toBe(INITIAL_MS);
    expect(ttl.stats()).toEqual([
      {
        scene: 'combat',
        ttlMs: INITIAL_MS,
        stateLifeMs: null,
        answerLifeMs: null,
        checks: 0,
        why: 'little evidence yet: the initial TTL',
      },
    ]);
  });

  test.each([
    ['young and changed', 10, true],
    ['old and the same', 3_000_000, false],
  ])('keeps the initial TTL for 19 answers, however clear: %s', (_, ageMs, changed) => {
    const ttl = new AdaptiveTtl(BOUNDS);
    for (let i = 0; i < 19; i++) ttl.answerSeen('combat', ageMs, changed);
    expect(ttl.ttlMs('combat')).toBe(INITIAL_MS);
    ttl.answerSeen('combat', ageMs, changed);
    expect(ttl.ttlMs('combat')).not.toBe(INITIAL_MS);
  });

  test('moves step by step: 20 old answers that are the same do not reach the upper bound', () => {
    const ttl = new AdaptiveTtl(BOUNDS);
    for (let i = 0; i < 20; i++) ttl.answerSeen('combat', 2 * INITIAL_MS, false);
    expect(ttl.ttlMs('combat')).toBeGreaterThan(2 * INITIAL_MS);
    expect(ttl.ttlMs('combat')).toBeLessThan(BOUNDS.maxMs / 2);
  });

  test('stays near the initial TTL where answers of one age cannot tell noise from change', () => {
    const ttl = new AdaptiveTtl(BOUNDS);
    const random = seededRandom(3);
    for (let i = 0; i < 1_000; i++) ttl.answerSeen('combat', INITIAL_MS, random.next() < 0.8);
    expect(ttl.ttlMs('combat')).toBeGreaterThan(INITIAL_MS / 4);
    expect(ttl.ttlMs('combat')).toBeLessThan(INITIAL_MS * 4);
    expect(sceneOf(ttl)).toMatchObject({ answerLifeMs: null, why: 'little evidence yet: near the initial TTL' });
  });

  test.each(SEEDS)('goes to the upper bound where noisy answers never change (seed %i)', (seed) => {
    const ttl = afterChecks(NEVER_AGES, seed, 400);
    expect(sceneOf(ttl)).toMatchObject({
      ttlMs: BOUNDS.maxMs,
      answerLifeMs: null,
      checks: 400,
      why: 'answers do not age: the upper bound',
    });
  });

  test.each(SEEDS)('finds a half-life of 30 s under noise, within a factor of 2 (seed %i)', (seed) => {
    const ttl = afterChecks(LIVES_30_S, seed, 600);
    expect(ttl.ttlMs('combat')).toBeGreaterThan(15_000);
    expect(ttl.ttlMs('combat')).toBeLessThan(60_000);
    const scene = sceneOf(ttl);
    expect(scene?.answerLifeMs).toBe(scene?.ttlMs);
    expect(scene?.why).toBe(`answers change: half of them within ${Math.round(ttl.ttlMs('combat') / 1000)} s`);
  });

  test.each(SEEDS)('is not led astray by answers that agree by chance at any age (seed %i)', (seed) => {
    // Half of the agreement is lost at 30 s * log2((1 - 0.3) / (0.5 - 0.3)) = 54 s.
    const ttl = afterChecks({ ...LIVES_30_S, chance: 0.3 }, seed, 600);
    expect(ttl.ttlMs('combat')).toBeGreaterThan(54_000 / 2.5);
    expect(ttl.ttlMs('combat')).toBeLessThan(54_000 * 2.5);
  });

  test('is at the lower bound where answers change faster', () => {
    const ttl = afterChecks({ noise: 0.2, lifeMs: 100 }, 1, 1_000);
    expect(ttl.ttlMs('combat')).toBe(BOUNDS.minMs);
    expect(sceneOf(ttl)?.why).toMatch(/^answers change: half of them within 0\.\d+ s: the lower bound$/);
  });

  test.each(SEEDS)('follows a world that begins to change, and one that ceases to (seed %i)', (seed) => {
    const ttl = new AdaptiveTtl(BOUNDS);
    const random = seededRandom(seed);
    check(ttl, random, NEVER_AGES, 1_000);
    expect(ttl.ttlMs('combat')).toBe(BOUNDS.maxMs);
    check(ttl, random, LIVES_30_S, 1_500);
    expect(ttl.ttlMs('combat')).toBeLessThan(75_000);
    check(ttl, random, NEVER_AGES, 1_500);
    expect(ttl.ttlMs('combat')).toBe(BOUNDS.maxMs);
  });

  test('tells scenes apart, the most checked first', () => {
    const ttl = new AdaptiveTtl(BOUNDS);
    ttl.answerSeen('town', 1_000, false);
    check(ttl, seededRandom(1), LIVES_30_S, 100);
    expect(ttl.ttlMs('town')).toBe(INITIAL_MS);
    expect(ttl.stats().map(({ scene, checks }) => [scene, checks])).toEqual([
      ['combat', 100],
      ['town', 1],
    ]);
  });

  test('takes an age from before the clock went backwards for 0', () => {
    const [backwards, young] = [-50_000, 0].map((firstAgeMs) => {
      const ttl = new AdaptiveTtl(BOUNDS);
      for (let i = 0; i < 50; i++) ttl.answerSeen('combat', i % 2 === 0 ? firstAgeMs : 30_000, i % 4 === 1);
      return ttl.ttlMs('combat');
    });
    expect(backwards).toBe(young);
  });

  test('forgets a single answer that was the same against all odds', () => {
    const [plain, odd] = [false, true].map((isOdd) => {
      const ttl = new AdaptiveTtl(BOUNDS);
      if (isOdd) ttl.answerSeen('combat', Number.POSITIVE_INFINITY, false);
      const random = seededRandom(5);
      for (let i = 0; i < 3_000; i++) {
        const ageMs = random.next() * 120_000;
        ttl.answerSeen('combat', ageMs, random.next() >= 0.6 * 2 ** (-ageMs / 30_000));
      }
      return ttl.ttlMs('combat');
    });
    expect((odd as number) / (plain as number)).toBeCloseTo(1, 2);
  });
});

describe('AdaptiveTtl from states', () => {
  function withStates(dwellMs: number, times: number): AdaptiveTtl {
    const ttl = new AdaptiveTtl(BOUNDS);
    for (let i = 0; i < times; i++) ttl.stateSeen('combat', dwellMs);
    return ttl;
  }

  test('is at most 300 times as long as a state, once 20 were seen', () => {
    expect(withStates(100, 19).ttlMs('combat')).toBe(INITIAL_MS);
    const ttl = withStates(100, 20);
    expect(ttl.ttlMs('combat')).toBeCloseTo(30_000, 6);
    expect(sceneOf(ttl)).toMatchObject({ answerLifeMs: null, checks: 0, why: 'states change every 0.1 s' });
    expect(sceneOf(ttl)?.stateLifeMs).toBeCloseTo(100, 6);
  });

  test('does not grow because states are slow', () => {
    const ttl = withStates(40_000, 20);
    expect(ttl.ttlMs('combat')).toBe(INITIAL_MS);
    expect(sceneOf(ttl)).toMatchObject({ stateLifeMs: 40_000, why: 'little evidence yet: the initial TTL' });
  });

  test('holds where answers do not age, and keeps the lower bound', () => {
    const ttl = afterChecks(NEVER_AGES, 1, 400);
    for (let i = 0; i < 20; i++) ttl.stateSeen('combat', 300);
    expect(ttl.ttlMs('combat')).toBeCloseTo(90_000, 6);
    expect(sceneOf(ttl)?.why).toBe('states change every 0.3 s');
    expect(withStates(1, 20).ttlMs('combat')).toBe(BOUNDS.minMs);
  });

  test('follows states that become faster, and takes a night away for one long state', () => {
    const ttl = withStates(10_000, 1_000);
    for (let i = 0; i < 3_000; i++) ttl.stateSeen('combat', 50);
    expect(sceneOf(ttl)?.stateLifeMs).toBeCloseTo(50, 0);
    ttl.stateSeen('combat', 12 * 3_600_000);
    expect(sceneOf(ttl)?.stateLifeMs).toBeLessThan(50 + BOUNDS.maxMs / 200);
  });
});

describe('AdaptiveTtl and its bounds', () => {
  test('keeps scenes after the last name together', () => {
    const ttl = new AdaptiveTtl(BOUNDS);
    for (let i = 0; i < SCENES_MAX; i++) ttl.answerSeen(`scene ${i}`, 1_000, false);
    for (let i = 0; i < 20; i++) ttl.stateSeen(`late ${i}`, 100);
    expect(ttl.stats()).toHaveLength(SCENES_MAX + 1);
    expect(sceneOf(ttl, OTHER_SCENE)?.ttlMs).toBeCloseTo(30_000, 6);
    expect(ttl.ttlMs('never seen')).toBeCloseTo(30_000, 6);
  });

  test('has one TTL where the bounds leave no choice', () => {
    const ttl = new AdaptiveTtl({ initialMs: 5_000, minMs: 5_000, maxMs: 5_000 });
    check(ttl, seededRandom(1), LIVES_30_S, 200);
    expect(ttl.ttlMs('combat')).toBe(5_000);
  });

  test.each([
    { initialMs: 10, minMs: 20, maxMs: 30 },
    { initialMs: 40, minMs: 20, maxMs: 30 },
    { initialMs: 20, minMs: 0, maxMs: 30 },
    { initialMs: 20, minMs: 10, maxMs: Number.POSITIVE_INFINITY },
  ])('refuses bounds that are out of order: %o', (options) => {
    expect(() => new AdaptiveTtl(options)).toThrow('0 < minMs <= initialMs <= maxMs');
  });
});
