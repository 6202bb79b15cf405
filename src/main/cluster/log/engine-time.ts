import type { Clock } from '../../../shared/clock.ts';

/** Number of calls whose times are kept. */
const SAMPLES_MAX = 8;
/** The engine's time is known for this long after a call, in milliseconds. */
const KNOWN_MS = 5_000;

/** Difference between the steady clock and the engine's: it is in between. */
interface Offsets {
  readonly leastMs: number;
  readonly mostMs: number;
}

/**
 * Knows how the engine's clock relates to this node's steady one, within a round trip. A call that was sent at `s` and answered at `r`
 * with the engine's time `T` passed the engine between them. If the engine's clock is set, the older calls contradict and are forgotten.
 */
export class EngineTime {
  readonly #clock: Clock;
  #samples: Offsets[] = [];
  #leastMs = 0;
  #mostMs = 0;
  #sampledMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call that was sent at `sentMs` has just been answered with the engine's time, in whole milliseconds. */
  sample(sentMs: number, engineMs: number): void {
    const nowMs = this.#clock.now();
    const newest = { leastMs: sentMs - engineMs - 1, mostMs: nowMs - engineMs };
    this.#samples = [...this.#samples.slice(1 - SAMPLES_MAX), newest];
    this.#bound();
    if (this.#leastMs > this.#mostMs) {
      this.#samples = [newest];
      this.#bound();
    }
    this.#sampledMs = nowMs;
  }

  #bound(): void {
    this.#leastMs = Math.max(...this.#samples.map(({ leastMs }) => leastMs));
    this.#mostMs = Math.min(...this.#samples.map(({ mostMs }) => mostMs));
  }

  get isKnown(): boolean {
    return this.#clock.now() - this.#sampledMs <= KNOWN_MS;
  }

  /** The engine's time now, or somewhat earlier. NaN if it is not known. */
  now(): number {
    return this.isKnown ? this.#clock.now() - this.#mostMs : Number.NaN;
  }

  /** The time of the steady clock at which it was `engineMs` at the engine, or somewhat earlier. */
  earliest(engineMs: number): number {
    return engineMs + this.#leastMs;
  }
}
