import type { CallDistributions } from '../../../plans/distributions.ts';
import {
  counter,
  gauge,
  type HistogramMetric,
  histogram,
  type Labels,
  type Metric,
  type MetricsSnapshot,
} from './metric.ts';

/** How calls to models ended, and how `stats()` calls that. */
const OUTCOMES = { useful: 'useful', timeout: 'timeouts', cancelled: 'cancelled', failed: 'failed' } as const;

type ModelCalls = MetricsSnapshot['distributions']['models'][number];

/** A model's labels as OpenTelemetry's GenAI conventions name them; the provider is the kind of server. */
function genAi({ stats }: MetricsSnapshot, { endpoint, model, step }: ModelCalls): Labels {
  return {
    gen_ai_operation_name: 'chat',
    gen_ai_provider_name: stats.endpoints.find((at) => at.endpoint === endpoint)?.kind ?? 'unknown',
    gen_ai_request_model: model,
    conclave_endpoint: endpoint,
    conclave_step: step,
  };
}

function tokens({ inputTokens, outputTokens }: CallDistributions) {
  return Object.entries({ input: inputTokens, output: outputTokens });
}

export const CALL_METRICS: readonly (Metric | HistogramMetric)[] = [
  histogram('gen_ai_client_operation_duration_seconds', 'Calls to models, by how they ended.', (snapshot) =>
    snapshot.distributions.models.flatMap((model) =>
      [...model.durations].map(([code, buckets]) => ({
        labels: { ...genAi(snapshot, model), ...(code === 'OK' ? {} : { error_type: code }) },
        buckets,
      })),
    ),
  ),
  histogram('gen_ai_client_operation_time_to_first_chunk_seconds', 'From a call to its first token.', (snapshot) =>
    snapshot.distributions.models.map((model) => ({ labels: genAi(snapshot, model), buckets: model.firstChunk })),
  ),
  histogram('gen_ai_client_token_usage', 'Tokens of a call; estimated where its server does not tell.', (snapshot) =>
    snapshot.distributions.models.flatMap((model) =>
      tokens(model).map(([type, buckets]) => ({
        labels: { ...genAi(snapshot, model), gen_ai_token_type: type },
        buckets,
      })),
    ),
  ),
  counter('conclave_tokens_estimated_total', 'Tokens of calls that no server told.', ({ stats }) =>
    stats.models.flatMap(({ endpoint, model, step, promptTokensEstimated, completionTokensEstimated }) =>
      Object.entries({ input: promptTokensEstimated, output: completionTokensEstimated }).map(([type, value]) => ({
        labels: { endpoint, model, step, gen_ai_token_type: type },
        value,
      })),
    ),
  ),
  counter('conclave_calls_total', 'Calls to models that ended, by how.', ({ stats }) =>
    stats.models.flatMap((model) =>
      Object.entries(OUTCOMES).map(([outcome, counted]) => ({
        labels: { endpoint: model.endpoint, model: model.model, step: model.step, outcome },
        value: model[counted],
      })),
    ),
  ),
  counter('conclave_calls_started_total', 'Calls to models that were begun.', ({ stats }) => stats.calls.made),
  gauge('conclave_calls_running', 'Calls to models that run now.', ({ stats }) => stats.calls.running),
  counter('conclave_call_codes_total', 'Calls to models that ended, by code.', ({ stats }) =>
    Object.entries(stats.calls.byCode).map(([code, value]) => ({ labels: { code }, value })),
  ),
  counter('conclave_call_retries_total', 'Calls made again elsewhere.', ({ stats }) => stats.calls.retries),
  counter(
    'conclave_call_hedges_total',
    'Second tries of calls that took unusually long.',
    ({ stats }) => stats.calls.hedges,
  ),
  counter(
    'conclave_call_early_choices_total',
    'Votes that counted before their answers had ended.',
    ({ stats }) => stats.calls.earlyChoices,
  ),
  counter(
    'conclave_call_seats_moved_total',
    'Calls made to another model than the one configured, since that one was not in memory.',
    ({ stats }) => stats.calls.seatsMoved,
  ),
  gauge('conclave_background_queued', 'Answers that wait to be asked again.', ({ stats }) => stats.background.queued),
  gauge('conclave_background_running', 'Answers that are asked again now.', ({ stats }) => stats.background.running),
  counter('conclave_background_total', 'Answers asked again, by how that ended.', ({ stats }) =>
    (['done', 'failed', 'cancelled', 'dropped'] as const).map((outcome) => ({
      labels: { outcome },
      value: stats.background[outcome],
    })),
  ),
  gauge(
    'conclave_later_states',
    'States that models are to be asked about later.',
    ({ stats }) => stats.background.later.states,
  ),
  counter('conclave_later_total', 'Calls about states for later, and the votes that came of them.', ({ stats }) =>
    (['asked', 'voted'] as const).map((outcome) => ({ labels: { outcome }, value: stats.background.later[outcome] })),
  ),
  counter(
    'conclave_calls_given_up_total',
    'Calls that nobody waited for, given up for somebody who could make a deadline with their slots.',
    ({ stats }) => stats.endpoints.map(({ endpoint, givenUp }) => ({ labels: { endpoint }, value: givenUp })),
  ),
];
