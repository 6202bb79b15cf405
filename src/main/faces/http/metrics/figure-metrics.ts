import { FIGURES } from '../../../chat/chat-figures.ts';
import type { CallDistributions } from '../../../plans/distributions.ts';
import { type Figure, type FoundFigure, valuesAt } from '../../../plans/figures/figure.ts';
import {
  counter,
  gauge,
  type HistogramMetric,
  type HistogramSample,
  histogram,
  type Labels,
  type Metric,
  type MetricSample,
  type MetricsSnapshot,
} from './metric.ts';

/** Labels for each `*` in a path: members of a list item, or the key of a record. */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  sources: ['source'],
  why: ['why'],
  'calls.byCode': ['code'],
  models: ['endpoint', 'model', 'step'],
  endpoints: ['endpoint'],
  'reads.calibration': ['model'],
  'reads.calibration.*.curve': ['from'],
  'cache.standing.tiers': ['tier', 'to'],
  'chats.byOutcome': ['outcome'],
  'cluster.leases': ['server'],
  'cluster.shared': ['domain'],
  'chats.byCode': ['code'],
};

/** Metrics whose samples differ from the figures themselves. */
const READS: Readonly<Record<string, Metric['read']>> = {
  conclave_cache_hits_total: ({ stats: { cache } }) =>
    cache === false
      ? []
      : [
          { labels: { tier: 'exact' }, value: cache.hits - cache.similarHits - cache.habitHits },
          { labels: { tier: 'similar' }, value: cache.similarHits },
          { labels: { tier: 'habit' }, value: cache.habitHits },
        ],
};

type ModelCalls = MetricsSnapshot['distributions']['models'][number];

const HISTOGRAMS: Readonly<Record<string, HistogramMetric['read']>> = {
  conclave_plan_duration_seconds: ({ distributions }) =>
    Object.entries(distributions.plans).map(([source, buckets]) => ({ labels: { source }, buckets })),
  gen_ai_client_operation_duration_seconds: ofModels(({ durations }) =>
    [...durations].map(([code, buckets]) => ({ labels: code === 'OK' ? {} : { error_type: code }, buckets })),
  ),
  gen_ai_client_operation_time_to_first_chunk_seconds: ofModels(({ firstChunk }) => [
    { labels: {}, buckets: firstChunk },
  ]),
  gen_ai_client_token_usage: ofModels(({ inputTokens, outputTokens }) => [
    { labels: { gen_ai_token_type: 'input' }, buckets: inputTokens },
    { labels: { gen_ai_token_type: 'output' }, buckets: outputTokens },
  ]),
};

function ofModels(read: (calls: CallDistributions) => readonly HistogramSample[]): HistogramMetric['read'] {
  return (snapshot) =>
    snapshot.distributions.models.flatMap((model) =>
      read(model).map(({ labels, buckets }) => ({ labels: { ...genAi(snapshot, model), ...labels }, buckets })),
    );
}

/** A model's labels in OpenTelemetry's GenAI conventions; the provider is the kind of server. */
function genAi({ stats }: MetricsSnapshot, { endpoint, model, step }: ModelCalls): Labels {
  return {
    gen_ai_operation_name: 'chat',
    gen_ai_provider_name: stats.endpoints.find((at) => at.endpoint === endpoint)?.kind ?? 'unknown',
    gen_ai_request_model: model,
    conclave_endpoint: endpoint,
    conclave_step: step,
  };
}

const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;

/** The state of each breaker: not a figure, because it is a text. */
export const BREAKER_STATE = gauge(
  'conclave_endpoint_breaker_state',
  '1 for the state that the breaker is in.',
  ({ stats }) =>
    stats.endpoints.flatMap(({ endpoint, breaker }) =>
      BREAKER_STATES.map((state) => ({ labels: { endpoint, state }, value: breaker.state === state ? 1 : 0 })),
    ),
);

/** A metric as written in the table of figures: its name, and the labels that its path does not give. */
function writtenMetric(metric: string): { readonly name: string; readonly labels: Labels } {
  const [name, ...pairs] = metric.split(/[{,}]/).filter((part) => part !== '');
  const labels = pairs.map((pair) => pair.split(/="|"/).slice(0, 2) as [string, string]);
  return { name: name as string, labels: Object.fromEntries(labels) };
}

/** The metric of a figure with its labels: `conclave_calls_total{endpoint,model,step,outcome="useful"}`; a histogram has its own. */
export function metricText({ path, metric }: Figure): string | undefined {
  if (metric === undefined) return undefined;
  const { name, labels } = writtenMetric(metric);
  if (HISTOGRAMS[name] !== undefined) return name;
  const own = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const all = [...listsIn(path).flatMap((list) => LABELS[list] ?? []), ...own];
  return all.length === 0 ? name : `${name}{${all.join()}}`;
}

/** Figures of what the domains of a planner share. */
const SHARED = /^(turns|workers|chats|endpoints|cluster)\.|^cache\.(entriesMax|bytes|disk\.)/;

/** The planner's counters, from the table of figures. */
export const FIGURE_METRICS: readonly (Metric | HistogramMetric)[] = [...metricsOf(FIGURES), BREAKER_STATE];

function metricsOf(figures: readonly Figure[]): (Metric | HistogramMetric)[] {
  const told = figures.filter(({ metric }) => metric !== undefined);
  const families = Map.groupBy(told, ({ metric = '' }) => writtenMetric(metric).name);
  return [...families].map(([name, each]) => {
    const { help, metricHelp = help, path } = each[0] as Figure;
    if (HISTOGRAMS[name] !== undefined) return histogram(name, metricHelp, byDomain(HISTOGRAMS[name]));
    const make = name.endsWith('_total') ? counter : gauge;
    const own = READS[name];
    const read = (snapshot: MetricsSnapshot): readonly MetricSample[] => {
      const samples = own?.(snapshot) ?? samplesOf(each, snapshot.stats);
      return typeof samples === 'number' ? [{ value: samples }] : samples;
    };
    return make(name, metricHelp, SHARED.test(path) ? read : byDomain(read));
  });
}

/** Reads the figures of each domain, if there are several, and labels them with its name. */
function byDomain<S extends { readonly labels?: Labels }>(
  read: (snapshot: MetricsSnapshot) => readonly S[],
): (snapshot: MetricsSnapshot) => readonly S[] {
  return (snapshot) => {
    if (snapshot.domains === undefined) return read(snapshot);
    return Object.entries(snapshot.domains).flatMap(([domain, { stats, distributions }]) => {
      const own = { ...snapshot, stats: { ...snapshot.stats, ...stats }, distributions };
      return read(own).map((sample) => ({ ...sample, labels: { domain, ...sample.labels } }));
    });
  };
}

/** Samples, grouped by item. */
function samplesOf(figures: readonly Figure[], stats: MetricsSnapshot['stats']): MetricSample[] {
  const found = figures.flatMap(({ path, unit, metric = '' }) => {
    const lists = listsIn(path);
    const { labels } = writtenMetric(metric);
    const scale = unit === 'ms' ? MS : 1;
    return valuesAt(stats, path).map((each) => ({ each, scale, labels: { ...labelsOf(lists, each), ...labels } }));
  });
  const byItem = Map.groupBy(found, ({ each }) => each.at.map(({ name }) => name).join());
  return [...byItem.values()].flat().flatMap(({ each: { value }, scale, labels }) => {
    return typeof value === 'number' || typeof value === 'boolean' ? [{ labels, value: Number(value) * scale }] : [];
  });
}

/** Metrics are in seconds, as Prometheus asks. */
const MS = 0.001;

/** The lists and records on the path to a figure: what precedes each `*`. */
function listsIn(path: string): string[] {
  return [...path.matchAll(/\.\*/g)].map(({ index }) => path.slice(0, index));
}

/** A tier without an upper end reaches to infinity. */
function labelsOf(lists: readonly string[], { at }: FoundFigure): Labels {
  const pairs = lists.flatMap((list, depth) => {
    const { name, item } = at[depth] ?? {};
    const told = (label: string): unknown => (typeof item === 'object' ? Reflect.get(item as object, label) : name);
    return (LABELS[list] ?? []).map((label): [string, string] => [label, `${told(label) ?? 'inf'}`]);
  });
  return Object.fromEntries(pairs);
}
