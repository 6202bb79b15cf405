import type { Clock } from '../../../shared/clock.ts';

/** Busy slots times milliseconds, added up. */
export class WorkedTime {
  readonly #clock: Clock;
  readonly #busy: () => number;
  #worked = 0;
  #untilMs: number;

  constructor(clock: Clock, busy: () => number) {
    this.#clock = clock;
    this.#busy = busy;
    this.#untilMs = clock.now();
  }

  /** Until now. Also to be called before the number of busy slots falls. */
  now(): number {
    const nowMs = this.#clock.now();
    this.#worked += this.#busy() * (nowMs - this.#untilMs);
    this.#untilMs = nowMs;
    return this.#worked;
  }
}
