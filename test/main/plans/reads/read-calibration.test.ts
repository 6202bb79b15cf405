import { describe, expect, test } from 'vitest';
import { COMPARED_MIN, ReadCalibration } from '../../../../src/main/plans/reads/read-calibration.ts';
import { type Random, seededRandom } from '../../../../src/shared/random.ts';

/** Reads of a model that says `p` and is right with `truth(p)`, which nothing tells it. */
function learn(
  truth: (probability: number) => number,
  count: number,
  {
    seed = 1,
    scene = '',
    calibration = new ReadCalibration(),
  }: { seed?: number; scene?: string; calibration?: ReadCalibration } = {},
): ReadCalibration {
  const random: Random = seededRandom(seed);
  for (let i = 0; i < count; i++) {
    const probability = random.next();
    calibration.heard('m', scene, probability, random.next() < truth(probability));
  }
  return calibration;
}

const GRID = Array.from({ length: 101 }, (_, index) => index / 100);

function curveOf(calibration: ReadCalibration, scene = ''): number[] {
  return GRID.map((probability) => calibration.chanceOf('m', scene, probability) as number);
}

describe('what a read is worth', () => {
  test('is unknown before there are enough comparisons', () => {
    const calibration = learn(() => 1, COMPARED_MIN - 1);
    expect(calibration.chanceOf('m', '', 0.9)).toBeUndefined();
    expect(calibration.stats()[0]).toMatchObject({ compared: COMPARED_MIN - 1, error: undefined, brier: undefined });
    learn(() => 1, 1, { calibration, seed: 2 });
    expect(calibration.chanceOf('m', '', 0.9)).toBeGreaterThan(0.8);
    expect(calibration.chanceOf('other', '', 0.9)).toBeUndefined();
  });

  test.each<[string, (p: number) => number]>([
    ['honest', (p) => p],
    ['too sure', (p) => 0.2 + 0.5 * p],
    ['too modest', (p) => Math.min(1, 0.5 + p)],
    ['a step', (p) => (p < 0.7 ? 0.3 : 0.9)],
  ])('is found for a model that is %s', (_, truth) => {
    for (const seed of [1, 2, 3]) {
      const calibration = learn(truth, 2_000, { seed });
      const off = GRID.slice(5, 96).map((p) => Math.abs((calibration.chanceOf('m', '', p) as number) - truth(p)));
      expect(off.reduce((sum, each) => sum + each, 0) / off.length).toBeLessThan(0.09);
    }
  });

  test.each<[string, (p: number) => number]>([
    ['honest', (p) => p],
    ['too sure', (p) => 0.2 + 0.5 * p],
    ['a step', (p) => (p < 0.7 ? 0.3 : 0.9)],
  ])(
    'is told with an error of at most .05 after 500 comparisons, and better than the mean, of one that is %s',
    (_, truth) => {
      const errors = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
        const [stats] = learn(truth, 500, { seed }).stats();
        expect(stats?.brier).toBeLessThan(stats?.brierOfMean as number);
        return stats?.error as number;
      });
      // Of one stream, chance alone makes a little more now and then.
      expect(Math.max(...errors)).toBeLessThan(0.08);
      expect(errors.reduce((sum, each) => sum + each, 0) / errors.length).toBeLessThanOrEqual(0.05);
    },
  );

  test('without skill is the mean, whatever the model says', () => {
    for (const seed of [1, 2, 3]) {
      const calibration = learn(() => 0.4, 1_000, { seed });
      for (const chance of curveOf(calibration)) expect(Math.abs(chance - 0.4)).toBeLessThan(0.2);
      const [stats] = calibration.stats();
      expect(stats?.error).toBeLessThan(0.08);
      expect(stats?.brier).toBeLessThan((stats?.brierOfMean as number) * 1.05);
      expect(calibration.isAnySure('m', 0.8)).toBe(false);
    }
  });

  test('that falls as the model is surer is flat, never a falling curve', () => {
    const calibration = learn((p) => 0.9 - 0.8 * p, 1_000);
    const curve = curveOf(calibration);
    expect((curve.at(-1) as number) - (curve[0] as number)).toBeLessThan(0.1);
  });

  test('never falls and stays within 0 and 1, whatever came', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const calibration = new ReadCalibration();
      for (let i = 0; i < 120; i++) {
        calibration.heard('m', random.next() < 0.5 ? 'a' : 'b', random.next(), random.next() < 0.5);
      }
      for (const scene of ['a', 'b', 'never seen']) {
        const curve = curveOf(calibration, scene);
        for (const [index, chance] of curve.entries()) {
          expect(chance).toBeGreaterThanOrEqual(index === 0 ? 0 : (curve[index - 1] as number) - 1e-12);
          expect(chance).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  test('is that of the scene where scenes differ, and of all where one is new', () => {
    const calibration = new ReadCalibration();
    for (let round = 0; round < 100; round++) {
      learn(() => 0.9, 2, { calibration, scene: 'calm', seed: round + 1 });
      learn(() => 0.3, 2, { calibration, scene: 'combat', seed: round + 1_000 });
    }
    expect(calibration.chanceOf('m', 'calm', 0.8)).toBeGreaterThan(0.75);
    expect(calibration.chanceOf('m', 'combat', 0.8)).toBeLessThan(0.5);
    const fresh = calibration.chanceOf('m', 'dungeon', 0.8) as number;
    expect(fresh).toBeGreaterThan(0.4);
    expect(fresh).toBeLessThan(0.85);
  });

  test('follows a model that became worse', () => {
    const calibration = learn(() => 0.95, 1_000);
    expect(calibration.chanceOf('m', '', 0.9)).toBeGreaterThan(0.9);
    learn(() => 0.2, 1_500, { calibration, seed: 2 });
    expect(calibration.chanceOf('m', '', 0.9)).toBeLessThan(0.4);
  });

  test('takes probabilities at and beyond their bounds', () => {
    const calibration = learn(() => 1, 100);
    for (const probability of [0, 1, 1.000_001, -1e-9]) {
      expect(calibration.chanceOf('m', '', probability)).toBeGreaterThan(0.5);
    }
  });

  test('is bounded in models and scenes', () => {
    const calibration = new ReadCalibration();
    for (let i = 0; i < 600; i++) calibration.heard(`m${i}`, '', 0.5, true);
    for (let i = 0; i < 600; i++) calibration.heard('m', `scene ${i}`, 0.5, true);
    expect(calibration.stats().length).toBeLessThanOrEqual(256);
    expect(calibration.comparedOf('m')).toBe(600);
  });
});

describe('the curve that is told', () => {
  test('counts every comparison once, in bins that were seen', () => {
    const [stats] = learn((p) => p, 400).stats();
    expect(stats?.curve.reduce((sum, { compared }) => sum + compared, 0)).toBe(400);
    for (const { compared, expected, agreed } of stats?.curve ?? []) {
      expect(compared).toBeGreaterThan(0);
      for (const share of [expected, agreed]) expect(share >= 0 && share <= 1).toBe(true);
    }
  });
});

describe('reads next to written votes', () => {
  function pairs(agreed: number, alike: number): ReadCalibration {
    const random = seededRandom(3);
    const calibration = new ReadCalibration();
    for (let i = 0; i < 200; i++)
      calibration.heardPair('m', 0.8, random.next() < agreed ? 1 : 0, random.next() < alike);
    return calibration;
  }

  test('are equal where they agree with them as often as these do with each other', () => {
    expect(pairs(0.9, 0.7).isEqual('m', 0.8)).toBe(true);
    expect(pairs(0.5, 0.7).isEqual('m', 0.8)).toBe(false);
  });

  test('are not while little is known', () => {
    const calibration = new ReadCalibration();
    expect(calibration.isEqual('m', 0.8)).toBe(false);
    for (let i = 0; i < 5; i++) calibration.heardPair('m', 0.8, 1, true);
    expect(calibration.isEqual('m', 0.8)).toBe(false);
  });
});
