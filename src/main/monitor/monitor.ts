import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../../shared/clock.ts';
import { DurationTally, durationsOf, mergedCounts } from '../measure/duration-tally.ts';
import type { Durations } from '../measure/durations.ts';
import type { Plan } from '../plans/plan.ts';
import type { Planner, PlannerStats } from '../plans/planner.ts';
import { LatestPlans, type ShownPlan } from './latest-plans.ts';
import { type Sample, sampleBetween } from './sample.ts';
import { SampleStore, type Series, seriesOf } from './series.ts';

export interface MonitorOptions {
  /** Time between two samples, in milliseconds. Default 1,000. */
  readonly intervalMs?: number;
  /** Maximum number of samples. Default 600: ten minutes. */
  readonly samplesMax?: number;
  /** What to do when the store is full. Default `forget`. See `SampleStore`. */
  readonly whenFull?: 'forget' | 'thin';
}

/** The current state. */
export interface Moment {
  readonly stats: PlannerStats;
  /** Planning time of the last 60 samples: a minute with the default interval. Accurate to 4 %. */
  readonly lately: Durations;
}

export interface MonitorSample extends Moment {
  readonly sample: Sample;
  /** Plans that settled since the last sample; some of them, if there are many. */
  readonly plans: readonly ShownPlan[];
}

/** Everything a page needs at first. */
export interface MonitorSnapshot extends Moment {
  readonly atMs: number;
  readonly series: Series;
  readonly plans: readonly ShownPlan[];
}

export interface MonitorEvents {
  sample: [taken: MonitorSample];
}

const LATELY_SAMPLES = 60;

/** The part of a planner that is watched. */
export type Monitored = Pick<Planner, 'stats' | 'on' | 'off'>;

/**
 * Watches a planner: what changed and what is, sample by sample, and the last plans. Everything is bounded. A plan costs a few additions on the
 * coordinator, and a sample one read of the planner's counters.
 */
export class Monitor extends EventEmitter<MonitorEvents> implements Disposable {
  readonly #planner: Monitored;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #durations = new DurationTally();
  readonly #store: SampleStore;
  readonly #plans: LatestPlans;
  #before: PlannerStats;
  #sampledAtMs: number;
  #dueAtMs: number;
  #timer: Timer;
  #isDisposed = false;

  constructor(planner: Monitored, clock: Clock, options: MonitorOptions = {}) {
    super();
    const { intervalMs = 1_000, samplesMax = 600, whenFull = 'forget' } = options;
    this.#planner = planner;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#store = new SampleStore(samplesMax, whenFull);
    this.#plans = new LatestPlans(() => clock.wallNow());
    this.#before = planner.stats();
    this.#sampledAtMs = clock.now();
    this.#dueAtMs = this.#sampledAtMs + intervalMs;
    this.#timer = clock.setTimer(intervalMs, this.#tick);
    planner.on('plan', this.#onPlan);
  }

  /** The state as of now, less than an interval after the last sample. */
  snapshot(): MonitorSnapshot {
    return {
      atMs: this.#clock.wallNow(),
      series: this.series(),
      plans: this.#plans.plans(),
      stats: this.#planner.stats(),
      lately: this.#lately(),
    };
  }

  series(): Series {
    return seriesOf(this.#store.samples());
  }

  /** The last plans, oldest first. */
  plans(): ShownPlan[] {
    return this.#plans.plans();
  }

  /** Takes a sample at once, of the time since the last one, for the end of a session. */
  sampleNow(): void {
    const nowMs = this.#clock.now();
    const stats = this.#planner.stats();
    const seconds = (nowMs - this.#sampledAtMs) / 1_000;
    const taken = sampleBetween(this.#before, stats, this.#durations.take(), { atMs: this.#clock.wallNow(), seconds });
    this.#before = stats;
    this.#sampledAtMs = nowMs;
    this.#store.add(taken);
    const plans = this.#plans.collect();
    this.emit('sample', { sample: taken.sample, plans, stats, lately: this.#lately() });
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#timer.cancel();
    this.#planner.off('plan', this.#onPlan);
    this.removeAllListeners();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  readonly #onPlan = (plan: Plan): void => {
    this.#durations.record(plan.latencyMs);
    this.#plans.note(plan);
  };

  readonly #tick = (): void => {
    this.sampleNow();
    if (this.#isDisposed) return;
    // At fixed times, so that samples do not drift; samples missed while the event loop was held up are skipped.
    const nowMs = this.#clock.now();
    const missed = Math.floor((nowMs - this.#dueAtMs) / this.#intervalMs);
    this.#dueAtMs += (missed + 1) * this.#intervalMs;
    this.#timer = this.#clock.setTimer(this.#dueAtMs - nowMs, this.#tick);
  };

  #lately(): Durations {
    return durationsOf(mergedCounts(this.#store.latest(LATELY_SAMPLES).map(({ durations }) => durations)));
  }
}
