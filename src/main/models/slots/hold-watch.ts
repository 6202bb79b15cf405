import type { Clock, Timer } from '../../../shared/clock.ts';

/**
 * Watches what a server shows about aborted calls. llama.cpp reports how many of its slots are busy, but only between two steps
 * of its work, so there is no answer while it reads a prompt to the end. Held slots are released as soon as it shows no more busy
 * slots than expected, and are held longer, within bounds, while it is silent or shows more. A server that does not answer at all
 * is not asked again for a while: then holds end when estimated.
 */
export interface HeldSlots {
  /** Number of busy slots, held ones included. */
  readonly ownBusy: number;
  readonly held: number;
  /** Releases all held slots. */
  endHolds(): void;
}

/** Returns how many slots of the server are busy; undefined if it does not report that. Never rejects. */
export type AskBusy = (timeoutMs: number, signal: AbortSignal) => Promise<number | undefined>;

/** Shorter holds are over before an answer could be useful. */
const WORTH_ASKING_MS = 100;
const AGAIN_MS = 100;
const ANSWER_MS_MAX = 10_000;
const SILENT_MS = 60_000;

export class HoldWatch {
  readonly #clock: Clock;
  readonly #slots: HeldSlots;
  readonly #ask: AskBusy;
  readonly #closing = new AbortController();
  #again: Timer | undefined;
  #isAsking = false;
  #isBusy = false;
  #silentUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, slots: HeldSlots, ask: AskBusy) {
    this.#clock = clock;
    this.#slots = slots;
    this.#ask = ask;
  }

  /** A slot is held for this estimated time. */
  began(holdMs: number): void {
    if (holdMs < WORTH_ASKING_MS || this.#isAsking || this.#again !== undefined) return;
    if (this.#clock.now() >= this.#silentUntilMs) void this.#look();
  }

  /** Whether the server is known, or believed, to continue with aborted calls. */
  get isBusy(): boolean {
    return this.#isAsking || this.#isBusy;
  }

  close(): void {
    this.#closing.abort();
    this.#again?.cancel();
  }

  async #look(): Promise<void> {
    this.#again = undefined;
    this.#isAsking = true;
    const busy = await this.#ask(ANSWER_MS_MAX, this.#closing.signal);
    this.#isAsking = false;
    if (this.#closing.signal.aborted) return;
    if (busy === undefined) this.#silentUntilMs = this.#clock.now() + SILENT_MS;
    this.#isBusy = busy !== undefined && busy > this.#slots.ownBusy - this.#slots.held;
    if (this.#isBusy && this.#slots.held > 0) {
      this.#again = this.#clock.setTimer(AGAIN_MS, () => void this.#look());
      return;
    }
    this.#isBusy = false;
    if (busy !== undefined) this.#slots.endHolds();
  }
}
