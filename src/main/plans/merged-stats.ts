import { readStoreCounts } from '../../shared/store/store-reader.ts';
import type { CacheStats } from '../cache/cache-options.ts';
import type { HitTier, Rate } from '../cache/false-hits.ts';
import { PlannerCounters } from './counters.ts';
import type { Distributions } from './distributions.ts';
import type { DomainCore, DomainStats } from './domain-core.ts';

/**
 * The figures of several domains together. Counts are added up, and distributions of times are merged. Rows of lists bear the name of
 * their domain, and scenes are named with it. What the domains share is told once, and what cannot be added is the largest of all.
 */
type Named<T> = readonly (readonly [name: string, value: T])[];

/** Figures of what is shared, or of which a sum means nothing. */
const LARGEST: ReadonlySet<string> = new Set([
  'entriesMax',
  'bytes',
  'ttlMs',
  'budget.budget',
  'disk.entries',
  'disk.bytes',
]);

export function mergedStats(
  cores: readonly Pick<DomainCore, 'counters' | 'cache'>[],
  byDomain: Named<DomainStats>,
  unknownDomains: number,
): DomainStats {
  const [[, only] = [], second] = byDomain;
  if (only !== undefined && second === undefined) return only;
  const total = mergedCounters(cores);
  const sum = merged('', byDomain) as DomainStats;
  const buffer = cores.find(({ cache }) => cache !== undefined)?.cache?.buffer;
  return {
    ...sum,
    plans: { ...sum.plans, invalid: sum.plans.invalid + unknownDomains },
    planningMs: total.planning.summary(),
    latenessMs: total.lateness.summary(),
    calls: { ...sum.calls, ...total.calls() },
    models: total.models(),
    cache: sum.cache && buffer !== undefined && cacheOfAll(sum.cache, byDomain, buffer),
  };
}

export function mergedDistributions(cores: readonly Pick<DomainCore, 'counters'>[]): Distributions {
  const [first, second] = cores;
  return first !== undefined && second === undefined
    ? first.counters.distributions()
    : mergedCounters(cores).distributions();
}

function mergedCounters(cores: readonly Pick<DomainCore, 'counters'>[]): PlannerCounters {
  const total = new PlannerCounters();
  for (const { counters } of cores) total.add(counters);
  return total;
}

/** Lookups are those of all threads, which the store counts. */
function cacheOfAll(sum: CacheStats, byDomain: Named<DomainStats>, buffer: SharedArrayBuffer): CacheStats {
  const caches = byDomain.map(([, { cache }]) => cache).filter((cache) => cache !== false);
  const { hits: exactHits, stale, misses } = readStoreCounts(buffer);
  const hits = exactHits + sum.similarHits + sum.habitHits;
  const lookups = hits + stale + misses;
  const rateOf = (of: 'all' | HitTier): Rate =>
    mergedRate(
      sum.falseHits[of],
      caches.map(({ falseHits }) => falseHits[of]),
    );
  return {
    ...sum,
    hits,
    misses: misses + stale,
    expired: stale,
    hitRate: lookups === 0 ? 0 : hits / lookups,
    falseHits: {
      ...sum.falseHits,
      all: rateOf('all'),
      exact: rateOf('exact'),
      similar: rateOf('similar'),
      habit: rateOf('habit'),
    },
  };
}

/** The ends of the interval are the means of those of the domains, which is cautious: more samples would narrow it. */
function mergedRate(sum: Rate, rates: readonly Rate[]): Rate {
  if (sum.checked === 0) return { ...sum, tooFew: true, rate: null, low: null, high: null };
  const mean = (of: 'rate' | 'low' | 'high'): number =>
    rates.reduce((total, rate) => total + (rate[of] ?? 0) * rate.checked, 0) / sum.checked;
  return {
    ...sum,
    tooFew: rates.every(({ tooFew }) => tooFew),
    rate: mean('rate'),
    low: mean('low'),
    high: mean('high'),
  };
}

/** Merges values at the same place of each domain's figures. */
function merged(path: string, all: Named<unknown>): unknown {
  const known = all.filter(([, value]) => value !== null && value !== undefined && value !== false);
  const [[, first] = []] = known;
  if (first === undefined) return all[0]?.[1];
  if (typeof first === 'number') return mergedNumber(path, known as Named<number>);
  if (Array.isArray(first))
    return known.flatMap(([domain, rows]) => (rows as object[]).map((row) => rowOf(domain, row)));
  if (typeof first === 'object') return mergedObject(path, known as Named<object>);
  // A reason why something is off holds for all only if it is off for all.
  if (typeof first === 'string') return path.endsWith('off') && known.length < all.length ? null : first;
  return first;
}

/** Scenes of equal names in two domains are two scenes. */
function rowOf(domain: string, row: object): object {
  return 'scene' in row ? { ...row, scene: `${domain}: ${row.scene}`, domain } : { ...row, domain };
}

function mergedNumber(path: string, numbers: Named<number>): number {
  const values = numbers.map(([, value]) => value);
  const isLargest = LARGEST.has(path.replace(/^\.cache\./, '')) || /\.(risk|riskHigh|agreement)$/.test(path);
  return isLargest ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0);
}

function mergedObject(path: string, all: Named<object>): object {
  const keys = new Set(all.flatMap(([, value]) => Object.keys(value)));
  const at = (key: string): unknown => {
    const values = all.map(([name, value]) => [name, (value as Record<string, unknown>)[key]] as const);
    return merged(`${path}.${key}`, values);
  };
  return Object.fromEntries([...keys].map((key) => [key, at(key)]));
}
