import type { Clock } from '../../../shared/clock.ts';

/**
 * Spreads bursts of model calls over turns of the event loop: a few calls start in each turn, in their order. Between turns the
 * loop checks its timers, so that a burst of starts delays a deadline by about a millisecond at most. Not one call a turn,
 * because messages sent to a worker in one turn wake it only once.
 */
const STARTS_PER_TURN = 4;

/** Minimum of the starts in a turn for calls that are beginning, whose deadline may be near, while others wait as well. */
const BEGINNINGS_PER_TURN = 1;

/** Calls that hold a slot go before calls that are only beginning: thousands of these would keep the slots idle. */
export type TurnKind = 'with-slot' | 'beginning';

export class LoopTurns {
  readonly #clock: Clock;
  readonly #waiting: Record<TurnKind, Line> = { 'with-slot': new Line(), beginning: new Line() };
  #started = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits for the caller's turn. Undefined if it may continue immediately. */
  next(turn: TurnKind = 'beginning'): Promise<void> | undefined {
    if (this.#started < STARTS_PER_TURN && this.#isEmpty) {
      this.#start();
      return undefined;
    }
    return new Promise((resolve) => this.#waiting[turn].push(resolve));
  }

  get #isEmpty(): boolean {
    return this.#waiting['with-slot'].length + this.#waiting.beginning.length === 0;
  }

  #start(): void {
    this.#started++;
    if (this.#started === 1) this.#clock.nextTurn(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#started = 0;
    for (const line of this.#linesOfTurn()) {
      const go = line.shift();
      if (go === undefined) continue;
      this.#start();
      go();
    }
  }

  /** The lines that continue in this turn, in this order. */
  #linesOfTurn(): Line[] {
    const { 'with-slot': withSlot, beginning } = this.#waiting;
    const kept = Math.min(BEGINNINGS_PER_TURN, beginning.length);
    const first = Math.min(STARTS_PER_TURN - kept, withSlot.length);
    return [...Array<Line>(first).fill(withSlot), ...Array<Line>(STARTS_PER_TURN - first).fill(beginning)];
  }
}

/** A list from whose head thousands of items are taken one by one; the taken part is cut off from time to time. */
class Line {
  #items: (() => void)[] = [];
  #taken = 0;

  get length(): number {
    return this.#items.length - this.#taken;
  }

  push(item: () => void): void {
    this.#items.push(item);
  }

  shift(): (() => void) | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#taken++];
    if (this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }
}
