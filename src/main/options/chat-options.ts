import { z } from 'zod';

/** Which answers may be given again. `deterministic`: to requests with temperature 0 or a seed; `all`: to all. */
export const CHAT_CACHE_WHEN = ['deterministic', 'all'] as const;
export type ChatCacheWhen = (typeof CHAT_CACHE_WHEN)[number];

/** What is remembered of chats: whole answers to exactly the same request. */
export interface ChatCacheOptions {
  /** Default 1,000. The least recently used one gives way. */
  readonly entries?: number;
  /** Of all of them, about. Default 64 MiB; one answer may take an eighth of it. */
  readonly bytesMax?: number;
  /** How long an answer is given again, milliseconds. Default 600,000. */
  readonly ttlMs?: number;
  /**
   * Whose answers are kept, and shared with those who ask the same at the same time. Default `deterministic`: whoever sets a
   * temperature above 0 and no seed asks for another answer each time.
   */
  readonly when?: ChatCacheWhen;
}

/** The chat gateway: `POST /v1/chat/completions` for any OpenAI client. */
export interface ChatOptions {
  /** For a whole chat unless its request says otherwise, milliseconds. Default 120,000. */
  readonly timeoutMs?: number;
  /**
   * Between two pieces of an answer, and for a client that reads nothing, at most, milliseconds. What is learned of a model may
   * be less. Default 30,000.
   */
  readonly stallMs?: number;
  /** Chats at once; one more is refused with ERR_PLANNER_OVERLOADED. Default 256. */
  readonly maxInFlight?: number;
  /** Of one request over HTTP, which may hold images. Default 24 MiB. */
  readonly bodyBytesMax?: number;
  /** Whether the models of `synthesis` are asked, in their order, where the one asked for fails. Default true. */
  readonly fallback?: boolean;
  /** Default: on, for deterministic requests. */
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

/** The longest time that a chat may be given. */
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
