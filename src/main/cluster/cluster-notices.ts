import type { Clock, Timer } from '../../shared/clock.ts';

/** Maximum number of changes that are reported within a minute. The last one that was not is reported at its end. */
const CHANGES_MAX = 6;
const PERIOD_MS = 60_000;
/** Maximum number of different oddities that are reported. */
const ONCE_MAX = 100;

/**
 * Warns whoever runs the node of what happens in the cluster, however often it happens: each oddity once, and changes a few times
 * a minute. Everything is counted elsewhere.
 */
export class ClusterNotices {
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  readonly #reported = new Set<string>();
  #changes = 0;
  #held: string | undefined;
  #period: Timer | undefined;

  constructor(clock: Clock, warn: (message: string) => void) {
    this.#clock = clock;
    this.#warn = warn;
  }

  /** Reports a message if it is the first with this key. */
  once(key: string, message: string): void {
    if (this.#reported.has(key) || this.#reported.size >= ONCE_MAX) return;
    this.#reported.add(key);
    this.#warn(message);
  }

  changed(message: string): void {
    this.#period ??= this.#clock.setTimer(PERIOD_MS, () => this.#ended());
    if (++this.#changes > CHANGES_MAX) this.#held = message;
    else this.#warn(message);
  }

  close(): void {
    this.#period?.cancel();
  }

  #ended(): void {
    const held = this.#held;
    const times = this.#changes - CHANGES_MAX;
    this.#period = undefined;
    this.#held = undefined;
    this.#changes = 0;
    if (held !== undefined) this.changed(`${held} (after ${times} changes in a minute that were not reported)`);
  }
}
