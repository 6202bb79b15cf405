import type { Clock, Timer } from '../../../shared/clock.ts';

/**
 * Settles plans before their deadlines if many fall due together. Each settlement takes time on the event loop, so most of
 * thousands with one deadline would be late. Plans due soon are counted, the cost of one is measured, and settling starts earlier
 * by what all of them will take: a few in each turn of the event loop, first those that no model works on. A small number of
 * plans is settled by their own timers alone.
 */
export interface Due {
  /** The latest time to settle it. */
  readonly settleMs: number;
  /** Whether a model works on it: then it waits as long as possible. */
  readonly isAtWork: boolean;
}

/** With fewer plans nothing is counted: their own timers are enough. */
const CROWD_MIN = 16;
/** Interval between looks: a new plan may have to be settled before those seen earlier. */
const LOOK_EVERY_MS = 20;
/** Work shorter than this in total is no reason to settle early. */
const WORK_MS_MIN = 3;
/** Plans whose deadlines are this close together count as due together. */
const SPAN_MS = 16;
/** Nothing is settled earlier than this before its time. */
const AHEAD_MS_MAX = 5_000;
/** Maximum settling time in one turn of the event loop, for at most `TURN_MAX` plans. */
const TURN_MS = 4;
const TURN_MAX = 256;
/** The assumed cost of a settlement before it has been measured, and the bounds of the measured cost. */
const COST_MS = { first: 0.25, least: 0.005, most: 1 } as const;
const COST_WEIGHT = 0.2;
/** Safety factor on the measured cost, which may be too low. */
const MARGIN = 2;

export class EarlySettling<T extends Due> {
  readonly #clock: Clock;
  readonly #settle: (due: T) => void;
  /** Plans by the end of the span that contains their time. */
  readonly #spans = new Map<number, Set<T>>();
  #count = 0;
  #costMs: number = COST_MS.first;
  #isMeasured = false;
  #timer: Timer | undefined;
  #isDraining = false;
  /** The plans that are settled next, the first of them last. */
  #line: T[] = [];

  /** `settle` settles a plan, and removes it by `delete`. */
  constructor(clock: Clock, settle: (due: T) => void) {
    this.#clock = clock;
    this.#settle = settle;
  }

  /** The measured cost of a settlement, in milliseconds of the event loop. */
  get costMs(): number {
    return this.#costMs;
  }

  add(due: T): void {
    const key = spanOf(due.settleMs);
    const span = this.#spans.get(key);
    if (span === undefined) this.#spans.set(key, new Set([due]));
    else span.add(due);
    this.#count++;
    if (this.#count >= CROWD_MIN) this.#lookLater();
  }

  delete(due: T): void {
    const key = spanOf(due.settleMs);
    const span = this.#spans.get(key);
    if (span?.delete(due) !== true) return;
    this.#count--;
    if (span.size === 0) this.#spans.delete(key);
    if (this.#count < CROWD_MIN) this.#stopLooking();
  }

  #lookLater(afterMs = LOOK_EVERY_MS): void {
    if (this.#timer !== undefined || this.#isDraining) return;
    this.#timer = this.#clock.setTimer(Math.min(Math.max(afterMs, 1), LOOK_EVERY_MS), () => {
      this.#timer = undefined;
      const { due, slackMs } = this.#look();
      if (due > 0) this.#drain();
      else this.#lookLater(slackMs);
    });
  }

  #stopLooking(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * Returns how many plans must be settled from now on without a break so that none is late: those up to the last span that could
   * not be reached in time otherwise. If there are none, returns the time until there may be.
   */
  #look(): { readonly due: number; readonly slackMs: number } {
    const nowMs = this.#clock.now();
    let [count, due, leastMs] = [0, 0, Number.POSITIVE_INFINITY];
    for (const [key, { size }] of this.#nearSpans()) {
      count += size;
      const workMs = count * this.#costMs * MARGIN;
      const slackMs = (key - 1) * SPAN_MS - nowMs - workMs;
      if (workMs < WORK_MS_MIN) continue;
      if (slackMs <= 0) due = count;
      else leastMs = Math.min(leastMs, slackMs);
    }
    return { due, slackMs: leastMs };
  }

  /** The spans whose time comes within `AHEAD_MS_MAX` or has passed, in order. */
  *#nearSpans(): Generator<[key: number, span: ReadonlySet<T>]> {
    const first = spanOf(this.#clock.now()) - 1;
    for (let key = first; key <= first + AHEAD_MS_MAX / SPAN_MS; key++) {
      const span = this.#spans.get(key);
      if (span !== undefined) yield [key, span];
    }
  }

  /** Settles some plans in this turn, and continues in the next. */
  #drain(): void {
    const startedAtMs = this.#clock.now();
    let left = Math.min(TURN_MAX, this.#look().due);
    this.#isDraining = left > 0;
    if (!this.#isDraining) return this.#goOnLooking();
    let settled = 0;
    do {
      this.#settle(this.#next());
      settled++;
    } while (--left > 0 && this.#clock.now() - startedAtMs < TURN_MS);
    // Measured until the next turn: callers of the settled plans continue meanwhile, which is part of the cost.
    this.#clock.nextTurn(() => {
      this.#measured((this.#clock.now() - startedAtMs) / settled);
      this.#drain();
    });
  }

  #goOnLooking(): void {
    this.#line = [];
    if (this.#count >= CROWD_MIN) this.#lookLater();
  }

  #measured(costMs: number): void {
    const believed = Math.min(COST_MS.most, Math.max(COST_MS.least, costMs));
    this.#costMs += (this.#isMeasured ? COST_WEIGHT : 1) * (believed - this.#costMs);
    this.#isMeasured = true;
  }

  /** The plan that is settled next. There must be one. */
  #next(): T {
    for (;;) {
      const due = this.#line.pop() ?? this.#lineUp();
      if (this.#spans.get(spanOf(due.settleMs))?.has(due) === true) return due;
    }
  }

  /** Puts the first spans in line, in each span first the plans that no model works on: the last of the line is next. */
  #lineUp(): T {
    const some: T[] = [];
    for (const [, span] of this.#nearSpans()) {
      for (const due of span) if (!due.isAtWork) some.push(due);
      for (const due of span) if (due.isAtWork) some.push(due);
      if (some.length >= TURN_MAX) break;
    }
    this.#line = some.reverse();
    return this.#line.pop() as T;
  }
}

function spanOf(atMs: number): number {
  return Math.ceil(atMs / SPAN_MS);
}
