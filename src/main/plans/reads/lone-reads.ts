import type { Random } from '../../../shared/random.ts';
import type { LoneWorth } from './lone-test.ts';
import type { ReadCalibration } from './read-calibration.ts';

/** What follows on a read that decided because nobody could write in time. */
export interface LoneUse {
  /** Whether experts are asked at once, for later, what it is worth. */
  readonly isProved: boolean;
  /** Whether its decision is remembered. */
  readonly isKept: boolean;
}

/** While there is no verdict after this many lone reads, they are kept, and hardly any of them is proved. */
const UNDECIDED_MAX = 100;
/** Share of lone reads that are proved after the verdict that they are better than no model. */
const PROVED_SHARE = 0.1;

/**
 * Reads where no expert can write in time. They have no written votes to be held against, so experts are asked in the background about a
 * share of them: drawn before anything is known about the result, and asked at once about the very request that was read. Asking about
 * states that come back would be no fair draw, since these are the ones in which the action did not help.
 */
export class LoneReads {
  readonly #calibration: ReadCalibration;
  readonly #random: Random;
  /** The model, if the last read was a lone one. */
  #model: string | undefined;
  #undecided = 0;

  constructor(calibration: ReadCalibration, random: Random) {
    this.#calibration = calibration;
    this.#random = random;
  }

  /** A lone read of a model has decided. */
  decided(model: string): LoneUse {
    this.#model = model;
    const isKnown = this.#calibration.loneWorthOf(model) === 'better';
    if (!isKnown && this.#undecided < UNDECIDED_MAX) {
      this.#undecided++;
      return { isProved: true, isKept: false };
    }
    return { isProved: this.#random.next() < PROVED_SHARE, isKept: true };
  }

  /** A read had others beside it that could write in time. */
  notAlone(): void {
    this.#model = undefined;
  }

  /** Whether it is still to be shown what they are worth, before anything else is asked for later. */
  get isOpen(): boolean {
    return this.#worth === 'unknown' && this.#undecided < UNDECIDED_MAX;
  }

  /** Whether a slot is kept free for the next of them. */
  get isUsed(): boolean {
    return this.#worth !== undefined && this.#worth !== 'worse';
  }

  get #worth(): LoneWorth | undefined {
    return this.#model === undefined ? undefined : this.#calibration.loneWorthOf(this.#model);
  }
}
