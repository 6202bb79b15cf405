import { describe, expect, test } from 'vitest';
import {
  forkRandom,
  pick,
  type Random,
  randomIndex,
  randomNormal,
  seededRandom,
  systemRandom,
} from '../../src/shared/random.ts';

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe('seededRandom', () => {
  test('replays: a seed gives the same numbers for ever', () => {
    expect(draw(seededRandom(42), 100)).toEqual(draw(seededRandom(42), 100));
    expect(draw(seededRandom(42), 3).map((x) => Math.floor(x * 2 ** 32))).toEqual([2581720956, 1925393290, 3661312704]);
  });

  test('differs from seed to seed, also between neighbours', () => {
    // Neighbours may share one number: mulberry32 is no bijection.
    const starts = Array.from({ length: 10_000 }, (_, seed) => draw(seededRandom(seed), 3).join());
    expect(new Set(starts).size).toBe(starts.length);
  });

  test('stays in [0, 1) and is even', () => {
    const numbers = draw(seededRandom(1), 100_000);
    expect(Math.min(...numbers.slice(0, 50_000))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers.slice(0, 50_000))).toBeLessThan(1);
    const tenths = new Array<number>(10).fill(0);
    for (const x of numbers) tenths[Math.floor(x * 10)] = (tenths[Math.floor(x * 10)] as number) + 1;
    // Six standard deviations around 10,000.
    for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(570);
  });

  test('takes negative, fractional and large seeds', () => {
    for (const seed of [-1, 0.5, 2 ** 40, Number.NaN]) {
      const [x] = draw(seededRandom(seed), 1);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThan(1);
    }
  });
});

describe('forkRandom', () => {
  test('gives each name a generator of its own that replays', () => {
    expect(draw(forkRandom(1, 'latency'), 10)).toEqual(draw(forkRandom(1, 'latency'), 10));
    expect(draw(forkRandom(1, 'latency'), 10)).not.toEqual(draw(forkRandom(1, 'failure'), 10));
    expect(draw(forkRandom(1, 'latency'), 10)).not.toEqual(draw(forkRandom(2, 'latency'), 10));
  });
});

describe('draws', () => {
  test('randomIndex reaches every index below its bound and no other', () => {
    const random = seededRandom(3);
    const seen = new Set(Array.from({ length: 1_000 }, () => randomIndex(random, 5)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(randomIndex({ next: () => 1 - 2 ** -53 }, 5)).toBe(4);
  });

  test('pick takes an item, and refuses an empty list', () => {
    expect(pick({ next: () => 0.99 }, ['a', 'b'])).toBe('b');
    expect(() => pick(seededRandom(1), [])).toThrow(RangeError);
  });

  test('randomNormal has mean 0 and deviation 1, and is finite at the ends of chance', () => {
    const random = seededRandom(4);
    const numbers = Array.from({ length: 50_000 }, () => randomNormal(random));
    const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
    const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    expect(Math.abs(randomNormal({ next: () => 0 }))).toBe(0);
    expect(Number.isFinite(randomNormal({ next: () => 1 - 2 ** -53 }))).toBe(true);
  });

  test('systemRandom is in [0, 1)', () => {
    for (const x of draw(systemRandom, 100)) expect(x >= 0 && x < 1).toBe(true);
  });
});
