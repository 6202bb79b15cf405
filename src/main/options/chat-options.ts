import { z } from 'zod';

/** Which requests may be answered from the cache. `deterministic`: those with temperature 0 or a seed; `all`: every request. */
const CHAT_CACHE_WHEN = ['deterministic', 'all'] as const;
export type ChatCacheWhen = (typeof CHAT_CACHE_WHEN)[number];

/** The cache of chats, which keeps whole answers to exactly equal requests. */
export interface ChatCacheOptions {
  /** Maximum number of answers. The least recently used one is evicted. Default 1,000. */
  readonly entries?: number;
  /** Approximate maximum size of all answers together. One answer may use an eighth of it. Default 64 MiB. */
  readonly bytesMax?: number;
  /** How long an answer is fresh, in milliseconds. Default 600,000. */
  readonly ttlMs?: number;
  /**
   * Which requests are cached, and share one call if they are made at the same time. Default `deterministic`: a client that sets a
   * temperature above 0 and no seed expects a new answer each time.
   */
  readonly when?: ChatCacheWhen;
}

/** The chat gateway: `POST /v1/chat/completions` for any OpenAI client. */
export interface ChatOptions {
  /** Time limit for a chat whose request sets none, in milliseconds. Default 120,000. */
  readonly timeoutMs?: number;
  /**
   * Maximum time between two pieces of an answer, and for a client that stops reading, in milliseconds. The limit learned for a model
   * may be shorter. Default 30,000.
   */
  readonly stallMs?: number;
  /** Maximum number of chats at once. Further chats are rejected with ERR_PLANNER_OVERLOADED. Default 256. */
  readonly maxInFlight?: number;
  /** Maximum size of one HTTP request, including its images. Default 24 MiB. */
  readonly bodyBytesMax?: number;
  /** Asks the models of `synthesis`, in order, if the requested model fails. Default true. */
  readonly fallback?: boolean;
  /** The cache of answers; false switches it off. Default: on, for deterministic requests. */
  readonly cache?: false | ChatCacheOptions;
}

export interface ResolvedChatCache {
  readonly entries: number;
  readonly bytesMax: number;
  readonly ttlMs: number;
  readonly when: ChatCacheWhen;
}

export interface ResolvedChat {
  readonly timeoutMs: number;
  readonly stallMs: number;
  readonly maxInFlight: number;
  readonly bodyBytesMax: number;
  readonly fallback: boolean;
  readonly cache: false | ResolvedChatCache;
}

/** Upper bound of every time limit of chats, in milliseconds. */
export const CHAT_MS_MAX = 24 * 60 * 60 * 1000;
const ms = z.number().int().positive().max(CHAT_MS_MAX);

export const chatSchema = z.strictObject({
  timeoutMs: ms.optional(),
  stallMs: ms.optional(),
  maxInFlight: z.number().int().positive().max(100_000).optional(),
  bodyBytesMax: z.number().int().min(1_024).max(1_073_741_824).optional(),
  fallback: z.boolean().optional(),
  cache: z
    .union([
      z.literal(false),
      z.strictObject({
        entries: z.number().int().positive().max(1_000_000).optional(),
        bytesMax: z
          .number()
          .int()
          .min(65_536)
          .max(2 ** 36)
          .optional(),
        ttlMs: ms.optional(),
        when: z.enum(CHAT_CACHE_WHEN).optional(),
      }),
    ])
    .optional(),
});

export function resolveChat(given: z.infer<typeof chatSchema> = {}): ResolvedChat {
  return {
    timeoutMs: given.timeoutMs ?? 120_000,
    stallMs: given.stallMs ?? 30_000,
    maxInFlight: given.maxInFlight ?? 256,
    bodyBytesMax: given.bodyBytesMax ?? 24 * 2 ** 20,
    fallback: given.fallback ?? true,
    cache: resolveCache(given.cache ?? {}),
  };
}

function resolveCache(given: NonNullable<z.infer<typeof chatSchema>['cache']>): ResolvedChat['cache'] {
  if (given === false) return false;
  const { entries = 1_000, bytesMax = 64 * 2 ** 20, ttlMs = 600_000, when = 'deterministic' } = given;
  return { entries, bytesMax, ttlMs, when };
}
