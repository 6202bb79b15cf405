import { addTo, BINS, binOf, saved, savedNumber, sumOf } from './bins.ts';

/** With fewer comparisons, nothing is expected of a model's reads, and nothing is reported about them. */
export const COMPARED_MIN = 20;

/** One bin of the reliability curve: what was expected on average, and how often it occurred. */
export interface ReliabilityBin {
  /** The bin's lower end, by expected probability. */
  readonly from: number;
  readonly compared: number;
  readonly expected: number;
  readonly agreed: number;
}

export interface CalibrationStats {
  readonly model: string;
  /** Number of reads that were compared with a written decision for the same state. */
  readonly compared: number;
  /** Expected calibration error, minus what chance alone contributes (Kumar et al. 2019). Undefined for the first comparisons, as the errors below. */
  readonly error: number | undefined;
  /** Mean squared error of what was expected (`brierOfMean`: of always expecting the mean). */
  readonly brier: number | undefined;
  readonly brierOfMean: number | undefined;
  readonly curve: readonly ReliabilityBin[];
}

interface SavedExpectations {
  readonly counts: readonly number[];
  readonly expected: readonly number[];
  readonly agreed: readonly number[];
}

export interface SavedReliability {
  readonly all: SavedExpectations;
  readonly judged: SavedExpectations;
  readonly squares: number;
}

/** Comparisons by what was expected. */
class BinnedExpectations {
  #counts = new Float64Array(BINS);
  #expected = new Float64Array(BINS);
  #agreed = new Float64Array(BINS);

  add(expected: number, outcome: number): void {
    const bin = binOf(expected);
    addTo(this.#counts, bin, 1);
    addTo(this.#expected, bin, expected);
    addTo(this.#agreed, bin, outcome);
  }

  get count(): number {
    return sumOf(this.#counts);
  }

  get share(): number {
    return sumOf(this.#agreed) / this.count;
  }

  get curve(): ReliabilityBin[] {
    return [...this.#counts.entries()].flatMap(([bin, count]) => (count > 0 ? [this.#binAt(bin, count)] : []));
  }

  #binAt(bin: number, count: number): ReliabilityBin {
    const [expected, agreed] = [this.#expected[bin] as number, this.#agreed[bin] as number];
    return { from: bin / BINS, compared: count, expected: expected / count, agreed: agreed / count };
  }

  save(): SavedExpectations {
    return { counts: saved(this.#counts), expected: saved(this.#expected), agreed: saved(this.#agreed) };
  }

  restore({ counts, expected, agreed }: SavedExpectations): void {
    this.#counts = Float64Array.from(counts);
    this.#expected = Float64Array.from(expected);
    this.#agreed = Float64Array.from(agreed);
  }
}

/**
 * What was expected of reads before it was known, and what then occurred. The first comparisons are on the curve, but not in the errors:
 * there was nothing to expect them from.
 */
export class ReliabilityRecord {
  readonly #all = new BinnedExpectations();
  readonly #judged = new BinnedExpectations();
  #squares = 0;

  add(expected: number, agrees: boolean): void {
    const outcome = agrees ? 1 : 0;
    if (this.#all.count >= COMPARED_MIN) this.#judge(expected, outcome);
    this.#all.add(expected, outcome);
  }

  #judge(expected: number, outcome: number): void {
    this.#judged.add(expected, outcome);
    this.#squares += (expected - outcome) ** 2;
  }

  stats(): Omit<CalibrationStats, 'model' | 'compared'> {
    const { curve } = this.#all;
    const { count, share } = this.#judged;
    if (count === 0) return { error: undefined, brier: undefined, brierOfMean: undefined, curve };
    const error = debiasedError(this.#judged.curve, count);
    return { error, brier: this.#squares / count, brierOfMean: share * (1 - share), curve };
  }

  save(): SavedReliability {
    return { all: this.#all.save(), judged: this.#judged.save(), squares: savedNumber(this.#squares) };
  }

  restore({ all, judged, squares }: SavedReliability): void {
    this.#all.restore(all);
    this.#judged.restore(judged);
    this.#squares = squares;
  }
}

/** The calibration error, without what chance alone adds to the squared distance of each bin. */
function debiasedError(curve: readonly ReliabilityBin[], compared: number): number {
  let squared = 0;
  for (const { compared: count, expected, agreed } of curve) {
    if (count < 2) continue;
    squared += (count / compared) * ((expected - agreed) ** 2 - (agreed * (1 - agreed)) / (count - 1));
  }
  return Math.sqrt(Math.max(0, squared));
}
