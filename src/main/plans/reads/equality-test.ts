import { addTo, BINS, fade, faded, restored, restoredNumber, saved, savedNumber, sumOf } from './bins.ts';

/** How reads of a model compare with votes in words, as far as there is evidence. */
export const READ_WORTHS = ['unknown', 'equal', 'worse'] as const;
export type ReadWorth = (typeof READ_WORTHS)[number];

/** Reads may agree with votes this much less often than votes do with each other. */
const TOLERANCE = 0.03;
/** The test tells a mean excess that is this much below the tolerance from one that is this much above it. */
const HALF_GAP = 0.05;
/** Evidence that decides, as the logarithm of odds: wrong in at most one of twenty models at the ends of the gap. */
const DECISIVE = Math.log(20);
/** Evidence never exceeds this, so that a model that changes is noticed. */
const EVIDENCE_MAX = 1.5 * DECISIVE;
/** A single pair is no more evidence than this. */
const PAIR_MAX = DECISIVE / 2;
/** With fewer pairs, nothing is decided. */
const PAIRS_MIN = 20;
/** A probability's own pairs are weighed against this many pairs of all probabilities. */
const PAIRS_SHRINKAGE = 10;
/** Variance of the excess at the start, and its weight in pairs. */
const VARIANCE_AT_FIRST = 0.25;
const VARIANCE_WEIGHT = 5;
/** Where votes hardly ever differ, the evidence of a pair is that of this variance. */
const VARIANCE_MIN = 0.02;

export interface SavedEquality {
  readonly counts: readonly number[];
  readonly excess: readonly number[];
  readonly squares: number;
  readonly ofSure: number;
  readonly ofAll: number;
  readonly verdict: ReadWorth;
}

/**
 * Whether reads of a model are as good as votes in words, from pairs of votes that experts gave without knowing of a read for the same
 * state. The *excess* of a pair is the share of its votes that agree with the read, minus 1 if they agree with each other. Its mean is 0
 * if a read is as good as one of the votes, whatever the states are.
 *
 * A sequential probability ratio test (Wald 1945) accumulates the evidence: it decides after a few dozen clear pairs, and takes as many
 * as are needed if the difference is small. Only pairs count for which the read would have been trusted before they were known, because
 * reads decide nothing else. Evidence has bounds (as in the cumulative sums of Page 1954), and a verdict stands until the evidence for it
 * is used up.
 */
export class EqualityTest {
  #counts = new Float64Array(BINS);
  #excess = new Float64Array(BINS);
  #squares = 0;
  /** Evidence from pairs whose read would have been trusted, and from all. */
  #ofSure = 0;
  #ofAll = 0;
  #verdict: ReadWorth = 'unknown';

  add(bin: number, excess: number): void {
    const gained = this.#evidenceOf(excess);
    this.#ofAll = within(EVIDENCE_MAX, this.#ofAll + gained);
    if (this.isTrusted(bin)) this.#ofSure = within(EVIDENCE_MAX, this.#ofSure + gained);
    this.#remember(bin, excess);
    if (this.#count >= PAIRS_MIN) this.#verdict = this.#judge();
  }

  /** The verdict. Reads of a model that has none to be trusted are worse, whatever it was. */
  get worth(): ReadWorth {
    return this.#isHopeless ? 'worse' : this.#verdict;
  }

  /** Whether there is evidence against all reads together, and no probability is an exception. */
  get #isHopeless(): boolean {
    if (this.#ofAll > -DECISIVE || this.#count < PAIRS_MIN) return false;
    return !this.#counts.some((_, bin) => this.isTrusted(bin));
  }

  /** Whether reads of this probability seem as good as votes: a mere estimate, with no say before the verdict. */
  isTrusted(bin: number): boolean {
    const count = this.#count;
    const mean = count === 0 ? 0 : sumOf(this.#excess) / count;
    const own = (this.#excess[bin] as number) + PAIRS_SHRINKAGE * mean;
    return own >= -TOLERANCE * ((this.#counts[bin] as number) + PAIRS_SHRINKAGE);
  }

  save(): SavedEquality {
    return {
      counts: saved(this.#counts),
      excess: saved(this.#excess),
      squares: savedNumber(this.#squares),
      ofSure: savedNumber(this.#ofSure),
      ofAll: savedNumber(this.#ofAll),
      verdict: this.#verdict,
    };
  }

  /** The verdict stands, with half of the evidence. */
  restore({ counts, excess, squares, ofSure, ofAll, verdict }: SavedEquality): void {
    this.#counts = restored(counts);
    this.#excess = restored(excess);
    this.#squares = restoredNumber(squares);
    this.#ofSure = restoredNumber(ofSure);
    this.#ofAll = restoredNumber(ofAll);
    this.#verdict = verdict;
  }

  get #count(): number {
    return sumOf(this.#counts);
  }

  /** Logarithm of how much likelier the excess is if reads are as good. Normal errors are assumed. */
  #evidenceOf(excess: number): number {
    const squares = this.#squares + VARIANCE_WEIGHT * VARIANCE_AT_FIRST;
    const variance = Math.max(VARIANCE_MIN, squares / (this.#count + VARIANCE_WEIGHT));
    return within(PAIR_MAX, ((2 * HALF_GAP) / variance) * (excess + TOLERANCE));
  }

  #remember(bin: number, excess: number): void {
    fade(this.#counts);
    fade(this.#excess);
    this.#squares = faded(this.#squares) + excess ** 2;
    addTo(this.#counts, bin, 1);
    addTo(this.#excess, bin, excess);
  }

  #judge(): ReadWorth {
    if (this.#ofSure >= DECISIVE) return 'equal';
    if (this.#ofSure <= -DECISIVE) return 'worse';
    const isUsedUp = this.#verdict === 'equal' ? this.#ofSure <= 0 : this.#ofSure >= 0;
    return isUsedUp ? 'unknown' : this.#verdict;
  }
}

function within(bound: number, evidence: number): number {
  return Math.min(bound, Math.max(-bound, evidence));
}
