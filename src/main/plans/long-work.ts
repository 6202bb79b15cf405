import type { Clock } from '../../shared/clock.ts';
import type { InParts } from '../../shared/in-parts.ts';

interface Running {
  /** False when it has ended. */
  step(): boolean;
}

/**
 * Large messages are read and checked here, one part in a turn of the event loop, whoever it is for: many of them at once take longer,
 * and hold nobody up. They take turns in the order in which they came. Bounded by who brings them: ways in have a budget of bytes.
 */
export class LongWork {
  readonly #clock: Clock;
  readonly #running: Running[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does the first part now: what is short takes no turn. Throws what that part throws. */
  begin<T>(work: InParts<T>): T | Promise<T> {
    const { done, value } = work.next();
    return done === true ? value : this.run(work);
  }

  /** The first part is done in the next turn. Rejects with what a part throws. */
  run<T>(work: InParts<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const step = (): boolean => {
      try {
        const { done, value } = work.next();
        if (done === true) resolve(value);
        return done !== true;
      } catch (error) {
        reject(error);
        return false;
      }
    };
    if (this.#running.push({ step }) === 1) this.#setTurn();
    return promise;
  }

  #setTurn(): void {
    this.#clock.nextTurn(() => {
      const first = this.#running[0] as Running;
      const goesOn = first.step();
      this.#running.shift();
      if (goesOn) this.#running.push(first);
      if (this.#running.length > 0) this.#setTurn();
    });
  }
}
