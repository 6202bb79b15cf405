import { type GuessKind, GuessRecord } from './guess-record.ts';

/** What is at stake if a model is asked ahead. */
export interface Stakes {
  /** What a used answer saves. */
  readonly savedMs: number;
  /** What the call takes from the server. */
  readonly callMs: number;
  /** Chance that somebody asks before the call ends. */
  readonly askedChance: number;
  /** How long an aborted call is known to hold its slot. */
  readonly heldMs: number;
}

/** A slot has a price where nobody else asks, too: this share of the call. It costs power, and slots share a processor. */
const PRICE_MIN = 0.5;
/** Of this many decisions whose guesses are all held back, one asks its best, so that a change is noticed. */
const TRIAL_EVERY = 100;

/**
 * Opens where asking ahead pays: the lower bound of how often such guesses were used, times the time saved, is more than the price of
 * the slot. It learns before it opens, and is shut without evidence.
 */
export class WorthGate {
  readonly #record = new GuessRecord();
  #silent = 0;

  /** Records whether the state of a guess was requested, and in time. */
  judged(kind: GuessKind, wasUsed: boolean): void {
    this.#record.judged(kind, wasUsed);
  }

  /** Returns the lower bound of how often such a guess is used; 0 without evidence. */
  usedLow(kind: GuessKind): number {
    return this.#record.usedLow(kind);
  }

  opens(kind: GuessKind, { savedMs, callMs, askedChance, heldMs }: Stakes): boolean {
    const used = this.usedLow(kind);
    return used * savedMs > (1 - used) * Math.max(askedChance * heldMs, PRICE_MIN * callMs);
  }

  /** Call once for each decision whose guesses were all held back. Returns true if its best guess is to be asked all the same. */
  tries(): boolean {
    this.#silent = (this.#silent + 1) % TRIAL_EVERY;
    return this.#silent === 0;
  }
}
