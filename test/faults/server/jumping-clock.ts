import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import { type Random, seededRandom } from '../../../src/shared/random.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** How far the monotonic clock leaps at most: a machine that slept, or was stopped, for a moment. */
const LEAP_MS_MAX = 150;

/**
 * The system's clock, with what real ones do: the wall clock jumps, by days, both ways; the monotonic one leaps forward,
 * and timers that were set before do not know of it.
 */
export class JumpingClock implements Clock {
  readonly #random: Random;
  #wallShiftMs = 0;
  #leaptMs = 0;
  jumps = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  now(): number {
    return systemClock.now() + this.#leaptMs;
  }

  wallNow(): number {
    return systemClock.wallNow() + this.#wallShiftMs;
  }

  setTimer: Clock['setTimer'] = (delayMs, fire) => systemClock.setTimer(delayMs, fire);
  nextTurn: Clock['nextTurn'] = (fire) => systemClock.nextTurn(fire);

  jump(): void {
    this.jumps++;
    this.#wallShiftMs = Math.round((this.#random.next() - 0.5) * 20 * DAY_MS);
    this.#leaptMs += this.#random.next() * LEAP_MS_MAX;
  }
}
