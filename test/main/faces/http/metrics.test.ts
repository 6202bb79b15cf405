import { expect, test } from 'vitest';
import type { ChatPlannerStats } from '../../../../src/main/chat/chat-planner.ts';
import { METRICS } from '../../../../src/main/faces/http/metrics/exposition.ts';
import type { MetricsSnapshot } from '../../../../src/main/faces/http/metrics/metric.ts';
import { openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import { allFeatures } from '../../../../src/main/options/features.ts';
import type { CalibrationStats } from '../../../../src/main/plans/reads/read-calibration.ts';
import type { ReadStats } from '../../../../src/main/plans/reads/reads.ts';
import { drive } from '../../../support/drive.ts';
import { type ExposedMetric, readExposition } from '../../../support/exposition.ts';
import { makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request } from '../../../support/make-planner.ts';
import { type FaceUnderTest, openFace, silentLog } from '../../../support/open-face.ts';

type Metrics = Map<string, ExposedMetric>;

/** Both at one moment: nothing runs in between on the fake clock. */
async function scrape(at: FaceUnderTest): Promise<{ metrics: Metrics; stats: ChatPlannerStats }> {
  const response = await at.call('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const metrics = readExposition(await response.text());
  return { metrics, stats: (await (await at.call('/v1/stats')).json()) as ChatPlannerStats };
}

/** The sum of a metric's samples that have these labels. */
function read(metrics: Metrics, name: string, labels: Record<string, string> = {}): number | undefined {
  const metric = metrics.get(name) ?? metrics.get(name.replace(/_(sum|count)$/, ''));
  const found = metric?.samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  return found === undefined || found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

const WEIRD = 'a "quoted" \\ model\nof two lines, é 你 {x="y"}';

/** A planner that has seen a bit of everything. */
async function busyFace(): Promise<FaceUnderTest> {
  const at = await openFace({
    script: ({ role, nth }) => {
      if (role === 'two') return { kind: 'errors', code: 'ERR_MODEL_STATUS' };
      if (role === undefined && nth % 2 === 0) return { kind: 'times-out' };
      return { kind: 'answers', action: 'flee', afterMs: 3 };
    },
    planner: {
      experts: [
        { role: 'one', model: WEIRD },
        { role: 'two', model: 'e' },
      ],
      // A similar state has not earned to be served by eight plans.
      cache: { checkShare: 1, trust: 'always' },
    },
    models: [WEIRD, 'a', 'b', 'e'],
  });
  for (let i = 0; i < 5; i++)
    await drive(at.clock, at.post(request({ observation: { place: `p ${i % 3}`, health: 1 } })));
  for (const health of [29, 31]) {
    await drive(at.clock, at.post(request({ agent: `at ${health}`, observation: { place: 'edge', health } })));
  }
  await at.post(request({ actions: [] }));
  await drive(at.clock, at.post({ ...request({ observation: { place: 'far', health: 1 } }), timeoutMs: 2 }));
  return at;
}

test('every counter equals what stats say', async () => {
  await using at = await busyFace();
  const { metrics, stats } = await scrape(at);
  const { plans, sources, calls, cache, background, workers, endpoints } = stats;
  expect(plans.settled).toBe(8);
  const equal: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  const compare = (name: string, value: number | null, labels: Record<string, string> = {}): void => {
    const key = `${name}${JSON.stringify(labels)}`;
    equal[key] = read(metrics, name, labels);
    expected[key] = value;
  };
  compare('conclave_plans_total', plans.settled);
  for (const [source, count] of Object.entries(sources)) {
    compare('conclave_plans_total', count, { source });
    compare('conclave_plan_duration_seconds_count', count, { source });
  }
  for (const [why, count] of Object.entries(stats.why)) compare('conclave_plans_undecided_total', count, { why });
  expect(stats.why['no-time']).toBe(1);
  compare('conclave_plans_in_flight', plans.inFlight);
  compare('conclave_plans_coalesced_total', plans.coalesced);
  compare('conclave_plans_superseded_total', plans.superseded);
  compare('conclave_plans_cancelled_total', plans.cancelled);
  compare('conclave_plans_refused_total', plans.refused);
  compare('conclave_plans_invalid_total', plans.invalid);
  compare('conclave_fallbacks_total', stats.fallbacks);
  compare('conclave_calls_started_total', calls.made);
  compare('conclave_calls_running', calls.running);
  compare('conclave_call_retries_total', calls.retries);
  compare('conclave_call_hedges_total', calls.hedges);
  compare('conclave_call_early_choices_total', calls.earlyChoices);
  compare('conclave_calls_total', calls.useful, { outcome: 'useful' });
  compare('conclave_calls_total', calls.timeouts, { outcome: 'timeout' });
  compare('conclave_calls_total', calls.cancelled, { outcome: 'cancelled' });
  compare('conclave_calls_total', calls.failed, { outcome: 'failed' });
  for (const [code, count] of Object.entries(calls.byCode)) {
    compare('conclave_call_codes_total', count, { code });
    compare('gen_ai_client_operation_duration_seconds_count', count, code === 'OK' ? {} : { error_type: code });
  }
  const ok = 'gen_ai_client_operation_duration_seconds_count{}';
  expected[ok] = calls.made - calls.running;
  for (const { model, endpoint, step, useful, timeouts, promptTokens } of stats.models) {
    compare('conclave_calls_total', useful, { model, endpoint, step, outcome: 'useful' });
    compare('conclave_calls_total', timeouts, { model, endpoint, step, outcome: 'timeout' });
    const labels = { gen_ai_request_model: model, conclave_step: step, gen_ai_token_type: 'input' };
    compare('gen_ai_client_token_usage_sum', promptTokens, labels);
  }
  if (cache === false) throw new Error('the cache is on');
  compare('conclave_cache_hits_total', cache.hits);
  compare('conclave_cache_hits_total', cache.similarHits, { tier: 'similar' });
  compare('conclave_cache_misses_total', cache.misses);
  compare('conclave_cache_expired_total', cache.expired);
  compare('conclave_cache_entries', cache.entries);
  compare('conclave_cache_entries_limit', cache.entriesMax);
  compare('conclave_cache_size_bytes', cache.bytes);
  compare('conclave_cache_evictions_total', cache.evictions);
  compare('conclave_cache_cut_total', cache.cut);
  compare('conclave_cache_too_large_total', cache.tooLarge);
  compare('conclave_cache_contradicted_total', cache.contradicted);
  compare('conclave_cache_loops_broken_total', cache.loopsBroken);
  compare('conclave_cache_cycles_broken_total', cache.cyclesBroken);
  compare('conclave_cache_withheld_total', cache.withheld);
  compare('conclave_cache_probes_total', cache.probes);
  compare('conclave_cache_stood_total', cache.stood);
  if (cache.standing === false) throw new Error('there is no budget');
  expect(cache.standing.tiers.length).toBeGreaterThan(0);
  for (const { tier, to, compared, agreement, serving } of cache.standing.tiers) {
    const labels = { tier, to: to === null ? 'inf' : `${to}` };
    compare('conclave_cache_tier_compared_total', compared, labels);
    compare('conclave_cache_tier_agreement_ratio', agreement, labels);
    compare('conclave_cache_tier_serving', Number(serving), labels);
  }
  for (const tier of ['exact', 'similar'] as const) {
    const { checked, wrong, rate, low, high } = cache.falseHits[tier];
    compare('conclave_cache_checked_total', checked, { tier });
    compare('conclave_cache_wrong_total', wrong, { tier });
    compare('conclave_cache_false_hit_ratio', rate ?? null, { tier, bound: 'estimate' });
    compare('conclave_cache_false_hit_ratio', low ?? null, { tier, bound: 'low' });
    compare('conclave_cache_false_hit_ratio', high ?? null, { tier, bound: 'high' });
  }
  for (const outcome of ['done', 'failed', 'cancelled', 'dropped'] as const) {
    compare('conclave_background_total', background[outcome], { outcome });
  }
  compare('conclave_background_queued', background.queued);
  compare('conclave_background_running', background.running);
  compare('conclave_worker_threads', workers.threads);
  compare('conclave_worker_tasks_running', workers.running);
  compare('conclave_worker_threads_lost_total', workers.stuck, { reason: 'stuck' });
  compare('conclave_worker_threads_lost_total', workers.crashed, { reason: 'crashed' });
  for (const { endpoint, slots, busy, held, waiting, breaker } of endpoints) {
    compare('conclave_endpoint_slots', slots, { endpoint });
    compare('conclave_endpoint_slots_busy', busy, { endpoint });
    compare('conclave_endpoint_slots_held', held, { endpoint });
    compare('conclave_endpoint_waiting', waiting, { endpoint });
    compare('conclave_endpoint_breaker_opened_total', breaker.opened, { endpoint });
    compare('conclave_endpoint_breaker_state', 1, { endpoint, state: breaker.state });
    compare('conclave_endpoint_breaker_state', 1, { endpoint });
  }
  expect(nullsAsAbsent(equal)).toEqual(expected);
  expect(calls.timeouts).toBeGreaterThan(0);
  expect(calls.failed).toBeGreaterThan(0);
  expect(cache.similarHits).toBeGreaterThan(0);
  expect(cache.hits).toBeGreaterThan(cache.similarHits);
});

test('what is known of reads equals what stats say, by model and by what was expected', async () => {
  const options = {
    experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
    features: { ...allFeatures(true), discovery: false, constrainedAnswers: false },
    answers: 'auto' as const,
  };
  await using at = await makeCachedPlanner(() => ({ kind: 'answers', action: 'block', afterMs: 200 }), {
    cache: false,
    options,
    reads: ({ nth }) =>
      nth % 9 === 8
        ? { kind: 'errors', code: 'ERR_MODEL_STATUS' }
        : { kind: 'reads', probabilities: { block: nth % 3 === 0 ? 0.6 : 0.95 }, afterMs: 20 },
  });
  for (let i = 0; i < 80; i++) {
    const asked = request({ observation: { place: `cave ${i}`, health: 50 } });
    await drive(at.clock, at.planner.plan(asked, { timeoutMs: 1_000 }));
  }
  const face = await openHttpFace(at.planner, { port: 0 }, { clock: at.clock, log: silentLog, version: '1.2.3' });
  const metrics = readExposition(await (await fetch(`${face.address}/metrics`)).text());
  await face.close();
  const { asked, decided, unsure, failed, calibration } = at.planner.stats().reads as ReadStats;
  expect(Math.min(decided, unsure, failed)).toBeGreaterThan(0);
  expect(read(metrics, 'conclave_reads_asked_total')).toBe(asked);
  for (const [outcome, reads] of Object.entries({ decided, unsure, failed }))
    expect(read(metrics, 'conclave_reads_total', { outcome })).toBe(reads);
  const [{ compared, error, brier, brierOfMean, curve }] = calibration as readonly [CalibrationStats];
  const model = 'e';
  expect(read(metrics, 'conclave_reads_compared_total', { model })).toBe(compared);
  expect(read(metrics, 'conclave_reads_calibration_error_ratio', { model })).toBe(error);
  expect(read(metrics, 'conclave_reads_brier_score', { model, of: 'reads' })).toBe(brier);
  expect(read(metrics, 'conclave_reads_brier_score', { model, of: 'mean' })).toBe(brierOfMean);
  expect(curve.length).toBeGreaterThan(1);
  for (const { from, compared, expected, agreed } of curve) {
    const labels = { model, from: `${from}` };
    expect(read(metrics, 'conclave_reads_reliability_compared_total', labels)).toBe(compared);
    expect(read(metrics, 'conclave_reads_reliability_ratio', { ...labels, of: 'expected' })).toBe(expected);
    expect(read(metrics, 'conclave_reads_reliability_ratio', { ...labels, of: 'agreed' })).toBe(agreed);
  }
});

/** What stats do not know is left out. */
function nullsAsAbsent(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value ?? null]));
}

test('scrapes count nothing twice', async () => {
  await using at = await busyFace();
  await scrape(at);
  const { metrics, stats } = await scrape(at);
  expect(read(metrics, 'conclave_plans_total')).toBe(stats.plans.settled);
  const both = await Promise.all([at.call('/metrics'), at.call('/metrics')]);
  for (const response of both) {
    expect(read(readExposition(await response.text()), 'conclave_plans_total')).toBe(stats.plans.settled);
  }
});

test('names keep to the conventions', async () => {
  await using at = await busyFace();
  for (const { name, type, help } of (await scrape(at)).metrics.values()) {
    expect(name).toMatch(/^(conclave_|gen_ai_client_)[a-z0-9_]+$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(name).not.toMatch(/_(ms|milliseconds|kb|percent)(_|$)/);
    expect(help).toMatch(/\.$/);
  }
});

test('buckets of a histogram add up', async () => {
  await using at = await busyFace();
  const { metrics } = await scrape(at);
  for (const { name, samples } of [...metrics.values()].filter(({ type }) => type === 'histogram')) {
    const bySeries = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
    for (const series of bySeries.values()) {
      const buckets = series.filter((sample) => sample.name === `${name}_bucket`);
      const counts = buckets.map(({ value }) => value);
      expect(counts).toEqual([...counts].sort((a, b) => a - b));
      const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)));
      expect(bounds).toEqual([...bounds].sort((a, b) => a - b));
      expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY);
      expect(series.find((sample) => sample.name === `${name}_count`)?.value).toBe(counts.at(-1));
    }
  }
});

test('model ids of any characters come through', async () => {
  await using at = await busyFace();
  const { metrics } = await scrape(at);
  expect(read(metrics, 'conclave_calls_total', { model: WEIRD, outcome: 'useful' })).toBeGreaterThan(0);
  expect(
    read(metrics, 'gen_ai_client_operation_duration_seconds_count', { gen_ai_request_model: WEIRD }),
  ).toBeGreaterThan(0);
});

test('without a cache there are no metrics of it', async () => {
  await using at = await openFace({ planner: { cache: false } });
  const { metrics } = await scrape(at);
  expect([...metrics.keys()].filter((name) => name.startsWith('conclave_cache_'))).toEqual([]);
});

test('the process and the version are told', async () => {
  await using at = await openFace();
  const { metrics } = await scrape(at);
  expect(read(metrics, 'conclave_process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
  expect(read(metrics, 'conclave_process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(read(metrics, 'conclave_build_info', { version: '1.2.3' })).toBe(1);
  expect(read(metrics, 'conclave_open')).toBe(1);
});

test('chats are told, and equal what stats say', async () => {
  await using at = await busyFace();
  const chat = (body: object): Promise<unknown> =>
    drive(
      at.clock,
      at.call('/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
  await chat({ model: 'a' });
  await chat({ model: 'nobody knows it', messages: [{ role: 'user', content: 'hello' }] });
  const { metrics, stats } = await scrape(at);
  expect(stats.chats).toMatchObject({ requests: 2, byOutcome: { invalid: 2 } });
  for (const [outcome, count] of Object.entries(stats.chats.byOutcome)) {
    expect(read(metrics, 'conclave_chats_total', { outcome })).toBe(count);
  }
  expect(read(metrics, 'conclave_chat_codes_total', { code: 'ERR_MODEL_MISSING' })).toBe(1);
  expect(read(metrics, 'conclave_chats_in_flight')).toBe(0);
  expect(read(metrics, 'conclave_chat_tokens_total')).toBe(0);
});

test('a figure in milliseconds is a metric in seconds', () => {
  const cluster = { shared: [{ domain: 'rover', log: { lagMs: 33 } }] };
  const lag = METRICS.find(({ name }) => name === 'conclave_cluster_log_lag_seconds');
  expect(lag?.read({ stats: { cluster } } as unknown as MetricsSnapshot)).toEqual([
    { labels: { domain: 'rover' }, value: 0.033 },
  ]);
});
