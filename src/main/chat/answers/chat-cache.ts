import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import type { ResolvedChatCache } from '../../options/chat-options.ts';

/** A whole answer as the cache keeps it: the text of a `chat.completion`. */
export interface CachedChat {
  readonly completion: string;
  readonly model: string;
  readonly endpoint: string;
  readonly storedAtMs: number;
}

export interface ChatCacheStats {
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  /** Whole answers not kept, because of their kind or their size. */
  readonly notKept: number;
}

/** Size of an entry in addition to its text: key, names, times. */
const ENTRY_BYTES = 300;

/** Caches whole answers by exact key. Bounded by entries and bytes; evicts the least recently used entry, and drops each after its TTL. */
export class ChatCache {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #entries: LRUCache<string, CachedChat>;
  readonly #counts = { hits: 0, misses: 0 };
  notKept = 0;

  constructor({ entries, bytesMax, ttlMs }: ResolvedChatCache, clock: Clock) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    // Expiry is checked here because the library would read another clock.
    this.#entries = new LRUCache({ max: entries, maxSize: bytesMax, maxEntrySize: Math.ceil(bytesMax / 8) });
  }

  find(key: string): CachedChat | undefined {
    const found = this.#entries.get(key);
    if (found !== undefined && this.#clock.now() - found.storedAtMs < this.#ttlMs) {
      this.#counts.hits++;
      return found;
    }
    if (found !== undefined) this.#entries.delete(key);
    this.#counts.misses++;
    return undefined;
  }

  keep(key: string, answer: Omit<CachedChat, 'storedAtMs'>): void {
    const size = 2 * (answer.completion.length + key.length) + ENTRY_BYTES;
    this.#entries.set(key, { ...answer, storedAtMs: this.#clock.now() }, { size });
    if (!this.#entries.has(key)) this.notKept++;
  }

  clear(): void {
    this.#entries.clear();
  }

  stats(): ChatCacheStats {
    const { size: entries, calculatedSize: bytes } = this.#entries;
    return { entries, bytes, ...this.#counts, notKept: this.notKept };
  }
}
