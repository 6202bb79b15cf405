/**
 * The distribution of how long calls take, learned from calls that ended and calls that were cut: of the latter it is known only
 * that they would have taken longer (the product-limit estimator: Kaplan and Meier 1958). Without them, only the quick calls
 * would be known; counted as ended, they would make slow calls look quick. Older calls lose weight. Bounded: two weights for each
 * logarithmic bucket.
 */
const GAMMA = 1.1;
const LOG_GAMMA = Math.log(GAMMA);
const MS_MIN = 1;
const MS_MAX = 86_400_000;
const BUCKETS = Math.ceil(Math.log(MS_MAX / MS_MIN) / LOG_GAMMA) + 1;
/** The duration in the middle of each bucket. */
const VALUES = Float64Array.from({ length: BUCKETS }, (_, bucket) => MS_MIN * GAMMA ** bucket);
const MEMORY = 60;
const WEIGHT_MAX = 1e9;
/** Maximum weight of saved times: the machine may have changed, so new samples soon outweigh them. */
const RESTORED_SHARE_MAX = 1 / 3;
/** Weight of what is not known yet: like one call that is in time with a chance of one half. */
const DOUBT = 1;
/** Less than half a call is no evidence. */
const WITNESSES_MIN = 0.5;

export class SurvivalTimes {
  readonly #ended = new Float64Array(BUCKETS);
  readonly #cut = new Float64Array(BUCKETS);
  readonly #growth: number;
  readonly #restoredMax: number;
  /** First bucket with data: all calls of most models are within a few buckets. */
  #first = BUCKETS;
  #end = 0;
  #total = 0;
  #nextWeight = 1;

  /** After `memory` further calls, a call weighs about a third of a new one. */
  constructor(memory: number = MEMORY) {
    this.#growth = Math.exp(1 / memory);
    this.#restoredMax = memory * RESTORED_SHARE_MAX;
  }

  /** Total weight of all remembered calls; a new call weighs 1. */
  get count(): number {
    return this.#total / this.#nextWeight;
  }

  /** A call ended after `ms`. */
  ended(ms: number): void {
    this.#fade();
    this.#add(this.#ended, ms, 1);
  }

  /** Restores durations and their weights from before a restart; together they weigh at most a third of the memory. */
  restore(saved: readonly (readonly [ms: number, weight: number])[]): void {
    const total = saved.reduce((sum, [, weight]) => sum + weight, 0);
    const scale = Math.min(1, this.#restoredMax / total);
    for (const [ms, weight] of saved) this.#add(this.#ended, ms, weight * scale);
  }

  /** A call was cut after `ms`: it would have taken longer. */
  cut(ms: number): void {
    this.#fade();
    this.#add(this.#cut, ms, 1);
  }

  /**
   * The chance, 0 to 1, that a call ends within `ms`; `agesMs` are the ages of running calls, each of which would have taken
   * longer. Undefined while there is no evidence.
   */
  chanceWithin(ms: number, agesMs: readonly number[] = []): number | undefined {
    if (ms <= 0) return 0;
    const count = this.#witnesses(ms, agesMs);
    if (count < WITNESSES_MIN) return undefined;
    const within = 1 - this.#survival(ms, agesMs);
    return (within * count + 0.5 * DOUBT) / (count + DOUBT);
  }

  /**
   * The number of calls that give evidence whether one ends within `ms`: those that did, those that ran longer, and calls cut
   * sooner, by their share of that time. Without the last, a model whose calls are always cut would never be known to be slow.
   */
  #witnesses(ms: number, agesMs: readonly number[]): number {
    let weight = 0;
    for (let bucket = this.#first; bucket < this.#end; bucket++) {
      const cut = this.#cut[bucket] as number;
      weight += (this.#ended[bucket] as number) + (cut === 0 ? 0 : cut * Math.min(1, valueAt(bucket) / ms));
    }
    return agesMs.reduce((sum, ageMs) => sum + Math.min(1, ageMs / ms), weight / this.#nextWeight);
  }

  /** The chance that a call which has run for `ageMs` ends within `ms` more. Undefined while nothing is known. */
  chanceAfter(ageMs: number, ms: number): number | undefined {
    const running = this.#survival(ageMs, []);
    if (this.#total === 0) return undefined;
    const within = running < 1e-6 ? 0 : 1 - this.#survival(ageMs + ms, []) / running;
    // The evidence for calls of this age is the share that still runs.
    const count = this.count * running;
    return (within * count + 0.5 * DOUBT) / (count + DOUBT);
  }

  /** Median remaining time of a call that has run for `ageMs`. Undefined while nothing is known. */
  remainingMs(ageMs: number): number | undefined {
    if (this.#total === 0) return undefined;
    const target = this.#survival(ageMs, []) / 2;
    const last = this.#atLeast(target, ageMs);
    // Older than any call known to have ended: as long again.
    return last === undefined ? Math.max(ageMs, MS_MIN) : Math.max(0, last - ageMs);
  }

  /**
   * Mean time of a call, in milliseconds; `agesMs` are the ages of running calls. Calls that outlast all known times are assumed
   * to take twice as long as the longest. Undefined while nothing is known.
   */
  meanMs(agesMs: readonly number[] = []): number | undefined {
    const ages = agesMs.map((ageMs) => Math.round(placeOf(ageMs)));
    const unit = this.#nextWeight;
    let atRisk = this.#total + ages.length * unit;
    if (atRisk === 0) return undefined;
    let surviving = 1;
    let mean = 0;
    let longest = 0;
    for (let bucket = 0; bucket < BUCKETS && atRisk > 1e-9 * unit; bucket++) {
      const ended = this.#ended[bucket] as number;
      let gone = ended + (this.#cut[bucket] as number);
      for (const age of ages) if (age === bucket) gone += unit;
      if (gone === 0) continue;
      longest = valueAt(bucket);
      const left = surviving * (1 - Math.min(1, ended / atRisk));
      mean += (surviving - left) * longest;
      surviving = left;
      atRisk -= gone;
    }
    return mean + surviving * 2 * longest;
  }

  /** Forgets everything. */
  clear(): void {
    this.#ended.fill(0);
    this.#cut.fill(0);
    this.#first = BUCKETS;
    this.#end = 0;
    this.#total = 0;
    this.#nextWeight = 1;
  }

  /** The first duration at which at most `share` of the calls still run. */
  #atLeast(share: number, fromMs: number): number | undefined {
    let atRisk = this.#total;
    let surviving = 1;
    for (let bucket = this.#first; bucket < this.#end; bucket++) {
      const ended = this.#ended[bucket] as number;
      if (atRisk > 1e-12) surviving *= 1 - Math.min(1, ended / atRisk);
      atRisk -= ended + (this.#cut[bucket] as number);
      if (ended > 0 && surviving <= share + 1e-9 && valueAt(bucket) >= fromMs) return valueAt(bucket);
    }
    return undefined;
  }

  /** The share of calls that still run after `ms`. */
  survival(ms: number): number {
    return this.#survival(ms, []);
  }

  #survival(ms: number, agesMs: readonly number[]): number {
    const place = placeOf(ms);
    const ages = agesMs.map(placeOf);
    const unit = this.#nextWeight;
    // Calls younger than all that have ended say nothing about when those end.
    let atRisk = this.#total + ages.filter((age) => Math.round(age) >= this.#first).length * unit;
    let surviving = 1;
    for (let bucket = this.#first; bucket < this.#end && bucket - 0.5 < place; bucket++) {
      const ended = this.#ended[bucket] as number;
      if (ended > 0 && atRisk > 0) {
        // Within its bucket, a call may have ended anywhere.
        const passed = Math.min(1, place - (bucket - 0.5));
        surviving *= 1 - Math.min(1, (ended * passed) / atRisk);
      }
      atRisk -= ended + (this.#cut[bucket] as number);
      for (const age of ages) if (Math.round(age) === bucket) atRisk -= unit;
    }
    return surviving;
  }

  #add(weights: Float64Array, ms: number, share: number): void {
    if (!(ms >= 0)) return;
    const bucket = Math.round(placeOf(ms));
    const weight = this.#nextWeight * share;
    weights[bucket] = (weights[bucket] as number) + weight;
    this.#first = Math.min(this.#first, bucket);
    this.#end = Math.max(this.#end, bucket + 1);
    this.#total += weight;
  }

  /** Reduces the weight of all that is known, relative to new samples. */
  #fade(): void {
    this.#nextWeight *= this.#growth;
    if (this.#nextWeight > WEIGHT_MAX) this.#rescale();
  }

  #rescale(): void {
    this.#total = 0;
    for (const weights of [this.#ended, this.#cut]) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        const weight = (weights[bucket] as number) / this.#nextWeight;
        weights[bucket] = weight < 1e-6 ? 0 : weight;
        this.#total += weights[bucket] as number;
      }
    }
    this.#nextWeight = 1;
  }
}

/** The place of a duration on the scale of buckets; whole numbers are their middles. */
function placeOf(ms: number): number {
  return Math.log(Math.min(Math.max(ms, MS_MIN), MS_MAX) / MS_MIN) / LOG_GAMMA;
}

function valueAt(bucket: number): number {
  return VALUES[bucket] as number;
}
