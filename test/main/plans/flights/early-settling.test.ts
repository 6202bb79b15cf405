import { describe, expect, test } from 'vitest';
import { type Due, EarlySettling } from '../../../../src/main/plans/flights/early-settling.ts';
import type { Clock, Timer } from '../../../../src/shared/clock.ts';

/** An event loop on which work takes time: due timers fire, then the turns that are waiting, then the next one begins. */
class BusyLoop implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  #turns: (() => void)[] = [];
  longestTurnMs = 0;

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  nextTurn(fire: () => void): void {
    this.#turns.push(fire);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** What runs now takes so long. */
  work(ms: number): void {
    this.#nowMs += ms;
  }

  run(): void {
    while (this.#timers.size > 0 || this.#turns.length > 0) {
      const startedAtMs = this.#nowMs;
      const due = [...this.#timers].filter(({ atMs }) => atMs <= this.#nowMs).sort((a, b) => a.atMs - b.atMs);
      for (const timer of due) if (this.#timers.delete(timer)) timer.fire();
      for (const turn of this.#turns.splice(0)) turn();
      this.longestTurnMs = Math.max(this.longestTurnMs, this.#nowMs - startedAtMs);
      if (this.#turns.length === 0 && this.#timers.size > 0) {
        this.#nowMs = Math.max(this.#nowMs, Math.min(...[...this.#timers].map(({ atMs }) => atMs)));
      }
    }
  }
}

interface Settled {
  readonly index: number;
  readonly aheadMs: number;
}

/** Plans with timers of their own; settling one takes `costMs`. In the order in which they were settled. */
function settleAll(settleMs: readonly number[], costMs: number, isAtWork: (index: number) => boolean = () => false) {
  const loop = new BusyLoop();
  const settled: Settled[] = [];
  const timers: Timer[] = [];
  const settle = (due: Due & { readonly index: number }): void => {
    early.delete(due);
    timers[due.index]?.cancel();
    loop.work(costMs);
    settled.push({ index: due.index, aheadMs: due.settleMs - loop.now() });
  };
  const early = new EarlySettling<Due & { readonly index: number }>(loop, settle);
  for (const [index, atMs] of settleMs.entries()) {
    const due = { index, settleMs: atMs, isAtWork: isAtWork(index) };
    early.add(due);
    timers[index] = loop.setTimer(atMs - loop.now(), () => settle(due));
  }
  loop.run();
  return { loop, early, settled };
}

const least = (settled: readonly Settled[]): number => Math.min(...settled.map(({ aheadMs }) => aheadMs));
const most = (settled: readonly Settled[]): number => Math.max(...settled.map(({ aheadMs }) => aheadMs));

describe('plans that fall due together', () => {
  test.each([0.02, 0.1, 0.4])('are settled in time, each of which takes %d ms', (costMs) => {
    const plans = 5_000;
    const { loop, settled } = settleAll(Array<number>(plans).fill(10_000), costMs);
    expect(settled).toHaveLength(plans);
    expect(new Set(settled.map(({ index }) => index)).size).toBe(plans);
    expect(least(settled)).toBeGreaterThan(-15);
    // A few show what they take, and the others are no earlier than that needs.
    expect(most(settled.slice(plans / 10))).toBeLessThan(2.5 * costMs * plans + 100);
    expect(loop.longestTurnMs).toBeLessThan(10);
  });

  test('are settled in time where their deadlines lie a little apart', () => {
    const { settled } = settleAll(
      Array.from({ length: 5_000 }, (_, index) => 8_000 + index / 10),
      0.2,
    );
    expect(least(settled)).toBeGreaterThan(-20);
  });

  test('that a model works on wait longest', () => {
    const { settled } = settleAll(Array<number>(3_000).fill(5_000), 0.2, (index) => index % 100 === 0);
    expect(settled.slice(0, 2_900).some(({ index }) => index % 100 === 0)).toBe(false);
  });

  test('leave nothing behind', () => {
    const { loop } = settleAll(Array<number>(1_000).fill(1_000), 0.1);
    expect(loop.pendingTimers).toBe(0);
  });

  test('are settled the more ahead the longer it is measured to take', () => {
    const cheap = settleAll(Array<number>(5_000).fill(10_000), 0.02);
    const dear = settleAll(Array<number>(5_000).fill(10_000), 0.4);
    expect(cheap.early.costMs).toBeLessThan(0.05);
    expect(dear.early.costMs).toBeGreaterThan(0.35);
  });
});

test('a few plans are settled by their own timers, at their time', () => {
  const { settled } = settleAll(Array<number>(15).fill(1_000), 0);
  expect(settled.every(({ aheadMs }) => aheadMs === 0)).toBe(true);
});

test('many plans that fall due one after another are settled at their time', () => {
  const { settled } = settleAll(
    Array.from({ length: 500 }, (_, index) => 1_000 + 20 * index),
    0.5,
  );
  expect(most(settled)).toBeLessThanOrEqual(0);
});
