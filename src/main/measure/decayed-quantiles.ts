/**
 * Streaming quantiles of durations that forget: a histogram of logarithmic buckets (as in DDSketch, Masson et al. 2019) in which
 * older samples weigh less and less. Any quantile is within 5 % of a recorded value. Bounded: about two hundred numbers. Instead
 * of fading every bucket at every sample, each new sample weighs more than the one before it, and all are scaled down when the
 * weights grow large.
 */
const GAMMA = 1.1;
const LOG_GAMMA = Math.log(GAMMA);
const MS_MIN = 0.05;
const MS_MAX = 86_400_000;
const BUCKETS = Math.ceil(Math.log(MS_MAX / MS_MIN) / LOG_GAMMA) + 1;
const WEIGHT_MAX = 1e12;

/** The saved state: the buckets that are not empty, as pairs of index and weight. */
export type SavedQuantiles = readonly (readonly [bucket: number, weight: number])[];

export class DecayedQuantiles {
  readonly #weights = new Float64Array(BUCKETS);
  readonly #growth: number;
  /** The limit that `count` approaches. */
  readonly #countMax: number;
  #total = 0;
  #nextWeight = 1;

  /** `memory`: after this many further samples, a sample weighs about a third of a new one. */
  constructor(memory = 500) {
    this.#growth = Math.exp(1 / memory);
    this.#countMax = 1 / (1 - 1 / this.#growth);
  }

  /** The remembered weight, in samples of today's weight. */
  get count(): number {
    return this.#total / this.#nextWeight;
  }

  record(ms: number): void {
    if (!(ms >= 0)) return;
    this.#nextWeight *= this.#growth;
    this.#add(bucketOf(ms), this.#nextWeight);
    if (this.#nextWeight > WEIGHT_MAX) this.#rescale();
  }

  /** Returns the value that a share `q` (0 to 1) of the samples does not exceed; undefined while there are none. */
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
      // Tolerates rounding of the sums, so that the last bucket is always reached.
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
   * Restores saved buckets and ignores those out of range. `share` of their weight counts, up to what can be remembered:
   * otherwise new samples would have no effect for a long time.
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

/** The duration that a bucket represents, in milliseconds. */
export function durationAt(bucket: number): number {
  return MS_MIN * GAMMA ** bucket;
}
