import type { Clock } from '../../shared/clock.ts';

/**
 * Spreads bursts over turns of the event loop: of many model calls that are to begin in the same turn, a few begin at once
 * and the others a few a turn, in their order. Between two turns the loop looks at its timers, so that a burst of
 * beginnings never keeps a deadline waiting for longer than a few of them take, about a millisecond. Not one a turn,
 * because what is sent to a worker in one turn wakes it once.
 */
const STARTS_PER_TURN = 4;

export class LoopTurns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #started = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined when the caller may go on at once. */
  next(): Promise<void> | undefined {
    if (this.#started < STARTS_PER_TURN && this.#waiting.length === 0) {
      this.#start();
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #start(): void {
    this.#started++;
    if (this.#started === 1) this.#clock.nextTurn(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#started = 0;
    for (const resolve of this.#waiting.splice(0, STARTS_PER_TURN)) {
      this.#start();
      resolve();
    }
  }
}
