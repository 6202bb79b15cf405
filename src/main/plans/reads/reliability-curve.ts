import { addTo, BINS, fade, restored, saved, sumOf } from './bins.ts';

/** Comparisons against which each bin's own are weighed, as the line through all bins expects them. */
const LINE_STRENGTH = 10;
/** Steps of Newton's method: the fit hardly moves after these. */
const FIT_STEPS = 6;
/** The line before anything is known, as offset and slope, and what it weighs. */
const LINE_AT_FIRST = [0, 0.5] as const;
const LINE_WEIGHTS = [0.1, 8] as const;

export interface SavedOutcomes {
  readonly counts: readonly number[];
  readonly agreed: readonly number[];
}

/** Weighted comparisons, by the probability that was read. */
export class BinnedOutcomes {
  #counts = new Float64Array(BINS);
  #agreed = new Float64Array(BINS);

  add(bin: number, agrees: boolean): void {
    fade(this.#counts);
    fade(this.#agreed);
    addTo(this.#counts, bin, 1);
    if (agrees) addTo(this.#agreed, bin, 1);
  }

  get total(): number {
    return sumOf(this.#counts);
  }

  countOf(bin: number): number {
    return this.#counts[bin] as number;
  }

  agreedOf(bin: number): number {
    return this.#agreed[bin] as number;
  }

  /** The curve without another to start from: each bin's own comparisons count besides a line through all of them. */
  get curve(): readonly number[] {
    return isotonic(this, plattLine(this), LINE_STRENGTH);
  }

  save(): SavedOutcomes {
    return { counts: saved(this.#counts), agreed: saved(this.#agreed) };
  }

  restore({ counts, agreed }: SavedOutcomes): void {
    this.#counts = restored(counts);
    this.#agreed = restored(agreed);
  }
}

/**
 * The share of each bin, weighted with `strength` comparisons of its prior, never decreasing from bin to bin: isotonic regression by
 * pooling adjacent violators (Ayer et al. 1955; for probabilities of classifiers: Zadrozny and Elkan 2002).
 */
export function isotonic(
  outcomes: BinnedOutcomes,
  prior: (bin: number) => number,
  strength: number,
): readonly number[] {
  const blocks: Block[] = [];
  for (let bin = 0; bin < BINS; bin++) {
    const weight = outcomes.countOf(bin) + strength;
    blocks.push({ share: (outcomes.agreedOf(bin) + strength * prior(bin)) / weight, weight, bins: 1 });
    while (isFalling(blocks)) blocks.push(merged(blocks.pop() as Block, blocks.pop() as Block));
  }
  return blocks.flatMap(({ share, bins }) => Array<number>(bins).fill(share));
}

interface Block {
  readonly share: number;
  readonly weight: number;
  readonly bins: number;
}

function isFalling(blocks: readonly Block[]): boolean {
  const [before, last] = blocks.slice(-2);
  return before !== undefined && last !== undefined && before.share > last.share;
}

function merged(a: Block, b: Block): Block {
  const weight = a.weight + b.weight;
  return { share: (a.share * a.weight + b.share * b.weight) / weight, weight, bins: a.bins + b.bins };
}

/**
 * The chance of each bin if the odds are a power of the odds that were read (Platt 1999): two numbers, which a few comparisons are
 * enough for. Both are pulled to their start, so that one-sided outcomes give no certainty.
 */
function plattLine(outcomes: BinnedOutcomes): (bin: number) => number {
  let line: readonly [number, number] = LINE_AT_FIRST;
  for (let step = 0; step < FIT_STEPS; step++) line = fitted(outcomes, line);
  return (bin) => chanceAt(line, bin);
}

/** One step of Newton's method towards the likeliest line. */
function fitted(outcomes: BinnedOutcomes, line: readonly [number, number]): readonly [number, number] {
  let [a, b] = [-LINE_WEIGHTS[0] * (line[0] - LINE_AT_FIRST[0]), -LINE_WEIGHTS[1] * (line[1] - LINE_AT_FIRST[1])];
  let [aa, ab, bb] = [LINE_WEIGHTS[0] as number, 0, LINE_WEIGHTS[1] as number];
  for (let bin = 0; bin < BINS; bin++) {
    const x = logOddsOf(bin);
    const chance = chanceAt(line, bin);
    const missing = outcomes.agreedOf(bin) - outcomes.countOf(bin) * chance;
    const weight = outcomes.countOf(bin) * chance * (1 - chance);
    a += missing;
    b += missing * x;
    aa += weight;
    ab += weight * x;
    bb += weight * x * x;
  }
  const determinant = aa * bb - ab * ab;
  return [line[0] + (bb * a - ab * b) / determinant, line[1] + (aa * b - ab * a) / determinant];
}

function chanceAt([offset, slope]: readonly [number, number], bin: number): number {
  return 1 / (1 + Math.exp(-(offset + slope * logOddsOf(bin))));
}

/** Of the middle of a bin. */
function logOddsOf(bin: number): number {
  const probability = (bin + 0.5) / BINS;
  return Math.log(probability / (1 - probability));
}
