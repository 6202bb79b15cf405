import { expect, test } from 'vitest';
import { TraceClock } from '../../../src/main/replay/trace-clock.ts';

function timesOf(...seconds: number[]): { times: number[]; clock: TraceClock } {
  const clock = new TraceClock();
  const times = seconds.map((t) => {
    clock.advanceTo(t);
    return clock.now();
  });
  return { times, clock };
}

test('time begins at the first record, whatever its origin', () => {
  expect(timesOf(1_770_000_000, 1_770_000_000.5).times).toEqual([0, 500]);
});

test('up to ten seconds back time stands still, and further back it goes on from where it is', () => {
  const { times, clock } = timesOf(20, 40, 30, 41, 30.999, 31.999);
  expect(times).toEqual([0, 20_000, 20_000, 21_000, 21_000, 22_000]);
  expect([clock.disordered, clock.restarts]).toEqual([1, 1]);
});

test('a time that is no number of seconds changes nothing', () => {
  expect(timesOf(Number.POSITIVE_INFINITY, 5, 6, Number.POSITIVE_INFINITY, 7).times).toEqual([
    0, 0, 1_000, 1_000, 2_000,
  ]);
});
