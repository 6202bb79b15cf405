import type { Clock } from '../../../shared/clock.ts';

/** Background work of one domain. */
export interface TurnTaker {
  /** Starts a flight, if there is work and room for it. */
  begin(): boolean;
}

/**
 * Lets the background lanes of all domains start their flights in turn. One flight starts in each turn of the event loop, so that the
 * next one finds its slots taken, whichever domain it belongs to.
 */
export class LaneTurns {
  readonly #clock: Pick<Clock, 'nextTurn'>;
  /** The next one to begin comes first. */
  readonly #lanes: TurnTaker[] = [];
  #isWaking = false;

  constructor(clock: Pick<Clock, 'nextTurn'>) {
    this.#clock = clock;
  }

  add(lane: TurnTaker): void {
    this.#lanes.push(lane);
  }

  /** Lets the next lane that can begin start a flight. */
  wake(): void {
    if (this.#isWaking) return;
    for (const lane of [...this.#lanes]) {
      if (!lane.begin()) continue;
      this.#lanes.push(...this.#lanes.splice(0, this.#lanes.indexOf(lane) + 1));
      return this.wakeSoon();
    }
  }

  /** As `wake`, in the next turn of the event loop. */
  wakeSoon(): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    this.#clock.nextTurn(() => {
      this.#isWaking = false;
      this.wake();
    });
  }
}
