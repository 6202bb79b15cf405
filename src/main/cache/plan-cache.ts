import type { Clock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import type { Signature } from '../../shared/signature.ts';
import { type Lookup, readStoreCounts, StoreReader } from '../../shared/store/store-reader.ts';
import { StoreWriter } from './store-writer.ts';

export interface CacheOptions {
  readonly entries: number;
  readonly ttlMs: number;
}

export interface CacheStats {
  readonly entries: number;
  readonly entriesMax: number;
  readonly ttlMs: number;
  /** Lookups of all threads. */
  readonly hits: number;
  readonly misses: number;
  /** Misses that found an expired entry. */
  readonly expired: number;
  /** Hits of all lookups, 0 to 1. */
  readonly hitRate: number;
  readonly evictions: number;
  /** Decisions whose reason or tally was cut to keep the payload's bound. */
  readonly cut: number;
  /** Decisions not kept because their action alone passed the bound. */
  readonly tooLarge: number;
}

/** What was decided before, by signature: the coordinator's side of the shared store. */
export class PlanCache {
  readonly buffer: SharedArrayBuffer;
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  readonly #clock: Clock;
  readonly #options: CacheOptions;
  #cut = 0;
  #tooLarge = 0;

  constructor(options: CacheOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#writer = new StoreWriter(options.entries);
    this.buffer = this.#writer.buffer;
    this.#reader = new StoreReader(this.buffer, { marksTouched: false });
  }

  lookup(signature: Signature): Lookup {
    const lookup = this.#reader.lookup(signature, this.#clock.now());
    if (lookup.kind === 'hit') this.#writer.touch(lookup.entry.slot);
    return lookup;
  }

  /** A decision that is still fresh, without counting and without any effect on eviction. */
  peek(signature: Signature): Decision | undefined {
    const entry = this.#reader.find(signature);
    return entry !== undefined && entry.expiresAtMs > this.#clock.now() ? entry.decision : undefined;
  }

  remember(signature: Signature, decision: Decision): void {
    const outcome = this.#writer.write(signature, decision, this.#clock.now() + this.#options.ttlMs);
    if (outcome.kind === 'too-large') this.#tooLarge++;
    else if (outcome.cut) this.#cut++;
  }

  clear(): void {
    this.#writer.clear();
  }

  stats(): CacheStats {
    const { hits, stale, misses } = readStoreCounts(this.buffer);
    const lookups = hits + stale + misses;
    return {
      entries: this.#writer.size,
      entriesMax: this.#options.entries,
      ttlMs: this.#options.ttlMs,
      hits,
      misses: misses + stale,
      expired: stale,
      hitRate: lookups === 0 ? 0 : hits / lookups,
      evictions: this.#writer.evictions,
      cut: this.#cut,
      tooLarge: this.#tooLarge,
    };
  }
}
