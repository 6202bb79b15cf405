/**
 * Streaming quantiles of durations that forget: a histogram of logarithmic buckets (as in DDSketch, Masson et al. 2019)
 * whose older samples weigh less and less. Any quantile is within 5 % of a value that was recorded. Bounded: some two
 * hundred numbers, whatever is recorded. Instead of fading every bucket at every sample, each new sample weighs more
 * than the one before it, and all are scaled down when the weights grow large.
 */
const GAMMA = 1.1;
const LOG_GAMMA = Math.log(GAMMA);
const MS_MIN = 0.05;
const MS_MAX = 86_400_000;
const BUCKETS = Math.ceil(Math.log(MS_MAX / MS_MIN) / LOG_GAMMA) + 1;
const WEIGHT_MAX = 1e12;

/** What survives a restart: the buckets that hold anything, as pairs of index and weight. */
export type SavedQuantiles = readonly (readonly [bucket: number, weight: number])[];

export class DecayedQuantiles {
  readonly #weights = new Float64Array(BUCKETS);
  readonly #growth: number;
  /** What `count` comes near to. */
  readonly #countMax: number;
  #total = 0;
  #nextWeight = 1;

  /** `memory`: after so many further samples, one weighs about a third of what a new one does. */
  constructor(memory = 500) {
    this.#growth = Math.exp(1 / memory);
    this.#countMax = 1 / (1 - 1 / this.#growth);
  }

  /** How many samples of today's weight all that is remembered amounts to. */
  get count(): number {
    return this.#total / this.#nextWeight;
  }

  record(ms: number): void {
    if (!(ms >= 0)) return;
    this.#nextWeight *= this.#growth;
    this.#add(bucketOf(ms), this.#nextWeight);
    if (this.#nextWeight > WEIGHT_MAX) this.#rescale();
  }

  /** The value that the share `q` (0 to 1) of the samples does not pass; undefined while there are none. */
  quantile(q: number): number | undefined {
    if (this.#total === 0) return undefined;
    const wanted = q * this.#total;
    let seen = 0;
    let last = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const weight = this.#weights[bucket] as number;
      if (weight === 0) continue;
      seen += weight;
      last = bucket;
      // Sums of floats: the last bucket is reached however they were rounded.
      if (seen >= wanted * (1 - 1e-9)) break;
    }
    return durationAt(last);
  }

  save(): SavedQuantiles {
    const saved: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const weight = (this.#weights[bucket] as number) / this.#nextWeight;
      if (weight > 1e-3) saved.push([bucket, Math.round(weight * 1_000) / 1_000]);
    }
    return saved;
  }

  /**
   * Takes up what was saved; what is not in range is left out. `share` of its weight counts, and together no more than can be
   * remembered: new samples would not be seen for long.
   */
  restore(saved: SavedQuantiles, share = 1): void {
    const valid = saved.filter(([bucket, weight]) => isBucket(bucket) && weight > 0 && weight <= WEIGHT_MAX);
    const weightOfAll = valid.reduce((sum, [, weight]) => sum + weight, 0) * share;
    const scale = share * Math.min(1, this.#countMax / weightOfAll) * this.#nextWeight;
    for (const [bucket, weight] of valid) this.#add(bucket, weight * scale);
  }

  #add(bucket: number, weight: number): void {
    this.#weights[bucket] = (this.#weights[bucket] as number) + weight;
    this.#total += weight;
  }

  #rescale(): void {
    this.#total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const weight = (this.#weights[bucket] as number) / this.#nextWeight;
      this.#weights[bucket] = weight < 1e-9 ? 0 : weight;
      this.#total += this.#weights[bucket] as number;
    }
    this.#nextWeight = 1;
  }
}

function isBucket(bucket: number): boolean {
  return Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS;
}

function bucketOf(ms: number): number {
  return Math.round(Math.log(Math.min(Math.max(ms, MS_MIN), MS_MAX) / MS_MIN) / LOG_GAMMA);
}

/** The duration that a bucket stands for, milliseconds. */
export function durationAt(bucket: number): number {
  return MS_MIN * GAMMA ** bucket;
}
