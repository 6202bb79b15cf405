import { PLAN_SOURCES, type PlanSource } from '../../shared/decision.ts';
import { rounded } from '../measure/shares.ts';
import { type MergeableSample, mergedSample, type Sample } from './sample.ts';

/**
 * Samples in the form for charts and for the wire: one list for each figure, all of the same length. Without endpoints, of which only the current
 * state is shown.
 */
export interface Series {
  readonly atMs: readonly number[];
  readonly seconds: readonly number[];
  readonly plans: readonly number[];
  readonly sources: Readonly<Record<PlanSource, readonly number[]>>;
  /** Planning time in milliseconds; null if no plan settled. */
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
  readonly useful: readonly number[];
  readonly timeouts: readonly number[];
  readonly cancelled: readonly number[];
  readonly failed: readonly number[];
  readonly fallbacks: readonly number[];
  readonly lookups: readonly number[];
  readonly hits: readonly number[];
  /** Rate since the planner started and its 95 % interval, 0 to 1; null until something was checked. */
  readonly falseRate: readonly (number | null)[];
  readonly falseLow: readonly (number | null)[];
  readonly falseHigh: readonly (number | null)[];
  readonly entries: readonly number[];
  readonly inFlight: readonly number[];
}

export function seriesOf(samples: readonly Sample[]): Series {
  const list = <T>(of: (sample: Sample) => T): T[] => samples.map(of);
  const time = (name: 'p50' | 'p95' | 'p99') =>
    list(({ planningMs }) => (planningMs.count === 0 ? null : planningMs[name]));
  const sources = PLAN_SOURCES.map((source) => [source, list((sample) => sample.sources[source])]);
  return {
    atMs: list(({ atMs }) => Math.round(atMs)),
    seconds: list(({ seconds }) => rounded(seconds, 4)),
    plans: list(({ plans }) => plans),
    sources: Object.fromEntries(sources) as Record<PlanSource, number[]>,
    p50: time('p50'),
    p95: time('p95'),
    p99: time('p99'),
    useful: list(({ calls }) => calls.useful),
    timeouts: list(({ calls }) => calls.timeouts),
    cancelled: list(({ calls }) => calls.cancelled),
    failed: list(({ calls }) => calls.failed),
    fallbacks: list(({ fallbacks }) => fallbacks),
    lookups: list(({ lookups }) => lookups),
    hits: list(({ hits }) => hits),
    falseRate: list(({ falseHits }) => roundedRate(falseHits.rate)),
    falseLow: list(({ falseHits }) => roundedRate(falseHits.low)),
    falseHigh: list(({ falseHits }) => roundedRate(falseHits.high)),
    entries: list(({ entries }) => entries),
    inFlight: list(({ inFlight }) => inFlight),
  };
}

function roundedRate(value: number | null): number | null {
  return value === null ? null : rounded(value, 4);
}

/**
 * The samples of a period, at most `samplesMax`. When full, `forget` drops the oldest one, for a live page; `thin` merges every two into one, for a
 * report of a whole session of any length.
 */
export class SampleStore {
  readonly #samplesMax: number;
  readonly #whenFull: 'forget' | 'thin';
  #samples: MergeableSample[] = [];
  /** With `thin`: the number of samples that are merged into each one kept. */
  #mergeCount = 1;
  #pending: MergeableSample | undefined;
  #pendingCount = 0;

  constructor(samplesMax: number, whenFull: 'forget' | 'thin') {
    this.#samplesMax = samplesMax;
    this.#whenFull = whenFull;
  }

  add(taken: MergeableSample): void {
    if (this.#whenFull === 'forget') {
      this.#samples.push(taken);
      if (this.#samples.length > this.#samplesMax) this.#samples.shift();
      return;
    }
    this.#pending = this.#pending === undefined ? taken : mergedSample(this.#pending, taken);
    if (++this.#pendingCount < this.#mergeCount) return;
    if (this.#samples.length >= this.#samplesMax) this.#thin();
    else this.#keepPending();
  }

  /** The latest `count` samples, oldest first. */
  latest(count: number): readonly MergeableSample[] {
    return this.#all().slice(-count);
  }

  samples(): Sample[] {
    return this.#all().map(({ sample }) => sample);
  }

  #all(): readonly MergeableSample[] {
    return this.#pending === undefined ? this.#samples : [...this.#samples, this.#pending];
  }

  #keepPending(): void {
    if (this.#pending !== undefined) this.#samples.push(this.#pending);
    this.#pending = undefined;
    this.#pendingCount = 0;
  }

  /** The pending sample is half of one from now on. */
  #thin(): void {
    const halved: MergeableSample[] = [];
    for (let i = 0; i < this.#samples.length; i += 2) {
      const [first, second] = this.#samples.slice(i, i + 2) as [MergeableSample, MergeableSample | undefined];
      halved.push(second === undefined ? first : mergedSample(first, second));
    }
    this.#samples = halved;
    this.#mergeCount *= 2;
  }
}
