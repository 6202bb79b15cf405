import type { Clock, Timer } from '../../src/shared/clock.ts';

interface PendingTimer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** A clock that stands still until a test moves it. Timers fire in the order of their time, then of their making. */
export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #timers = new Set<PendingTimer>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** A fixed day plus the fake time. */
  wallNow(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order++, fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  nextTurn(fire: () => void): void {
    setImmediate(fire);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves the time, firing what falls due on the way, also timers that are set by those that fire. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
    }
    this.#nowMs = untilMs;
  }

  /** Moves the time as a blocked event loop does: what falls due on the way fires late, at the end. */
  stall(ms: number): void {
    this.#nowMs += ms;
    this.advance(0);
  }

  /** Moves the time from timer to timer until none is left. Bounded, for a part that always sets another. */
  runAll(timersMax = 100_000): void {
    for (let fired = 0; this.#timers.size > 0; fired++) {
      if (fired >= timersMax) throw new Error(`still ${this.#timers.size} timers after ${timersMax}`);
      const next = this.#nextDue(Number.POSITIVE_INFINITY) as PendingTimer;
      this.advance(Math.max(next.atMs - this.#nowMs, 0));
    }
  }

  #nextDue(untilMs: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue;
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer;
    }
    return next;
  }
}
