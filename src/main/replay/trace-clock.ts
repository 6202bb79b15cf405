import type { Clock } from '../../shared/clock.ts';

/** A larger step back is not disorder, but the start of another recording in the same file. */
const DISORDER_SECONDS_MAX = 10;

/**
 * The trace's time, from its first record on; it never goes backwards. It stands still for records that are slightly out of order, and continues from
 * where it is if the trace jumps back: recordings are often concatenated, each with an origin of its own.
 */
export class TraceClock implements Clock {
  #nowMs = 0;
  #originMs: number | undefined;
  /** Number of records a little older than a previous one. */
  disordered = 0;
  /** How often the trace started again. */
  restarts = 0;

  advanceTo(seconds: number): void {
    const ms = seconds * 1_000;
    // JSON has no infinity, but 1e999 is read as one.
    if (!Number.isFinite(ms)) return;
    this.#originMs ??= ms;
    const backMs = this.#nowMs - (ms - this.#originMs);
    if (backMs <= 0) this.#nowMs = ms - this.#originMs;
    else if (backMs <= 1_000 * DISORDER_SECONDS_MAX) this.disordered++;
    else {
      this.restarts++;
      this.#originMs = ms - this.#nowMs;
    }
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs;
  }

  setTimer(): never {
    throw new Error('nothing waits in a replay');
  }

  nextTurn(): never {
    throw new Error('nothing waits in a replay');
  }
}
