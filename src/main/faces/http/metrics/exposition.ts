import { Counter, Gauge, type Metric as RegisteredMetric, Registry } from 'prom-client';
import { FIGURE_METRICS } from './figure-metrics.ts';
import type { HistogramMetric, Metric, MetricSample, MetricsSnapshot } from './metric.ts';
import { PROCESS_METRICS } from './process-metrics.ts';

export const METRICS: readonly (Metric | HistogramMetric)[] = [...FIGURE_METRICS, ...PROCESS_METRICS];

/**
 * A snapshot in Prometheus' text format, by prom-client. Uses a new registry for each scrape: the planner counts, so nothing is counted twice here.
 */
export async function expose(snapshot: MetricsSnapshot): Promise<string> {
  const registry = new Registry();
  for (const metric of METRICS) {
    if (metric.type === 'histogram') addHistogram(registry, metric, snapshot);
    else add(registry, metric, snapshot);
  }
  return registry.metrics();
}

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

function add(registry: Registry, { name, help, type, read }: Metric, snapshot: MetricsSnapshot): void {
  const told = read(snapshot);
  const samples: readonly MetricSample[] = typeof told === 'number' ? [{ value: told }] : (told ?? []);
  if (samples.length === 0) return;
  const labelNames = Object.keys(samples[0]?.labels ?? {});
  const settings = { name, help, labelNames, registers: [registry] };
  if (type === 'counter') {
    const counter = new Counter(settings);
    for (const { labels, value } of samples) counter.inc({ ...labels }, value);
  } else {
    const gauge = new Gauge(settings);
    for (const { labels, value } of samples) gauge.set({ ...labels }, value);
  }
}

/** prom-client's own histogram counts by itself; this one reports existing counts. */
function addHistogram(registry: Registry, { name, help, read }: HistogramMetric, snapshot: MetricsSnapshot): void {
  const values = read(snapshot).flatMap(({ labels, buckets: { bounds, counts, count, sum } }) => {
    let below = 0;
    const inBounds = bounds.map((bound, i) => {
      below += counts[i] as number;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: below };
    });
    return [
      ...inBounds,
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  });
  if (values.length === 0) return;
  const metric = { name, get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values }) };
  // The registry only uses a metric's name and `get`.
  registry.registerMetric(metric as unknown as RegisteredMetric);
}
