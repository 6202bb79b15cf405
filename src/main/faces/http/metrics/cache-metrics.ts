import type { CacheStats } from '../../../cache/cache-options.ts';
import type { TierStat } from '../../../cache/standing/tier-standing.ts';
import { counter, gauge, type Metric, type MetricSample } from './metric.ts';

type Read = (cache: CacheStats) => readonly MetricSample[] | number | undefined;

/** The cache; nothing where it is off. */
function cached(make: typeof counter, name: string, help: string, read: Read): Metric {
  return make(`conclave_cache_${name}`, help, ({ stats }) => (stats.cache === false ? undefined : read(stats.cache)));
}

/** How often what each tier served was wrong: the estimate and its 95 % interval. */
function falseHits({ falseHits: { exact, similar } }: CacheStats): MetricSample[] {
  return Object.entries({ exact, similar }).flatMap(([tier, { rate, low, high }]) =>
    Object.entries({ estimate: rate, low, high }).flatMap(([bound, value]) =>
      value === null ? [] : [{ labels: { tier, bound }, value }],
    ),
  );
}

/** One sample for each tier and distance, or age, that was compared. */
function byTier(read: (tier: TierStat) => number | null): Read {
  return ({ standing }) => {
    if (standing === false) return undefined;
    return standing.tiers.flatMap((stat) => {
      const value = read(stat);
      return value === null
        ? []
        : [{ labels: { tier: stat.tier, to: stat.to === null ? 'inf' : `${stat.to}` }, value }];
    });
  };
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
  cached(
    counter,
    'cycles_broken_total',
    'Answers held back until models were asked, because an agent went round with them.',
    ({ cyclesBroken }) => cyclesBroken,
  ),
  cached(counter, 'withheld_total', 'Answers withheld that had not earned to be served.', ({ withheld }) => withheld),
  cached(counter, 'probes_total', 'Servable answers about which models were asked first.', ({ probes }) => probes),
  cached(counter, 'stood_total', 'Misses that were answered from memory after all.', ({ stood }) => stood),
  cached(
    counter,
    'tier_compared_total',
    'Decisions of models that were held against what a tier served or would have served, by its largest distance, or age in milliseconds.',
    byTier(({ compared }) => compared),
  ),
  cached(
    gauge,
    'tier_agreement_ratio',
    'How often models said the same, of the latest few hundred comparisons.',
    byTier(({ agreement }) => agreement),
  ),
  cached(
    gauge,
    'tier_serving',
    'Whether the tier serves now, 1 or 0.',
    byTier(({ serving }) => Number(serving)),
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
