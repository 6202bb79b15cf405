import type { Clock, Timer } from '../../../shared/clock.ts';

/**
 * Schedules the writes of a file: the first one `everyMs` after the start, and at least as long between the starts of two, however
 * often something changes. A write that runs is waited for.
 */
export class WriteBehind {
  readonly #clock: Clock;
  readonly #everyMs: () => number;
  readonly #write: () => Promise<void>;
  #isWanted = false;
  #timer: Timer | undefined;
  #lastStartMs: number;
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /** `write` never rejects. */
  constructor(clock: Clock, everyMs: () => number, write: () => Promise<void>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#write = write;
    this.#lastStartMs = clock.now();
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Asks for a write. No effect after `close`. */
  want(): void {
    if (this.isClosed) return;
    this.#isWanted = true;
    if (this.#writing === undefined) this.#arm();
  }

  /** Asks for a write as soon as none runs. */
  wantNow(): void {
    this.#lastStartMs = Number.NEGATIVE_INFINITY;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.want();
  }

  /** Writes a last time, after a write that runs. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#timer?.cancel();
    this.#isWanted = false;
    await this.#writing;
    await this.#write();
  }

  #arm(): void {
    this.#timer ??= this.#clock.setTimer(this.#lastStartMs + this.#everyMs() - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#writing = this.#writeWanted();
    });
  }

  async #writeWanted(): Promise<void> {
    this.#isWanted = false;
    this.#lastStartMs = this.#clock.now();
    await this.#write();
    this.#writing = undefined;
    if (this.#isWanted) this.#arm();
  }
}
