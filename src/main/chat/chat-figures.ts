import { CLUSTER_FIGURES } from '../plans/figures/cluster-figures.ts';
import { type Figure, type FigurePath, type FigureRow, figuresOf } from '../plans/figures/figure.ts';
import { PLAN_FIGURES } from '../plans/figures/plan-figures.ts';
import type { ChatResult, ChatStats } from './chat-counters.ts';

type ChatFigurePath = FigurePath<{ readonly chats: ChatStats }, ChatResult>;

/** The counters of the chat gateway: the rest of the table of figures. */
// biome-ignore format: a figure is one line.
const ROWS = {
  'chats.requests': ['Chats', 'count', 'none', 'Everything that was asked, also what was refused.'],
  'chats.byOutcome.*': ['Chats by outcome', 'count', 'none', 'Chats that ended, by how.', { metric: 'conclave_chats_total' }],
  'chats.byCode.*': ['Chats by code', 'count', 'low', 'Chats that were not answered, by code.', { metric: 'conclave_chat_codes_total' }],
  'chats.inFlight': ['Chats in flight', 'count', 'none', 'Chats that wait for an answer, or the rest of it.', { metric: 'conclave_chats_in_flight' }],
  'chats.cached': ['Chats cached', 'count', 'none', 'Chats answered from the exact cache.', { metric: 'conclave_chats_cached_total' }],
  'chats.joined': ['Chats joined', 'count', 'none', 'Chats answered by the work for an equal one.', { metric: 'conclave_chats_joined_total' }],
  'chats.fallbacks': ['Chats of another model', 'count', 'low', 'Chats answered by another model than was asked for.', { metric: 'conclave_chat_fallbacks_total' }],
  'chats.calls': ['Calls for chats', 'count', 'none', 'Calls to models made for chats.', { metric: 'conclave_chat_calls_total' }],
  'chats.chatMs': ['Time of a chat', 'times', 'low', 'From the request to the end of the answer, of chats answered by a model.'],
  'chats.firstTokenMs': ['First token of a chat', 'times', 'low', 'From the request to the first word, of chats answered by a model.'],
  'chats.promptTokens': ['Tokens read for chats', 'tokens', 'none', 'Tokens of the prompts of chats.', { metric: 'conclave_chat_tokens_total{gen_ai_token_type="input"}', metricHelp: 'Tokens of chats; estimated where their servers do not tell.' }],
  'chats.completionTokens': ['Tokens written for chats', 'tokens', 'none', 'Tokens of the answers of chats.', { metric: 'conclave_chat_tokens_total{gen_ai_token_type="output"}' }],
  'chats.promptTokensEstimated': ['Tokens read for chats, estimated', 'tokens', 'none', 'Tokens of the prompts of chats that no server told.', { metric: 'conclave_chat_tokens_estimated_total{gen_ai_token_type="input"}', metricHelp: 'Tokens of chats that no server told.' }],
  'chats.completionTokensEstimated': ['Tokens written for chats, estimated', 'tokens', 'none', 'Tokens of the answers of chats that no server told.', { metric: 'conclave_chat_tokens_estimated_total{gen_ai_token_type="output"}' }],
  'chats.cache.entries': ['Chats kept', 'count', 'none', 'Answers kept in the exact cache now.'],
  'chats.cache.bytes': ['Size of the chats kept', 'bytes', 'none', 'Their size.'],
  'chats.cache.hits': ['Chat hits', 'count', 'high', 'Lookups that were served.'],
  'chats.cache.misses': ['Chat misses', 'count', 'low', 'Lookups that were not served.'],
  'chats.cache.notKept': ['Chats not kept', 'count', 'none', 'Whole answers that are not of a kind that is kept, or pass the bound of an entry.'],
} as const satisfies Record<ChatFigurePath, FigureRow>;

/** All figures of `planner.stats()`. */
export const FIGURES: readonly Figure[] = [...PLAN_FIGURES, ...figuresOf(ROWS), ...CLUSTER_FIGURES];
