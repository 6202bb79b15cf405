import type { PlanSource } from '../../shared/decision.ts';
import type { Rate } from '../cache/false-hits.ts';
import { type DurationCounts, durationsOf, mergedCounts } from '../measure/duration-tally.ts';
import type { Durations } from '../measure/durations.ts';
import type { EndpointStats } from '../models/endpoint-parts.ts';
import type { CallCounts } from '../plans/counters.ts';
import type { PlannerStats } from '../plans/planner.ts';

/** Calls that ended, by outcome. */
export type EndedCalls = Pick<CallCounts, 'useful' | 'timeouts' | 'cancelled' | 'failed'>;

/** Share of served answers that turned out to be wrong since the planner started, with the 95 % interval. Null: nothing checked. */
export type FalseHitRate = Pick<Rate, 'checked' | 'wrong' | 'rate' | 'low' | 'high'>;

/** A server at the end of a sample. */
export interface EndpointSample extends Pick<EndpointStats, 'endpoint' | 'slots' | 'busy' | 'held' | 'waiting'> {
  readonly breaker: EndpointStats['breaker']['state'];
}

/** Counters of a planner that only grow, or their growth. */
interface Grown {
  /** Plans that settled. */
  readonly plans: number;
  readonly sources: Readonly<Record<PlanSource, number>>;
  readonly calls: EndedCalls;
  readonly fallbacks: number;
  /** Lookups in the cache, and how many of them were served. */
  readonly lookups: number;
  readonly hits: number;
}

/** The changes during a period of about a second, and the state at its end. */
export interface Sample extends Grown {
  /** Its end, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Its length in seconds: longer than usual if the event loop was held up. */
  readonly seconds: number;
  /** Planning times of the plans that settled, accurate to 4 %. All zero if none did. */
  readonly planningMs: Durations;
  readonly falseHits: FalseHitRate;
  /** At the end: decisions in the cache, plans in flight. */
  readonly entries: number;
  readonly inFlight: number;
  readonly endpoints: readonly EndpointSample[];
}

/** A sample with the data needed to merge it with another one. */
export interface MergeableSample {
  readonly sample: Sample;
  readonly durations: DurationCounts;
}

export interface SampleTime {
  readonly atMs: number;
  readonly seconds: number;
}

/** The sample between two readings of the planner's counters, which only grow. */
export function sampleBetween(
  before: PlannerStats,
  now: PlannerStats,
  durations: DurationCounts,
  { atMs, seconds }: SampleTime,
): MergeableSample {
  const { plans, sources, ...others } = combined(grown(now), grown(before), (after, earlier) => after - earlier);
  const sample: Sample = {
    ...{ atMs, seconds, plans, sources },
    planningMs: durationsOf(durations),
    ...others,
    falseHits: falseHitRate(now),
    entries: now.cache === false ? 0 : now.cache.entries,
    inFlight: now.plans.inFlight,
    endpoints: now.endpoints.map(({ endpoint, slots, busy, held, waiting, breaker }) => {
      return { endpoint, slots, busy, held, waiting, breaker: breaker.state };
    }),
  };
  return { sample, durations };
}

/** Merges two consecutive samples into one. */
export function mergedSample(first: MergeableSample, second: MergeableSample): MergeableSample {
  const durations = mergedCounts([first.durations, second.durations]);
  const [{ seconds, ...a }, b] = [first.sample, second.sample];
  const sum = combined(grownIn(a), grownIn(b), (before, after) => before + after);
  // The rest is the state at the end.
  return { durations, sample: { ...b, ...sum, seconds: seconds + b.seconds, planningMs: durationsOf(durations) } };
}

function grownIn({ plans, sources, calls, fallbacks, lookups, hits }: Grown): Grown {
  return { plans, sources, calls, fallbacks, lookups, hits };
}

function grown({ plans, sources, calls, fallbacks, cache }: PlannerStats): Grown {
  const { hits, misses } = cache || { hits: 0, misses: 0 };
  const { useful, timeouts, cancelled, failed } = calls;
  const ended = { useful, timeouts, cancelled, failed };
  return { plans: plans.settled, sources, calls: ended, fallbacks, lookups: hits + misses, hits };
}

/** Combines two trees of numbers, number by number. */
function combined<T extends object>(a: T, b: T, of: (inA: number, inB: number) => number): T {
  const members = Object.entries(a).map(([name, inA]) => {
    const inB: typeof inA = Reflect.get(b, name);
    return [name, typeof inA === 'number' ? of(inA, inB) : combined(inA, inB, of)];
  });
  return Object.fromEntries(members) as T;
}

/** Covers same and similar states together. */
export function falseHitRate({ cache }: Pick<PlannerStats, 'cache'>): FalseHitRate {
  const none: FalseHitRate = { checked: 0, wrong: 0, rate: null, low: null, high: null };
  if (cache === false) return none;
  const { checked, wrong, rate, low, high } = cache.falseHits.all;
  return { checked, wrong, rate, low, high };
}
