/**
 * How much earlier than its deadline a plan is settled. A timer fires at its time or later, by as much as the event loop
 * and the machine are busy; so the guard is a small share of the plan's time, and more while timers have lately been late.
 */

/** Share of a plan's time, up to `BASE_MS_MAX`. */
const BASE_SHARE = 0.1;
const BASE_MS_MAX = 15;
/** However late timers are, no more of a plan's time than this is given up. */
const GUARD_SHARE_MAX = 0.15;
const GUARD_MS_MAX = 100;
/** What is left of the remembered lag after each timer that fires. */
const DECAY = 0.97;

export class DeadlineGuard {
  /** The largest lag lately seen, fading with each timer that fires. */
  #lagMs = 0;

  /** Milliseconds to settle ahead of a deadline that is `timeoutMs` away. */
  ahead(timeoutMs: number): number {
    const base = Math.min(BASE_MS_MAX, timeoutMs * BASE_SHARE);
    return Math.min(Math.max(base, base / 2 + this.#lagMs), timeoutMs * GUARD_SHARE_MAX, GUARD_MS_MAX);
  }

  /** A deadline's timer fired `lagMs` after its time. */
  observe(lagMs: number): void {
    this.#lagMs = Math.max(Math.min(lagMs, GUARD_MS_MAX), this.#lagMs * DECAY, 0);
  }
}
