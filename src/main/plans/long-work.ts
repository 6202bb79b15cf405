import type { Clock } from '../../shared/clock.ts';
import type { InParts } from '../../shared/in-parts.ts';

interface Running {
  /** Does one part. Returns false when the work has ended. */
  step(): boolean;
}

/**
 * Reads and checks large messages, one part in each turn of the event loop, for all callers: many at once take longer, but do not
 * block the loop. They take turns in the order of arrival. Bounded by the callers: ways in have a budget of bytes.
 */
export class LongWork {
  readonly #clock: Clock;
  readonly #running: Running[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does the first part now, so that short work needs no turn. Throws what that part throws. */
  begin<T>(work: InParts<T>): T | Promise<T> {
    const { done, value } = work.next();
    return done === true ? value : this.run(work);
  }

  /** Does the first part in the next turn. Rejects with what a part throws. */
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
