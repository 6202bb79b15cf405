import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** A distribution of durations, in milliseconds. All zero while nothing was recorded. */
export interface Durations {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** A histogram of durations with a resolution of 0.001 ms and three digits (HdrHistogram). */
export class DurationHistogram {
  readonly #histogram: RecordableHistogram = createHistogram();

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * 1000)));
  }

  add(other: DurationHistogram): void {
    // Node refuses to add one that is empty.
    if (other.#histogram.count > 0) this.#histogram.add(other.#histogram);
  }

  summary(): Durations {
    const { count } = this.#histogram;
    if (count === 0) return { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };
    const at = (percentile: number): number => this.#histogram.percentile(percentile) / 1000;
    return {
      count,
      mean: this.#histogram.mean / 1000,
      p50: at(50),
      p95: at(95),
      p99: at(99),
      max: this.#histogram.max / 1000,
    };
  }
}
