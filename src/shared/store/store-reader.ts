import { LRUCache } from 'lru-cache';
import type { Decision } from '../decision.ts';
import type { Signature } from '../signature.ts';
import { decodeDecision } from './decision-codec.ts';
import {
  CHAIN_STEPS_MAX,
  COUNTER,
  COUNTER_BLOCKS,
  fromWords,
  HEADER,
  openStoreLayout,
  SLOT,
  type SlotIndex,
  type StoreLayout,
} from './store-layout.ts';

/** A decision as one thread has decoded it, valid while its slot has the same SEQUENCE. */
export interface StoreEntry {
  readonly slot: SlotIndex;
  readonly sequence: number;
  readonly decision: Decision;
  /** When it stops being served, in milliseconds of the process clock. */
  readonly expiresAtMs: number;
}

export type Lookup =
  | { readonly kind: 'hit'; readonly entry: StoreEntry }
  | { readonly kind: 'stale'; readonly entry: StoreEntry }
  | { readonly kind: 'miss' };

const MISS: Lookup = { kind: 'miss' };

export interface StoreReaderOptions {
  /** Whether hits set the touched mark that eviction honours. The coordinator keeps exact order instead. Default true. */
  readonly marksTouched?: boolean;
  /** Decisions kept decoded in this thread. Default: all slots, at most 50,000. */
  readonly decodedMax?: number;
}

const DECODED_MAX = 50_000;
/** How often a read begins anew when the writer was in the same slot. Then it is a miss. */
const READ_TRIES = 3;

/** The read path of the store: lock-free, without a message, from any thread. */
export class StoreReader {
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #scratchBytes: Uint8Array;
  readonly #decoded: LRUCache<SlotIndex, StoreEntry>;
  readonly #countersAt: number;
  readonly #marksTouched: boolean;

  constructor(buffer: SharedArrayBuffer, options: StoreReaderOptions = {}) {
    this.layout = openStoreLayout(buffer);
    this.#words = new Int32Array(buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#scratchBytes = new Uint8Array(this.#scratch.buffer);
    this.#decoded = new LRUCache({ max: options.decodedMax ?? Math.min(this.layout.slotCount, DECODED_MAX) });
    this.#marksTouched = options.marksTouched ?? true;
    const claimed = Atomics.add(this.#words, HEADER.READERS, 1);
    this.#countersAt = HEADER.WORDS + Math.min(claimed, COUNTER_BLOCKS - 1) * COUNTER.WORDS;
  }

  /** Looks a signature up and counts the outcome. `nowMs` is the process clock. */
  lookup(signature: Signature, nowMs: number): Lookup {
    const entry = this.find(signature);
    if (entry === undefined) {
      this.#count(COUNTER.MISSES_LOW);
      return MISS;
    }
    if (entry.expiresAtMs <= nowMs) {
      this.#count(COUNTER.STALE_LOW);
      return { kind: 'stale', entry };
    }
    this.#count(COUNTER.HITS_LOW);
    if (this.#marksTouched) this.#markTouched(entry.slot);
    return { kind: 'hit', entry };
  }

  /** The entry of a signature, expired or not, without counting. */
  find(signature: Signature): StoreEntry | undefined {
    const words = this.#words;
    const { bucketsAt, bucketCount } = this.layout;
    let reference = Atomics.load(words, bucketsAt + ((signature[0] as number) & (bucketCount - 1)));
    for (let steps = 0; reference !== 0 && steps < CHAIN_STEPS_MAX; steps++) {
      const slot: SlotIndex = reference - 1;
      const at = this.#slotAt(slot);
      if (this.#hasKey(at, signature)) {
        const entry = this.#read(slot, at, signature);
        if (entry !== undefined) return entry;
      }
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
    return undefined;
  }

  #slotAt(slot: SlotIndex): number {
    return this.layout.slotsAt + slot * this.layout.slotWords;
  }

  #hasKey(at: number, signature: Signature): boolean {
    const words = this.#words;
    return (
      Atomics.load(words, at + SLOT.KEY) === signature[0] &&
      Atomics.load(words, at + SLOT.KEY + 1) === signature[1] &&
      Atomics.load(words, at + SLOT.KEY + 2) === signature[2] &&
      Atomics.load(words, at + SLOT.KEY + 3) === signature[3]
    );
  }

  #read(slot: SlotIndex, at: number, signature: Signature): StoreEntry | undefined {
    const words = this.#words;
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const sequence = Atomics.load(words, at + SLOT.SEQUENCE);
      if ((sequence & 1) !== 0) continue;
      const held = this.#decoded.get(slot);
      // The key is compared again inside this SEQUENCE: the slot may have been given to another one meanwhile.
      if (!this.#hasKey(at, signature)) return undefined;
      if (held !== undefined && held.sequence === sequence) {
        if (Atomics.load(words, at + SLOT.SEQUENCE) === sequence) return held;
        continue;
      }
      const length = Atomics.load(words, at + SLOT.LENGTH);
      const expiresAtMs = fromWords(
        Atomics.load(words, at + SLOT.EXPIRES_HIGH),
        Atomics.load(words, at + SLOT.EXPIRES_LOW),
      );
      if (length <= 0 || length > this.#scratchBytes.length) continue;
      for (let i = 0; i < (length + 3) >> 2; i++) this.#scratch[i] = Atomics.load(words, at + SLOT.PAYLOAD + i);
      // Pairs with the even store in StoreWriter.write: equal means that nothing above came from a later write.
      if (Atomics.load(words, at + SLOT.SEQUENCE) !== sequence) continue;
      const decision = decodeDecision(this.#scratchBytes.subarray(0, length));
      const entry: StoreEntry = { slot, sequence, decision, expiresAtMs };
      this.#decoded.set(slot, entry);
      return entry;
    }
    return undefined;
  }

  #markTouched(slot: SlotIndex): void {
    const at = this.#slotAt(slot) + SLOT.TOUCHED;
    // Only when it is not set: a store would take the cache line away from every other reader.
    if (Atomics.load(this.#words, at) === 0) Atomics.store(this.#words, at, 1);
  }

  #count(counter: number): void {
    const at = this.#countersAt + counter;
    if (Atomics.add(this.#words, at, 1) === -1) Atomics.add(this.#words, at + 1, 1);
  }
}

export interface StoreCounts {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
}

/** The lookups of all threads so far, summed. */
export function readStoreCounts(buffer: SharedArrayBuffer): StoreCounts {
  const words = new Int32Array(buffer);
  const blocks = Math.min(Atomics.load(words, HEADER.READERS), COUNTER_BLOCKS);
  const sum = (low: number): number => {
    let total = 0;
    for (let block = 0; block < blocks; block++) {
      const at = HEADER.WORDS + block * COUNTER.WORDS + low;
      total += fromWords(Atomics.load(words, at + 1), Atomics.load(words, at));
    }
    return total;
  };
  return { hits: sum(COUNTER.HITS_LOW), stale: sum(COUNTER.STALE_LOW), misses: sum(COUNTER.MISSES_LOW) };
}
