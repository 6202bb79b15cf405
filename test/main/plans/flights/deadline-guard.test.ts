import { describe, expect, test } from 'vitest';
import { LoopTurns } from '../../../../src/main/models/calls/loop-turns.ts';
import { DeadlineGuard } from '../../../../src/main/plans/flights/deadline-guard.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

describe('the deadline guard', () => {
  test('is a share of the time, and never more than 15 ms while timers are punctual', () => {
    const guard = new DeadlineGuard();
    expect([20, 100, 200, 5_000].map((timeoutMs) => guard.ahead(timeoutMs))).toEqual([2, 10, 15, 15]);
  });

  test('grows with the lag of timers, within 15 % of the time and 100 ms', () => {
    const guard = new DeadlineGuard();
    guard.observe(30);
    expect(guard.ahead(5_000)).toBe(37.5);
    expect(guard.ahead(100)).toBe(15);
    guard.observe(400);
    expect(guard.ahead(5_000)).toBe(100);
  });

  test('a pause of the whole process is no reason for more than 100 ms, nor for long', () => {
    const guard = new DeadlineGuard();
    guard.observe(60_000);
    for (let i = 0; i < 100; i++) guard.observe(0);
    expect(guard.ahead(5_000)).toBeLessThan(16);
  });

  test('shrinks again when timers are punctual', () => {
    const guard = new DeadlineGuard();
    guard.observe(50);
    for (let i = 0; i < 500; i++) guard.observe(0);
    expect(guard.ahead(5_000)).toBe(15);
  });
});

describe('turns of the event loop', () => {
  test('a few begin at once, the others a few a turn, in their order', async () => {
    const turns = new LoopTurns(new FakeClock());
    let turn = 0;
    let done = false;
    const count = (): void => {
      turn++;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    const began: number[] = [];
    await Promise.all(
      Array.from({ length: 11 }, async (_, i) => {
        const wait = turns.next();
        if (i < 4) expect(wait).toBeUndefined();
        await wait;
        began.push(i);
      }),
    );
    done = true;
    expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(turn).toBeGreaterThanOrEqual(2);
  });
});
