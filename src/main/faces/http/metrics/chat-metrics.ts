import { counter, gauge, type Metric } from './metric.ts';

/** Chats of other clients on the planner's endpoints. */
export const CHAT_METRICS: readonly Metric[] = [
  counter('conclave_chats_total', 'Chats that ended, by how.', ({ stats }) =>
    Object.entries(stats.chats.byOutcome).map(([outcome, value]) => ({ labels: { outcome }, value })),
  ),
  counter('conclave_chat_codes_total', 'Chats that were not answered, by code.', ({ stats }) =>
    Object.entries(stats.chats.byCode).map(([code, value]) => ({ labels: { code }, value })),
  ),
  gauge(
    'conclave_chats_in_flight',
    'Chats that wait for an answer, or the rest of it.',
    ({ stats }) => stats.chats.inFlight,
  ),
  counter('conclave_chats_cached_total', 'Chats answered from the exact cache.', ({ stats }) => stats.chats.cached),
  counter(
    'conclave_chats_joined_total',
    'Chats answered by the work for an equal one.',
    ({ stats }) => stats.chats.joined,
  ),
  counter(
    'conclave_chat_fallbacks_total',
    'Chats answered by another model than was asked for.',
    ({ stats }) => stats.chats.fallbacks,
  ),
  counter('conclave_chat_calls_total', 'Calls to models made for chats.', ({ stats }) => stats.chats.calls),
  counter('conclave_chat_tokens_total', 'Tokens of chats; estimated where their servers do not tell.', ({ stats }) => [
    { labels: { gen_ai_token_type: 'input' }, value: stats.chats.promptTokens },
    { labels: { gen_ai_token_type: 'output' }, value: stats.chats.completionTokens },
  ]),
  counter('conclave_chat_tokens_estimated_total', 'Tokens of chats that no server told.', ({ stats }) => [
    { labels: { gen_ai_token_type: 'input' }, value: stats.chats.promptTokensEstimated },
    { labels: { gen_ai_token_type: 'output' }, value: stats.chats.completionTokensEstimated },
  ]),
];
