import type { ErrorCode, PlannerError } from '../../shared/errors.ts';
import { DurationHistogram, type Durations } from '../measure/durations.ts';
import { type CallOutcome, callOutcome } from '../plans/counters.ts';
import type { ChatCacheStats } from './answers/chat-cache.ts';
import type { ChatAttempt } from './seats/tries.ts';

/** The counters in `stats().chats`. */
export interface ChatStats {
  /** All requests, including refused ones. */
  readonly requests: number;
  /** Chats that wait for an answer, or for the rest of it. */
  readonly inFlight: number;
  /** Answered from the cache. */
  readonly cached: number;
  /** Answered by the work for another request that asked the same. */
  readonly joined: number;
  /** Answered by a model other than the one asked for. */
  readonly fallbacks: number;
  /** How chats ended. `answered`: in full, from any source; `cancelled`: by their client, or because the planner closed. */
  readonly byOutcome: Readonly<Record<ChatResult, number>>;
  /** Chats that were not answered, by error code. */
  readonly byCode: Readonly<Record<string, number>>;
  /** Time from the request to the end of the answer, for chats answered by a model. */
  readonly chatMs: Durations;
  /** Time from the request to the first word, for the same chats. */
  readonly firstTokenMs: Durations;
  /** Model calls made for chats, and their tokens. */
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens that were estimated, because no server reported them. */
  readonly promptTokensEstimated: number;
  readonly completionTokensEstimated: number;
  /** False when the cache is off. */
  readonly cache: ChatCacheStats | false;
}

/** `invalid`: broke a rule, or asked for an unknown model; `refused`: at the limit of chats, or after closing. */
export type ChatResult = 'answered' | 'timeout' | 'failed' | 'cancelled' | 'refused' | 'invalid';

const OUTCOMES: Readonly<Partial<Record<ErrorCode, ChatResult>>> = {
  ERR_REQUEST_INVALID: 'invalid',
  ERR_MODEL_MISSING: 'invalid',
  ERR_PLANNER_OVERLOADED: 'refused',
  ERR_PLANNER_CLOSED: 'refused',
};
const OF_CALL: Readonly<Record<CallOutcome, ChatResult>> = {
  useful: 'answered',
  timeout: 'timeout',
  cancelled: 'cancelled',
  failed: 'failed',
};

/** Everything the gateway counts. Bounded by the number of codes. */
export class ChatCounters {
  readonly #outcomes: Record<ChatResult, number> = {
    answered: 0,
    timeout: 0,
    failed: 0,
    cancelled: 0,
    refused: 0,
    invalid: 0,
  };
  readonly #codes = new Map<string, number>();
  readonly #whole = new DurationHistogram();
  readonly #first = new DurationHistogram();
  requests = 0;
  inFlight = 0;
  cached = 0;
  joined = 0;
  fallbacks = 0;
  readonly #calls = {
    calls: 0,
    promptTokens: 0,
    completionTokens: 0,
    promptTokensEstimated: 0,
    completionTokensEstimated: 0,
  };

  answered(tookMs?: number): void {
    this.#outcomes.answered++;
    if (tookMs !== undefined) this.#whole.record(tookMs);
  }

  failed(code: ErrorCode): void {
    this.#outcomes[OUTCOMES[code] ?? OF_CALL[callOutcome(code)]]++;
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
  }

  /** Counts the end of a chat in flight, `tookMs` after its request. */
  ended(error: PlannerError | undefined, tookMs: number, isFallback = false): void {
    this.inFlight--;
    if (error !== undefined) return this.failed(error.code);
    this.answered(tookMs);
    if (isFallback) this.fallbacks++;
  }

  begun(afterMs: number): void {
    this.#first.record(afterMs);
  }

  /** Counts the tries of one flight. */
  tried(attempts: readonly ChatAttempt[]): void {
    for (const { code, promptTokens = 0, completionTokens = 0, estimated } of attempts) {
      if (code === 'ERR_ENDPOINT_RESTING' || code === 'ERR_ENDPOINT_BUSY') continue;
      const counts = this.#calls;
      counts.calls++;
      counts.promptTokens += promptTokens;
      counts.completionTokens += completionTokens;
      if (estimated === 'prompt' || estimated === 'both') counts.promptTokensEstimated += promptTokens;
      if (estimated === 'completion' || estimated === 'both') counts.completionTokensEstimated += completionTokens;
    }
  }

  stats(cache: ChatCacheStats | false): ChatStats {
    const { requests, inFlight, cached, joined, fallbacks } = this;
    return {
      requests,
      inFlight,
      cached,
      joined,
      fallbacks,
      byOutcome: { ...this.#outcomes },
      byCode: Object.fromEntries([...this.#codes].sort()),
      chatMs: this.#whole.summary(),
      firstTokenMs: this.#first.summary(),
      ...this.#calls,
      cache,
    };
  }
}
