import { PLAN_SOURCES, type PlanSource } from '../../shared/decision.ts';
import { type DurationCounts, durationsOf, mergedCounts } from '../measure/duration-tally.ts';
import type { Durations } from '../measure/durations.ts';
import { wilson } from '../measure/wilson.ts';
import type { EndpointStats } from '../models/endpoint-parts.ts';
import type { CallCounts } from '../plans/counters.ts';
import type { PlannerStats } from '../plans/planner.ts';

/** Calls that ended, by how. */
export type EndedCalls = Pick<CallCounts, 'useful' | 'timeouts' | 'cancelled' | 'failed'>;

/** How often what was served turned out to be wrong, since the planner began, with the 95 % interval. Null: nothing checked. */
export interface FalseHitRate {
  readonly checked: number;
  readonly wrong: number;
  readonly rate: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** A server at the end of a sample. */
export interface EndpointSample extends Pick<EndpointStats, 'endpoint' | 'slots' | 'busy' | 'held' | 'waiting'> {
  readonly breaker: EndpointStats['breaker']['state'];
}

/** What changed within a stretch of time, about a second, and what was so at its end. */
export interface Sample {
  /** Its end, milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Its length: longer than usual where the event loop was held up. */
  readonly seconds: number;
  /** Plans that settled. */
  readonly plans: number;
  readonly sources: Readonly<Record<PlanSource, number>>;
  /** Of the plans that settled, to 4 %. All zero where none did. */
  readonly planningMs: Durations;
  readonly calls: EndedCalls;
  readonly fallbacks: number;
  /** Lookups in the cache, and those of them that were served. */
  readonly lookups: number;
  readonly hits: number;
  readonly falseHits: FalseHitRate;
  /** Decisions in the cache, plans in flight: at the end. */
  readonly entries: number;
  readonly inFlight: number;
  readonly endpoints: readonly EndpointSample[];
}

/** A sample with what it takes to add it to another one. */
export interface MergeableSample {
  readonly sample: Sample;
  readonly durations: DurationCounts;
}

export interface SampleTime {
  readonly atMs: number;
  readonly seconds: number;
}

/** Between two looks at the planner's counters, which only ever grow. */
export function sampleBetween(
  before: PlannerStats,
  now: PlannerStats,
  durations: DurationCounts,
  { atMs, seconds }: SampleTime,
): MergeableSample {
  const lookups = lookupsOf(now);
  const sample: Sample = {
    atMs,
    seconds,
    plans: now.plans.settled - before.plans.settled,
    sources: bySource((source) => now.sources[source] - before.sources[source]),
    planningMs: durationsOf(durations),
    calls: {
      useful: now.calls.useful - before.calls.useful,
      timeouts: now.calls.timeouts - before.calls.timeouts,
      cancelled: now.calls.cancelled - before.calls.cancelled,
      failed: now.calls.failed - before.calls.failed,
    },
    fallbacks: now.fallbacks - before.fallbacks,
    lookups: lookups - lookupsOf(before),
    hits: hitsOf(now) - hitsOf(before),
    falseHits: falseHitRate(now),
    entries: now.cache === false ? 0 : now.cache.entries,
    inFlight: now.plans.inFlight,
    endpoints: now.endpoints.map(({ endpoint, slots, busy, held, waiting, breaker }) => {
      return { endpoint, slots, busy, held, waiting, breaker: breaker.state };
    }),
  };
  return { sample, durations };
}

/** Two samples that follow one another, as one. */
export function mergedSample(first: MergeableSample, second: MergeableSample): MergeableSample {
  const durations = mergedCounts([first.durations, second.durations]);
  const [a, b] = [first.sample, second.sample];
  return {
    durations,
    sample: {
      // What was so at the end.
      ...b,
      seconds: a.seconds + b.seconds,
      plans: a.plans + b.plans,
      sources: bySource((source) => a.sources[source] + b.sources[source]),
      planningMs: durationsOf(durations),
      calls: {
        useful: a.calls.useful + b.calls.useful,
        timeouts: a.calls.timeouts + b.calls.timeouts,
        cancelled: a.calls.cancelled + b.calls.cancelled,
        failed: a.calls.failed + b.calls.failed,
      },
      fallbacks: a.fallbacks + b.fallbacks,
      lookups: a.lookups + b.lookups,
      hits: a.hits + b.hits,
    },
  };
}

/** Same state and similar ones together. */
export function falseHitRate({ cache }: Pick<PlannerStats, 'cache'>): FalseHitRate {
  const none: FalseHitRate = { checked: 0, wrong: 0, rate: null, low: null, high: null };
  if (cache === false) return none;
  const { exact, similar } = cache.falseHits;
  const checked = exact.checked + similar.checked;
  const wrong = exact.wrong + similar.wrong;
  return checked === 0 ? none : { checked, wrong, rate: wrong / checked, ...wilson(wrong, checked) };
}

function bySource(of: (source: PlanSource) => number): Record<PlanSource, number> {
  return Object.fromEntries(PLAN_SOURCES.map((source) => [source, of(source)])) as Record<PlanSource, number>;
}

function hitsOf({ cache }: PlannerStats): number {
  return cache === false ? 0 : cache.hits;
}

function lookupsOf({ cache }: PlannerStats): number {
  return cache === false ? 0 : cache.hits + cache.misses;
}
