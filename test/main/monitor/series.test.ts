import { expect, test } from 'vitest';
import { DurationTally } from '../../../src/main/measure/duration-tally.ts';
import type { MergeableSample, Sample } from '../../../src/main/monitor/sample.ts';
import { SampleStore, seriesOf } from '../../../src/main/monitor/series.ts';
import { PLAN_SOURCES, type PlanSource } from '../../../src/shared/decision.ts';

/** The `nth` sample: that many plans by quorum, each of `ms`. */
function taken(nth: number, ms = 10): MergeableSample {
  const tally = new DurationTally();
  for (let plan = 0; plan < nth; plan++) tally.record(ms);
  const none = Object.fromEntries(PLAN_SOURCES.map((source) => [source, 0])) as Record<PlanSource, number>;
  const sample: Sample = {
    atMs: nth * 1_000,
    seconds: 1,
    plans: nth,
    sources: { ...none, quorum: nth },
    planningMs: { count: nth, mean: ms, p50: ms, p95: ms, p99: ms, max: ms },
    calls: { useful: nth, timeouts: 1, cancelled: 2, failed: 3 },
    fallbacks: 1,
    lookups: nth,
    hits: 1,
    falseHits: { checked: nth, wrong: 0, rate: 0, low: 0, high: 0.5 },
    entries: nth,
    inFlight: nth,
    endpoints: [],
  };
  return { sample, durations: tally.take() };
}

function filled(count: number, max: number, whenFull: 'forget' | 'thin'): SampleStore {
  const store = new SampleStore(max, whenFull);
  for (let nth = 1; nth <= count; nth++) store.add(taken(nth));
  return store;
}

test.each([
  [9, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  [10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  [11, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
])('of %i samples, a store of ten that forgets has the latest', (count, plans) => {
  expect(seriesOf(filled(count, 10, 'forget').samples()).plans).toEqual(plans);
});

test.each([9, 10, 11, 12, 20, 21, 40, 41, 1_000])(
  'of %i samples, a store of ten that thins loses none and is bounded',
  (count) => {
    const samples = filled(count, 10, 'thin').samples();
    const sum = (of: (sample: Sample) => number): number => samples.reduce((total, sample) => total + of(sample), 0);
    expect(samples.length).toBeLessThanOrEqual(11);
    if (count >= 10) expect(samples.length).toBeGreaterThanOrEqual(5);
    expect(sum(({ plans }) => plans)).toBe((count * (count + 1)) / 2);
    expect(sum(({ sources }) => sources.quorum)).toBe((count * (count + 1)) / 2);
    expect(sum(({ planningMs }) => planningMs.count)).toBe((count * (count + 1)) / 2);
    expect(sum(({ seconds }) => seconds)).toBe(count);
    expect(sum(({ calls }) => calls.timeouts + calls.cancelled + calls.failed)).toBe(6 * count);
    expect(sum(({ fallbacks }) => fallbacks)).toBe(count);
    expect(sum(({ hits }) => hits)).toBe(count);
    // All of one length, but the last one, which is still growing.
    expect(new Set(samples.slice(0, -1).map(({ seconds }) => seconds)).size).toBe(1);
    // In order, up to the very last one.
    expect(samples.map(({ atMs }) => atMs)).toEqual(samples.map(({ atMs }) => atMs).sort((a, b) => a - b));
    expect(samples.at(-1)).toMatchObject({ atMs: count * 1_000, entries: count, inFlight: count });
  },
);

test('a sample that was made of two has the percentiles of all their plans', () => {
  const store = new SampleStore(2, 'thin');
  for (const [count, ms] of [
    [1, 1_000],
    [99, 10],
    [1, 1],
  ] as const)
    store.add(taken(count, ms));
  const [first] = store.samples();
  expect(first?.planningMs).toMatchObject({ count: 100, max: 1_000 });
  expect(first?.planningMs.p95).toBeLessThan(11);
});

test('a second without plans has no planning time', () => {
  const { p50, plans, falseRate } = seriesOf([taken(0).sample]);
  expect({ p50, plans, falseRate }).toEqual({ p50: [null], plans: [0], falseRate: [0] });
});
