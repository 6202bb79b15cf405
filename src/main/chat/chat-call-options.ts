import { describeValue, PlannerError } from '../../shared/errors.ts';
import { readPlainly } from '../../shared/plan-request.ts';
import { CHAT_MS_MAX } from '../options/chat-options.ts';
import { checkSignal } from '../plans/plan-options.ts';
import { invalid } from './chat-request.ts';

const CACHE_USES = ['use', 'renew', 'off'] as const;

/** Options of one chat, or of one request that is passed on. */
export interface ChatCallOptions {
  /** Time limit of the whole chat, in milliseconds. Default: the option `chat.timeoutMs`. */
  readonly timeoutMs?: number;
  /** Cancels the chat: its model work stops unless others wait for it. */
  readonly signal?: AbortSignal;
  /** Whether to ask other models if this one fails. Default: the option `chat.fallback`. */
  readonly fallback?: boolean;
  /** `use`: the answer may come from the cache, and is cached. `renew`: it is only cached. `off`: neither. Default `use`. */
  readonly cache?: (typeof CACHE_USES)[number];
}

/** Reads each option once, so that a getter cannot change it later. Throws ERR_REQUEST_INVALID. */
export function readCallOptions(given: unknown = {}): ChatCallOptions {
  if (given === null || typeof given !== 'object') {
    throw invalid(`options must be an object, got ${describeValue(given)}`);
  }
  const options = readPlainly(() => ({ ...given })) as ChatCallOptions;
  const { signal, fallback, cache } = options;
  checkSignal(signal);
  if (fallback !== undefined && typeof fallback !== 'boolean') {
    throw invalid(`fallback must be true or false, got ${describeValue(fallback)}`);
  }
  if (cache !== undefined && !CACHE_USES.includes(cache)) {
    throw invalid(`cache must be one of ${CACHE_USES.join(', ')}, got ${describeValue(cache)}`);
  }
  return options;
}

/** Checks a time limit. Throws ERR_REQUEST_INVALID. */
export function checkTimeout(timeoutMs: number): void {
  if (typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= CHAT_MS_MAX) return;
  const rule = `must be a number of milliseconds above 0 and at most ${CHAT_MS_MAX}`;
  throw invalid(`timeoutMs ${rule}, got ${describeValue(timeoutMs)}`);
}

export function cancelled(): PlannerError {
  return new PlannerError('ERR_CANCELLED', "the chat was ended by its caller's signal");
}

export function tooMany(maxInFlight: number): PlannerError {
  const message = `${maxInFlight} chats are in flight (chat.maxInFlight)`;
  return new PlannerError('ERR_PLANNER_OVERLOADED', message, { retryable: true });
}
