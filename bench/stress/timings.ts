import { createHistogram } from 'node:perf_hooks';

const MS_MAX = 60_000;

/** Durations up to a minute, to 0.001 ms. Of fixed size, so that what is measured for hours does not grow by it. */
export class Timings {
  readonly #histogram = createHistogram({ lowest: 1, highest: MS_MAX * 1_000, figures: 3 });

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.min(MS_MAX * 1_000, Math.round(ms * 1_000))));
  }

  /** Milliseconds; `percentile` above 0 and up to 100; 0 while there are none. */
  at(percentile: number): number {
    const { count } = this.#histogram;
    const micros = count === 0 ? 1 : this.#histogram.percentile(percentile);
    return micros <= 1 ? 0 : micros / 1_000;
  }

  reset(): void {
    this.#histogram.reset();
  }
}
