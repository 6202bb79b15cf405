import { expect, test } from 'vitest';
import type { ChatPlannerStats } from '../../../src/main/chat/chat-planner.ts';
import { reportText } from '../../../src/main/cli/terminal/report-text.ts';
import { expose } from '../../../src/main/faces/http/metrics/exposition.ts';
import type { MetricsSnapshot } from '../../../src/main/faces/http/metrics/metric.ts';
import { BucketCounts } from '../../../src/main/measure/bucket-counts.ts';
import { planTimes } from '../../../src/main/plans/distributions.ts';
import { compareReports } from '../../../src/main/report/comparison.ts';
import { isShare, isTime } from '../../../src/main/session/figures.ts';
import { type SessionReport, sessionReport } from '../../../src/main/session/report.ts';
import { numberedStats } from '../../support/numbered-stats.ts';

/**
 * What every figure is called and how it is shown, as it was before there was a table of figures: none of these may change
 * by accident. `npx vitest run test/main/figures -u` writes the files anew.
 */

const TRACE = { file: 'cave.jsonl', name: 'cave' };
const OUTCOME = {
  ...{
    plans: 400,
    legal: 400,
    onTime: 390,
    cancelled: 3,
    compared: 300,
    agreed: 200,
    agents: 7,
    laps: 2,
    seconds: 12.5,
  },
  interrupted: true,
};
const PROCESS = {
  ...{ userCpuSeconds: 1.5, systemCpuSeconds: 0.5, residentBytes: 1_000, heapUsedBytes: 200, heapTotalBytes: 300 },
  ...{ externalBytes: 40, uptimeSeconds: 50, loopActiveSeconds: 2, loopIdleSeconds: 48 },
  loopDelaySeconds: [{ quantile: '0.5', value: 0.001 }],
};

function reportOf(stats: ChatPlannerStats): SessionReport {
  const server = { kind: 'simulated', speed: 100, baseURL: 'http://127.0.0.1:1/v1' } as const;
  return sessionReport(OUTCOME, stats, { trace: TRACE, server });
}

function bucketsOf(...values: number[]): BucketCounts {
  const buckets = new BucketCounts([1, 10]);
  for (const value of values) buckets.observe(value);
  return buckets;
}

function snapshotOf(stats: ChatPlannerStats): MetricsSnapshot {
  const plans = planTimes();
  plans.cache.observe(0.002);
  const times = { firstChunk: bucketsOf(2), inputTokens: bucketsOf(3, 30), outputTokens: bucketsOf(5) };
  const durations = new Map([['OK', bucketsOf(0.5)] as const, ['ERR_MODEL_TIMEOUT_STREAM', bucketsOf(20)] as const]);
  const models = stats.models.map(({ endpoint, model, step }) => ({ endpoint, model, step, durations, ...times }));
  return { stats, distributions: { plans, models }, process: PROCESS, isOpen: true, version: '1.2.3' };
}

/** One block a metric, by name: their order says nothing. */
function byName(exposition: string): string {
  const blocks = exposition.trim().split(/\n+(?=# HELP )/);
  return `${blocks.sort().join('\n\n')}\n`;
}

/** Every path of a report that holds a number, with what `--expect` takes it for. */
function expectable(tree: object, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    if (value !== null && typeof value === 'object') return expectable(value, `${prefix}${name}.`);
    if (typeof value !== 'number') return [];
    const path = prefix + name;
    return [`${path}${isShare(path) ? ' %' : ''}${isTime(path) ? ' ms' : ''}`];
  });
}

const NO_CACHE: ChatPlannerStats = { ...numberedStats(), cache: false };

test('metrics', async () => {
  await expect(byName(await expose(snapshotOf(numberedStats())))).toMatchFileSnapshot('today/metrics.txt');
  await expect(byName(await expose(snapshotOf(NO_CACHE)))).toMatchFileSnapshot('today/metrics-no-cache.txt');
});

test('the report as JSON', async () => {
  const json = (stats: ChatPlannerStats): string => `${JSON.stringify(reportOf(stats), undefined, 2)}\n`;
  await expect(json(numberedStats())).toMatchFileSnapshot('today/report.json.txt');
  await expect(json(NO_CACHE)).toMatchFileSnapshot('today/report-no-cache.json.txt');
});

test('the report as text', async () => {
  await expect(reportText(reportOf(numberedStats()))).toMatchFileSnapshot('today/report.txt');
  await expect(reportText(reportOf(NO_CACHE))).toMatchFileSnapshot('today/report-no-cache.txt');
});

test('the comparison', async () => {
  const faster = reportOf(numberedStats());
  const compared = compareReports(reportOf(NO_CACHE), { ...faster, onTime: 100, plansPerSecond: 200 });
  await expect(`${JSON.stringify(compared, undefined, 2)}\n`).toMatchFileSnapshot('today/comparison.json.txt');
});

test('what --expect takes for a share or a time', async () => {
  await expect(`${expectable(reportOf(numberedStats())).join('\n')}\n`).toMatchFileSnapshot('today/expect.txt');
});
