import { describe, expect, test } from 'vitest';
import { deadlineSignal, systemClock } from '../../src/shared/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('deadlineSignal', () => {
  test('aborts when the clock reaches the deadline, and not before', () => {
    const clock = new FakeClock();
    const deadline = deadlineSignal(clock, 1_000);
    clock.advance(999);
    expect(deadline.signal.aborted).toBe(false);
    expect(deadline.expired).toBe(false);
    clock.advance(1);
    expect(deadline.signal.aborted).toBe(true);
    expect(deadline.signal.reason).toHaveProperty('name', 'TimeoutError');
    expect(deadline.expired).toBe(true);
  });

  test('is an instant of its clock, not a duration', () => {
    const clock = new FakeClock(5_000);
    const deadline = deadlineSignal(clock, 5_010);
    clock.advance(10);
    expect(deadline.signal.aborted).toBe(true);
  });

  test('that has passed aborts as soon as the clock moves', () => {
    const clock = new FakeClock(100);
    const deadline = deadlineSignal(clock, 50);
    clock.advance(0);
    expect(deadline.expired).toBe(true);
  });

  test('aborts with its parent, with the reason of its parent, and has not expired', () => {
    const clock = new FakeClock();
    const parent = new AbortController();
    const deadline = deadlineSignal(clock, 1_000, parent.signal);
    parent.abort('the caller left');
    expect(deadline.signal.reason).toBe('the caller left');
    expect(deadline.expired).toBe(false);
  });

  test('is aborted from the start when its parent is', () => {
    const deadline = deadlineSignal(new FakeClock(), 1_000, AbortSignal.abort('before'));
    expect(deadline.signal.reason).toBe('before');
    deadline.dispose();
  });

  test('once disposed holds neither a timer nor a listener, and never aborts', () => {
    const clock = new FakeClock();
    const parent = new AbortController();
    {
      using deadline = deadlineSignal(clock, 1_000, parent.signal);
      expect(clock.pendingTimers).toBe(1);
      expect(deadline.signal.aborted).toBe(false);
    }
    expect(clock.pendingTimers).toBe(0);
    const deadline = deadlineSignal(clock, 1_000, parent.signal);
    deadline.dispose();
    parent.abort();
    clock.advance(2_000);
    expect(deadline.signal.aborted).toBe(false);
  });
});

describe('systemClock', () => {
  test('does not fire a timer of more than 2^31 ms at once, as Node does', async () => {
    let fired = 0;
    const long = [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY].map((delayMs) =>
      systemClock.setTimer(delayMs, () => fired++),
    );
    // Node would fire them as timers of 1 ms; this one is set later and is due later.
    await new Promise<void>((resolve) => systemClock.setTimer(5, resolve));
    for (const timer of long) timer.cancel();
    expect(fired).toBe(0);
  });

  test('fires a timer of a negative delay', async () => {
    await new Promise<void>((resolve) => systemClock.setTimer(-5, resolve));
  });

  test('does not fire a timer that was cancelled', async () => {
    let fired = false;
    systemClock
      .setTimer(0, () => {
        fired = true;
      })
      .cancel();
    await new Promise<void>((resolve) => systemClock.setTimer(2, resolve));
    expect(fired).toBe(false);
  });

  test('never runs backwards, and knows the date', () => {
    let last = systemClock.now();
    for (let i = 0; i < 1_000; i++) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    expect(systemClock.wallNow()).toBeGreaterThan(Date.UTC(2025, 0, 1));
  });
});
