/**
 * Determines how much earlier than its deadline a plan is settled. A timer fires at its time or later, depending on how busy the
 * event loop and the machine are; so the guard is a small share of the plan's time, and more while timers have recently been
 * late.
 */

/** Share of a plan's time, up to `BASE_MS_MAX`. */
const BASE_SHARE = 0.1;
const BASE_MS_MAX = 15;
/** Maximum share of a plan's time that is given up, however late timers are. */
const GUARD_SHARE_MAX = 0.15;
const GUARD_MS_MAX = 100;
/** Share of the remembered lag that remains after each timer. */
const DECAY = 0.97;

export class DeadlineGuard {
  /** The largest recent lag, fading with each timer that fires. */
  #lagMs = 0;

  /** Time by which to settle before a deadline that is `timeoutMs` away, in milliseconds. */
  ahead(timeoutMs: number): number {
    const base = Math.min(BASE_MS_MAX, timeoutMs * BASE_SHARE);
    return Math.min(Math.max(base, base / 2 + this.#lagMs), timeoutMs * GUARD_SHARE_MAX, GUARD_MS_MAX);
  }

  /** A deadline's timer fired `lagMs` late. */
  observe(lagMs: number): void {
    this.#lagMs = Math.max(Math.min(lagMs, GUARD_MS_MAX), this.#lagMs * DECAY, 0);
  }
}
