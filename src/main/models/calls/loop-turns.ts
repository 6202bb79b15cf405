import type { Clock } from '../../../shared/clock.ts';

/**
 * Spreads bursts over turns of the event loop: of many model calls that are to begin in the same turn, a few begin at once
 * and the others a few a turn, in their order. Between two turns the loop looks at its timers, so that a burst of
 * beginnings never keeps a deadline waiting for longer than a few of them take, about a millisecond. Not one a turn,
 * because what is sent to a worker in one turn wakes it once.
 */
const STARTS_PER_TURN = 4;

/** One of these at least is for who begins, whose deadline may be near, where others wait as well. */
const BEGINNINGS_PER_TURN = 1;

/** Whoever holds a slot comes before those who only begin: thousands of these would keep the slots idle. */
export type TurnKind = 'with-slot' | 'beginning';

export class LoopTurns {
  readonly #clock: Clock;
  readonly #waiting: Record<TurnKind, Line> = { 'with-slot': new Line(), beginning: new Line() };
  #started = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined when the caller may go on at once. */
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

  /** Who goes on in this turn, in this order. */
  #linesOfTurn(): Line[] {
    const { 'with-slot': withSlot, beginning } = this.#waiting;
    const kept = Math.min(BEGINNINGS_PER_TURN, beginning.length);
    const first = Math.min(STARTS_PER_TURN - kept, withSlot.length);
    return [...Array<Line>(first).fill(withSlot), ...Array<Line>(STARTS_PER_TURN - first).fill(beginning)];
  }
}

/** A list from whose head thousands are taken, one after the other: what was taken is cut off now and then. */
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
