import { rounded } from '../figures.ts';
import type { ForcedCollections } from './forced-collection.ts';
import { LoopDelay } from './loop-delay.ts';
import type { Outcome } from './outcome.ts';

/** One second of the run. Times are milliseconds, memory MB. */
export interface Sample {
  readonly atSeconds: number;
  /** Settled plans a second, by source. */
  readonly sources: Readonly<Record<string, number>>;
  readonly plansPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly latenessP99Ms: number;
  readonly latenessMaxMs: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly inFlight: number;
  readonly rssMB: number;
  readonly heapUsedMB: number;
  /** After a forced collection; not every sample has one. */
  readonly heapLiveMB: number | null;
}

/** Looks at the run once a second. */
export class Sampler {
  readonly #outcome: Outcome;
  readonly #collections: ForcedCollections;
  readonly #collectEverySeconds: number;
  readonly #delay = new LoopDelay();
  readonly samples: Sample[] = [];
  #startedAtMs = 0;
  #secondAtMs = 0;

  constructor(outcome: Outcome, collections: ForcedCollections, collectEverySeconds: number) {
    this.#outcome = outcome;
    this.#collections = collections;
    this.#collectEverySeconds = collectEverySeconds;
  }

  start(): void {
    this.#startedAtMs = performance.now();
    this.#beginSecond();
  }

  get seconds(): number {
    return (performance.now() - this.#startedAtMs) / 1_000;
  }

  take(inFlight: number): Sample {
    this.#delay.end();
    const nowMs = performance.now();
    const seconds = (nowMs - this.#secondAtMs) / 1_000;
    const { secondSources, secondLatency, secondLateness } = this.#outcome;
    const { rss, heapUsed } = process.memoryUsage();
    const sources = Object.fromEntries([...secondSources].map(([source, plans]) => [source, rounded(plans / seconds)]));
    const figures = {
      atSeconds: rounded((nowMs - this.#startedAtMs) / 1_000),
      sources,
      plansPerSecond: rounded(Object.values(sources).reduce((sum, plans) => sum + plans, 0)),
      p50Ms: secondLatency.at(50),
      p99Ms: secondLatency.at(99),
      latenessP99Ms: secondLateness.at(99),
      latenessMaxMs: secondLateness.at(100),
      loopP99Ms: rounded(this.#delay.secondAt(99)),
      loopMaxMs: rounded(this.#delay.secondAt(100)),
      inFlight,
      rssMB: rounded(rss / 1e6),
      heapUsedMB: rounded(heapUsed / 1e6),
    };
    const isDue = this.samples.length % this.#collectEverySeconds === 0;
    const sample = { ...figures, heapLiveMB: isDue ? rounded(this.#collections.collect() / 1e6) : null };
    this.samples.push(sample);
    this.#beginSecond();
    return sample;
  }

  /** Of the whole run. */
  loopDelayAt(percentile: number): number {
    return rounded(this.#delay.allAt(percentile));
  }

  #beginSecond(): void {
    this.#secondAtMs = performance.now();
    this.#outcome.beginSecond();
    this.#delay.begin();
  }
}
