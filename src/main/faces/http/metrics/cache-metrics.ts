import type { CacheStats } from '../../../cache/cache-options.ts';
import { counter, gauge, type Metric, type Sample } from './metric.ts';

type Read = (cache: CacheStats) => readonly Sample[] | number | undefined;

/** The cache; nothing where it is off. */
function cached(make: typeof counter, name: string, help: string, read: Read): Metric {
  return make(`conclave_cache_${name}`, help, ({ stats }) => (stats.cache === false ? undefined : read(stats.cache)));
}

/** How often what each tier served was wrong: the estimate and its 95 % interval. */
function falseHits({ falseHits: { exact, similar } }: CacheStats): Sample[] {
  return Object.entries({ exact, similar }).flatMap(([tier, { rate, low, high }]) =>
    Object.entries({ estimate: rate, low, high }).flatMap(([bound, value]) =>
      value === null ? [] : [{ labels: { tier, bound }, value }],
    ),
  );
}

export const CACHE_METRICS: readonly Metric[] = [
  cached(counter, 'hits_total', 'Lookups that were served, from the same state or a similar one.', (cache) => [
    { labels: { tier: 'exact' }, value: cache.hits - cache.similarHits },
    { labels: { tier: 'similar' }, value: cache.similarHits },
  ]),
  cached(counter, 'misses_total', 'Lookups that were not served.', ({ misses }) => misses),
  cached(counter, 'expired_total', 'Misses that found an expired decision.', ({ expired }) => expired),
  cached(gauge, 'entries', 'Decisions kept now.', ({ entries }) => entries),
  cached(gauge, 'entries_limit', 'Decisions that may be kept.', ({ entriesMax }) => entriesMax),
  cached(gauge, 'size_bytes', 'Shared memory of the cache.', ({ bytes }) => bytes),
  cached(counter, 'evictions_total', 'Decisions that gave way to newer ones.', ({ evictions }) => evictions),
  cached(counter, 'cut_total', 'Decisions that were cut to fit.', ({ cut }) => cut),
  cached(counter, 'too_large_total', 'Decisions not kept because they do not fit.', ({ tooLarge }) => tooLarge),
  cached(
    counter,
    'contradicted_total',
    'Answers withheld because the values given spoke against them.',
    ({ contradicted }) => contradicted,
  ),
  cached(
    counter,
    'loops_broken_total',
    'Answers withheld because their agent had done the same twice without effect.',
    ({ loopsBroken }) => loopsBroken,
  ),
  cached(counter, 'checked_total', 'Hits that models were asked again about.', ({ falseHits: { exact, similar } }) => [
    { labels: { tier: 'exact' }, value: exact.checked },
    { labels: { tier: 'similar' }, value: similar.checked },
  ]),
  cached(
    counter,
    'wrong_total',
    'Checked hits that models answered otherwise.',
    ({ falseHits: { exact, similar } }) => [
      { labels: { tier: 'exact' }, value: exact.wrong },
      { labels: { tier: 'similar' }, value: similar.wrong },
    ],
  ),
  cached(gauge, 'false_hit_ratio', 'Wrong of checked hits, with the ends of its 95 % interval.', falseHits),
];
