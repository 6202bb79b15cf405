import type { Clock, Timer } from '../../../shared/clock.ts';

/**
 * What a server shows of the calls that were aborted: llama.cpp tells how many of its slots are at work, and answers that question
 * only between two steps of its work, so that while it reads a prompt to the end there is no answer. Held slots are free as soon as
 * it shows no more at work than are wanted, and are held on, within bounds, while it is silent or shows more. A server that
 * does not answer at all is not asked again for a while: then holds end when they were estimated to.
 */
export interface HeldSlots {
  /** Slots at work and held. */
  readonly ownBusy: number;
  readonly held: number;
  /** Frees all that are held. */
  endHolds(): void;
}

/** How many slots of the server are at work; undefined where it does not tell. Never rejects. */
export type AskBusy = (timeoutMs: number, signal: AbortSignal) => Promise<number | undefined>;

/** Shorter holds are over before an answer could be of use. */
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

  /** A slot is held, for so long by what is known of the server's times. */
  began(holdMs: number): void {
    if (holdMs < WORTH_ASKING_MS || this.#isAsking || this.#again !== undefined) return;
    if (this.#clock.now() >= this.#silentUntilMs) void this.#look();
  }

  /** Whether the server is known, or thought, to work on for calls that were aborted. */
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
