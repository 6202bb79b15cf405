/**
 * The share of the models' time that checks may use although plans wait for it. Every millisecond that a slot is busy credits that
 * share of a millisecond, so checks take no more of a busy server than of an idle one, however many slots it has. A check starts
 * once there is credit for the time that checks usually take, and may take as long as nearly all of them do: what it takes in excess
 * of the credit is owed. Most checks only read, and some write, which takes many times as long.
 */

/** Assumed time of the first check. */
const FIRST_MS = 1_000;
/** A check may take this many times the usual time before it is no longer covered, or that many deviations more than it. */
const MARGIN = 1.5;
const DEVIATIONS = 3;
/** At most the time of this many checks is saved up. */
const SAVED_MAX = 8;
/** Weight of the latest check in the usual time. */
const WEIGHT = 0.2;
/** A check that was cut short would have taken at least this many times as long. */
const CUT_FACTOR = 1.5;

export class CheckReserve {
  readonly share: number;
  /** Checks that run within it now, of all domains. */
  running = 0;
  /** Busy slots times milliseconds since the start, at all model servers. */
  readonly #workedMs: () => number;
  #seenMs: number;
  #creditMs = 0;
  #usualMs: number | undefined;
  /** Mean of the squared deviations from the usual time. */
  #variance = 0;

  constructor(share: number, workedMs: () => number) {
    this.share = share;
    this.#workedMs = workedMs;
    this.#seenMs = workedMs();
  }

  /** Whether the credit covers one more check. */
  get covers(): boolean {
    const workedMs = this.#workedMs();
    const creditMs = this.#creditMs + this.share * (workedMs - this.#seenMs);
    this.#creditMs = Math.min(SAVED_MAX * this.#expectedMs, creditMs);
    this.#seenMs = workedMs;
    return this.#creditMs >= this.#expectedMs;
  }

  /** Sets time aside for a check. Returns how much, in milliseconds. */
  take(): number {
    const takenMs = Math.max(MARGIN * this.#expectedMs, this.#expectedMs + DEVIATIONS * Math.sqrt(this.#variance));
    this.#creditMs -= takenMs;
    return takenMs;
  }

  /**
   * A check has ended, for which `takenMs` were set aside. It had slots for `usedMs`, `reservedMs` of which did not yield: calls that run
   * at once use up more time than passes.
   */
  settle(takenMs: number, usedMs: number, isDone: boolean, reservedMs = usedMs): void {
    if (takenMs > 0) this.#creditMs += takenMs - reservedMs;
    const usualMs = this.#usualMs ?? usedMs;
    const excessMs = usedMs - usualMs;
    this.#usualMs = isDone ? usualMs + WEIGHT * excessMs : Math.max(this.#expectedMs, CUT_FACTOR * usedMs);
    if (!isDone) return;
    this.#variance = (1 - WEIGHT) * (this.#variance + WEIGHT * excessMs ** 2);
  }

  get #expectedMs(): number {
    return Math.max(1, this.#usualMs ?? FIRST_MS);
  }
}
