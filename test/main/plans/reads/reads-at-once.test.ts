import { describe, expect, test } from 'vitest';
import { ReadsAtOnce } from '../../../../src/main/plans/reads/asking/reads-at-once.ts';

/** Makes requests at one seat, `wanted` for each read, whose time depends on how many start at once. Returns how often each number did. */
function made(
  atOnce: ReadsAtOnce,
  reads: number,
  msOf: (count: number) => number | undefined,
  { wanted = 3, most = 4, mayTry = true } = {},
): Record<number, number> {
  const times: Record<number, number> = {};
  for (let nth = 0; nth < reads; nth++) {
    for (let left = wanted; left > 0; ) {
      const count = atOnce.width('seat', left, most, mayTry);
      times[count] = (times[count] ?? 0) + 1;
      atOnce.took('seat', count, msOf(count));
      left -= count;
    }
  }
  return times;
}

describe('requests at once', () => {
  test('are as many as are wanted where each one more costs little', () => {
    const atOnce = new ReadsAtOnce();
    made(atOnce, 100, (count) => 100 + 5 * count);
    expect(atOnce.width('seat', 3, 4, true)).toBe(3);
    expect(atOnce.width('seat', 3, 2, true)).toBe(2);
    expect(atOnce.width('seat', 1, 4, true)).toBe(1);
    expect(atOnce.width('another seat', 3, 4, true)).toBe(1);
  });

  test('are one where several take longer, and that is tried ever more rarely', () => {
    const atOnce = new ReadsAtOnce();
    const early = made(atOnce, 200, (count) => (count === 1 ? 20 : 200 * count));
    const late = made(atOnce, 200, (count) => (count === 1 ? 20 : 200 * count));
    expect(early[2]).toBeGreaterThan(0);
    expect(early[2]).toBeLessThanOrEqual(6);
    expect(late[2] ?? 0).toBeLessThanOrEqual(2);
    expect(early[3]).toBeUndefined();
  });

  test('are one where several take as long as in turn', () => {
    expect(made(new ReadsAtOnce(), 300, (count) => 50 * count)[3]).toBeUndefined();
  });

  test('are two where the third gains nothing', () => {
    const atOnce = new ReadsAtOnce();
    made(atOnce, 200, (count) => (count <= 2 ? 60 : 60 * count));
    const later = made(atOnce, 100, (count) => (count <= 2 ? 60 : 60 * count));
    expect(later[2]).toBeGreaterThan(90);
    expect(later[3] ?? 0).toBeLessThanOrEqual(5);
  });

  test('are one where several are not answered', () => {
    const atOnce = new ReadsAtOnce();
    const times = made(atOnce, 300, (count) => (count === 1 ? 100 : undefined));
    expect(times[2]).toBeGreaterThan(0);
    expect(times[2]).toBeLessThanOrEqual(8);
  });

  test('become one again where the server does not gain from them any more, and several where it does', () => {
    const atOnce = new ReadsAtOnce();
    const shares = (count: number): number => 100 + count;
    const reads = (count: number): number => 100 * count ** 2;
    made(atOnce, 100, shares);
    made(atOnce, 50, reads);
    expect(atOnce.width('seat', 3, 4, false)).toBe(1);
    made(atOnce, 3_000, shares);
    expect(atOnce.width('seat', 3, 4, false)).toBe(3);
  });

  test('are not tried where there is no time for a slower way, or no slot', () => {
    expect(made(new ReadsAtOnce(), 200, () => 10, { mayTry: false })).toEqual({ 1: 600 });
    expect(made(new ReadsAtOnce(), 200, () => 10, { most: 1 })).toEqual({ 1: 600 });
  });
});
