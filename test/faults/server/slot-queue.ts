/** The slots of the fault server: so many answers at once, the others wait in the order of their arrival. */
export interface SlotClaim {
  /** Gives the slot back, or leaves the queue; more than once does nothing. */
  release(): void;
}

interface Claim extends SlotClaim {
  readonly start: () => void;
}

export class SlotQueue {
  #limit: number;
  readonly #running = new Set<Claim>();
  readonly #waiting = new Set<Claim>();
  /** The most that ever ran at once since the last `forget`. */
  runningMax = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Answers that run over a smaller limit end first. */
  set limit(limit: number) {
    this.#limit = limit;
    this.#serve();
  }

  /** Calls `start` when a slot is there: now, or later. */
  take(start: () => void): SlotClaim {
    const claim: Claim = {
      start,
      release: () => {
        this.#waiting.delete(claim);
        if (this.#running.delete(claim)) this.#serve();
      },
    };
    this.#waiting.add(claim);
    this.#serve();
    return claim;
  }

  /** Every slot is free and the queue is empty, whoever held them. */
  forget(): void {
    this.#running.clear();
    this.#waiting.clear();
    this.runningMax = 0;
  }

  #serve(): void {
    for (const claim of this.#waiting) {
      if (this.#running.size >= this.#limit) return;
      this.#waiting.delete(claim);
      this.#running.add(claim);
      this.runningMax = Math.max(this.runningMax, this.#running.size);
      claim.start();
    }
  }
}
