/**
 * How reliable the probability of a read action is: how often a model asked in words decided the same (isotonic regression by
 * pooling adjacent violators: Ayer et al. 1955; for probabilities of classifiers: Zadrozny and Elkan 2002), online, by model, and
 * by scene if a scene differs. Only written decisions count: reads do not judge reads. Older comparisons fade. Each comparison is
 * checked against its expectation before it is learned from, so the reported error is one of unseen answers.
 */
const BINS = 10;
/** Number of comparisons of a model that are remembered, by weight. */
const MEMORY = 400;
/** Number of comparisons of all scenes against which a scene's own are weighed. */
const SCENE_SHRINKAGE = 10;
/** Weight of the mean of all in each bin at the start. */
const PRIOR = 0.5;
const SCENES_MAX = 256;

/** Weighted comparisons, by the probability that was read. */
class BinnedOutcomes {
  readonly counts = new Float64Array(BINS);
  readonly agreed = new Float64Array(BINS);

  add(bin: number, agrees: boolean): void {
    this.counts[bin] = (this.counts[bin] as number) + 1;
    if (agrees) this.agreed[bin] = (this.agreed[bin] as number) + 1;
  }

  fade(): void {
    fade(this.counts);
    fade(this.agreed);
  }

  get total(): number {
    return sumOf(this.counts);
  }

  get mean(): number {
    return (sumOf(this.agreed) + PRIOR) / (this.total + 2 * PRIOR);
  }
}

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
  /** Expected calibration error, minus what chance alone contributes (Kumar et al. 2019); undefined with few comparisons. */
  readonly error: number | undefined;
  /** Mean squared error of what was expected (`brierOfMean`: of always expecting the mean). */
  readonly brier: number | undefined;
  readonly brierOfMean: number | undefined;
  readonly curve: readonly ReliabilityBin[];
}

/** How often reads agree with written votes, compared with how often two written votes agree, for the same states, because states differ. */
class PairOutcomes {
  readonly #counts = new Float64Array(BINS);
  readonly #withRead = new Float64Array(BINS);
  readonly #alike = new Float64Array(BINS);

  add(bin: number, agreed: number, areAlike: boolean): void {
    const outcomes = [this.#counts, this.#withRead, this.#alike];
    for (const each of outcomes) fade(each);
    for (const [index, value] of [1, agreed, areAlike ? 1 : 0].entries()) {
      const each = outcomes[index] as Float64Array;
      each[bin] = (each[bin] as number) + value;
    }
  }

  isEqual(bin: number): boolean {
    const count = sumOf(this.#counts);
    if (count < PAIRS_MIN) return false;
    // A bin's own pairs are weighed against this many pairs of all bins.
    const own = (outcomes: Float64Array): number =>
      ((outcomes[bin] as number) + (PAIRS_SHRINKAGE * sumOf(outcomes)) / count) /
      ((this.#counts[bin] as number) + PAIRS_SHRINKAGE);
    return own(this.#withRead) >= own(this.#alike) * EQUAL_SHARE;
  }
}

/** With fewer pairs, reads of a model do not decide. */
const PAIRS_MIN = 20;
const PAIRS_SHRINKAGE = 10;
/** Reads count as agreeing as often from this share on, to allow for chance. */
const EQUAL_SHARE = 0.97;

class ModelCalibration {
  readonly pairs = new PairOutcomes();
  readonly all = new BinnedOutcomes();
  readonly scenes = new Map<string, BinnedOutcomes>();
  compared = 0;
  /** Comparisons behind the error, by expected probability. */
  readonly #expected = new Float64Array(BINS);
  readonly #expectedSum = new Float64Array(BINS);
  readonly #came = new Float64Array(BINS);
  #squared = 0;
  #fitted: readonly number[] | undefined;

  get curve(): readonly number[] {
    this.#fitted ??= isotonic(this.all, () => this.all.mean, 2 * PRIOR);
    return this.#fitted;
  }

  curveOf(scene: string): readonly number[] {
    const own = this.scenes.get(scene);
    return own === undefined ? this.curve : isotonic(own, (bin) => this.curve[bin] as number, SCENE_SHRINKAGE);
  }

  heard(scene: string, probability: number, agrees: boolean): void {
    const bin = binOf(probability);
    this.#judge(this.curveOf(scene)[bin] as number, agrees);
    let own = this.scenes.get(scene);
    if (own === undefined) {
      if (this.scenes.size >= SCENES_MAX) this.scenes.clear();
      own = new BinnedOutcomes();
      this.scenes.set(scene, own);
    }
    for (const outcomes of [this.all, own]) {
      outcomes.fade();
      outcomes.add(bin, agrees);
    }
    this.compared++;
    this.#fitted = undefined;
  }

  #judge(expected: number, agrees: boolean): void {
    const bin = binOf(expected);
    this.#expected[bin] = (this.#expected[bin] as number) + 1;
    this.#expectedSum[bin] = (this.#expectedSum[bin] as number) + expected;
    if (agrees) this.#came[bin] = (this.#came[bin] as number) + 1;
    this.#squared += (expected - (agrees ? 1 : 0)) ** 2;
  }

  stats(model: string): CalibrationStats {
    const { compared } = this;
    const curve = [...this.#expected.keys()].map((bin) => {
      const count = this.#expected[bin] as number;
      const mean = (sum: Float64Array): number => (count === 0 ? 0 : (sum[bin] as number) / count);
      return { from: bin / BINS, compared: count, expected: mean(this.#expectedSum), agreed: mean(this.#came) };
    });
    const came = sumOf(this.#came) / Math.max(1, compared);
    const isKnown = compared >= COMPARED_MIN;
    return {
      model,
      compared,
      error: isKnown ? debiasedError(curve, compared) : undefined,
      brier: isKnown ? this.#squared / compared : undefined,
      brierOfMean: isKnown ? came * (1 - came) : undefined,
      curve: curve.filter((bin) => bin.compared > 0),
    };
  }
}

/** With fewer comparisons, nothing is reported about a model. */
export const COMPARED_MIN = 20;
/** A bin with less weight than this has no recent comparisons. */
const SEEN_MIN = 0.5;
const MODELS_MAX = 256;

export class ReadCalibration {
  readonly #models = new Map<string, ModelCalibration>();

  /** Records a written decision for the state of a read: whether it was the action to which the read gave `probability`. */
  heard(model: string, scene: string, probability: number, agrees: boolean): void {
    this.#of(model).heard(scene, probability, agrees);
  }

  /** Records two written votes for the state of a read: the share of them that agrees with it, and whether they agree with each other. */
  heardPair(model: string, probability: number, agreed: number, areAlike: boolean): void {
    this.#of(model).pairs.add(binOf(probability), agreed, areAlike);
  }

  /** Whether reads of this probability agree with written votes as often as these agree with each other. */
  isEqual(model: string, probability: number): boolean {
    return this.#models.get(model)?.pairs.isEqual(binOf(probability)) ?? false;
  }

  /** The chance that the model would decide the same in words. Undefined while too little is known. */
  chanceOf(model: string, scene: string, probability: number): number | undefined {
    const known = this.#models.get(model);
    if (known === undefined || known.compared < COMPARED_MIN) return undefined;
    return known.curveOf(scene)[binOf(probability)];
  }

  /** Whether reads of any recently seen probability are worth at least `chance`. True while too little is known. */
  isAnySure(model: string, chance: number): boolean {
    const known = this.#models.get(model);
    if (known === undefined || known.compared < COMPARED_MIN) return true;
    return known.curve.some(
      (worth, bin) => (known.all.counts[bin] as number) >= SEEN_MIN && worth >= chance && known.pairs.isEqual(bin),
    );
  }

  comparedOf(model: string): number {
    return this.#models.get(model)?.compared ?? 0;
  }

  stats(): CalibrationStats[] {
    return [...this.#models].map(([model, calibration]) => calibration.stats(model));
  }

  #of(model: string): ModelCalibration {
    let known = this.#models.get(model);
    if (known === undefined) {
      if (this.#models.size >= MODELS_MAX) this.#models.clear();
      known = new ModelCalibration();
      this.#models.set(model, known);
    }
    return known;
  }
}

function binOf(probability: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.floor(probability * BINS)));
}

/** Reduces the weight of older comparisons. */
function fade(weights: Float64Array): void {
  for (const [bin, weight] of weights.entries()) weights[bin] = weight * (1 - 1 / MEMORY);
}

function sumOf(numbers: Float64Array): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** The share of each bin, weighted with `strength` comparisons of its prior, never decreasing from bin to bin. */
function isotonic(outcomes: BinnedOutcomes, prior: (bin: number) => number, strength: number): readonly number[] {
  const blocks: { share: number; weight: number; bins: number }[] = [];
  for (let bin = 0; bin < BINS; bin++) {
    const weight = (outcomes.counts[bin] as number) + strength;
    const share = ((outcomes.agreed[bin] as number) + strength * prior(bin)) / weight;
    blocks.push({ share, weight, bins: 1 });
    for (let last = blocks.length - 1; last > 0; last--) {
      const [a, b] = [blocks[last - 1], blocks[last]] as [(typeof blocks)[0], (typeof blocks)[0]];
      if (a.share <= b.share) break;
      const both = a.weight + b.weight;
      blocks.splice(last - 1, 2, {
        share: (a.share * a.weight + b.share * b.weight) / both,
        weight: both,
        bins: a.bins + b.bins,
      });
    }
  }
  return blocks.flatMap(({ share, bins }) => Array<number>(bins).fill(share));
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
