import { PlannerError } from '../errors.ts';
import { BOUNDS_RULES, boundsFault } from '../untrusted-json.ts';
import { errorText, serverFailure } from './failures.ts';

/** No call has more tokens; a server that says so is wrong, and its figure would spoil every sum. */
const TOKENS_MAX = 1_000_000_000;

export interface TokenUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly cachedTokens?: number;
}

/** Events of a chat stream as far as they are read. Everything is optional: servers differ. */
export interface ChunkEvent {
  readonly model?: unknown;
  readonly error?: unknown;
  readonly choices?: readonly {
    readonly index?: unknown;
    readonly delta?: { readonly content?: unknown; readonly reasoning_content?: unknown; readonly reasoning?: unknown };
    readonly message?: { readonly content?: unknown; readonly reasoning_content?: unknown };
    readonly finish_reason?: unknown;
  }[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
  } | null;
  /** llama.cpp's: of the prompt, what was held and what was read, and what is written so far. */
  readonly timings?: { readonly cache_n?: unknown; readonly prompt_n?: unknown; readonly predicted_n?: unknown };
}

/** An event of a stream, or a whole body, as JSON; or that it is none. */
export function parseEvent(data: string): unknown {
  const fault = boundsFault(data);
  if (fault !== undefined) {
    return new PlannerError('ERR_MODEL_MALFORMED', `an event of the stream ${BOUNDS_RULES[fault]}`);
  }
  try {
    return JSON.parse(data);
  } catch (cause) {
    return new PlannerError('ERR_MODEL_MALFORMED', 'an event of the stream is not JSON', { cause });
  }
}

/** The status of an error that a server tells in an event, or in the body of a 200; undefined where it tells none. */
export function errorStatusOf({ error }: ChunkEvent): number | undefined {
  if (error === undefined || error === null) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : 500;
}

/** The failure that an event tells of, or is; undefined where it is a part of an answer. */
export function eventFailure(event: unknown, isConstrained: boolean): PlannerError | undefined {
  if (event instanceof PlannerError) return event;
  if (event === null || typeof event !== 'object') {
    return new PlannerError('ERR_MODEL_MALFORMED', 'an event of the stream is not an object');
  }
  const status = errorStatusOf(event);
  if (status === undefined) return undefined;
  return serverFailure(status, errorText((event as ChunkEvent).error), isConstrained);
}

/**
 * What an event holds of an answer, in any of its choices: `content` (words, a thought, a call of a tool), `blank` where it
 * is nothing but white space, or `none`. Any member of a delta counts but the role: servers have more of them than OpenAI.
 */
export function contentOf({ choices }: ChunkEvent): 'content' | 'blank' | 'none' {
  let found: 'blank' | 'none' = 'none';
  if (!Array.isArray(choices)) return found;
  for (const choice of choices) {
    const part = choice?.delta ?? choice?.message;
    if (part === null || typeof part !== 'object') continue;
    for (const [name, value] of Object.entries(part)) {
      if (name === 'role' || value === null || value === '') continue;
      if (typeof value !== 'string') {
        if (Array.isArray(value) ? value.length > 0 : typeof value === 'object') return 'content';
      } else if (value.trim() !== '') return 'content';
      else found = 'blank';
    }
  }
  return found;
}

/** What is known of the tokens after an event: its figures over those of the events before. */
export function usageAfter(known: TokenUsage, event: ChunkEvent): TokenUsage {
  if (!event.usage && !event.timings) return known;
  const { cache_n, prompt_n, predicted_n } = event.timings ?? {};
  const prompt = event.usage?.prompt_tokens ?? (isCount(cache_n) && isCount(prompt_n) ? cache_n + prompt_n : undefined);
  const completion = event.usage?.completion_tokens ?? predicted_n;
  const cached = event.usage?.prompt_tokens_details?.cached_tokens ?? cache_n;
  return {
    ...known,
    ...(isCount(prompt) ? { promptTokens: prompt } : {}),
    ...(isCount(completion) ? { completionTokens: completion } : {}),
    ...(isCount(cached) ? { cachedTokens: cached } : {}),
  };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= TOKENS_MAX;
}
