/**
 * Spreads bursts over turns of the event loop: of many model calls that are to begin in the same turn, one begins at once
 * and the others one a turn, in their order. Between two turns the loop looks at its timers, so that a burst of beginnings
 * never keeps a deadline waiting for longer than one of them takes.
 */
export class LoopTurns {
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** Undefined when the caller may go on at once. */
  next(): Promise<void> | undefined {
    if (!this.#taken) {
      this.#take();
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(): void {
    this.#taken = true;
    setImmediate(() => {
      this.#taken = false;
      const resolve = this.#waiting.shift();
      if (resolve === undefined) return;
      this.#take();
      resolve();
    });
  }
}
