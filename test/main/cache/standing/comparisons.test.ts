import { describe, expect, test } from 'vitest';
import { Comparisons } from '../../../../src/main/cache/standing/comparisons.ts';
import { wilson } from '../../../../src/main/measure/wilson.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

function filled(outcomes: readonly boolean[]): Comparisons {
  const record = new Comparisons();
  for (const isRight of outcomes) record.add(isRight);
  return record;
}

function many(count: number, isRight: boolean): boolean[] {
  return Array.from({ length: count }, () => isRight);
}

describe('comparisons', () => {
  test('of which there are none allow every share', () => {
    const record = new Comparisons();
    expect([record.rate, record.right(), record.latestWrong]).toEqual([undefined, { low: 0, high: 1 }, 0]);
  });

  test('have the interval of their share, while they are few', () => {
    const record = filled([true, false, true, true]);
    expect(record.rate).toBeCloseTo(0.75, 2);
    const { low, high } = wilson(1, 4);
    expect(record.right().low).toBeCloseTo(1 - high, 2);
    expect(record.right().high).toBeCloseTo(1 - low, 2);
    expect(record).toMatchObject({ total: 4, totalWrong: 1, seen: 4 });
  });

  test('are known by some three hundred at most, however many there were', () => {
    const record = filled(many(5_000, true));
    const { low } = record.right();
    expect(low).toBeGreaterThan(1 - wilson(0, 280).high);
    expect(low).toBeLessThan(1 - wilson(0, 320).high);
  });

  test('count the wrong ones among the last four', () => {
    expect(filled([false, true, false, false]).latestWrong).toBe(3);
    expect(filled([false, true, true, true, true]).latestWrong).toBe(0);
    expect(filled([...many(40, true), false]).latestWrong).toBe(1);
  });

  test('begin anew when the latest speak of another share, for the worse and for the better', () => {
    const record = filled(many(600, true));
    let steps = 0;
    while ((record.rate as number) > 0.8 && steps < 100) {
      record.add(false);
      steps++;
    }
    // Without it, 68 would be needed before the old ones have faded.
    expect(steps).toBeLessThan(12);
    expect(record.seen).toBeLessThan(40);
    for (let i = 0; i < 40; i++) record.add(true);
    expect(record.right().low).toBeGreaterThan(0.75);
    expect(record.total).toBe(600 + steps + 40);
  });

  test('do not begin anew by chance alone', () => {
    const random = seededRandom(5);
    const record = new Comparisons();
    let restarts = 0;
    for (let i = 0; i < 5_000; i++) {
      const before = record.seen;
      record.add(random.next() < 0.85);
      if (record.seen <= before) restarts++;
    }
    expect(restarts).toBeLessThan(12);
  });
});
