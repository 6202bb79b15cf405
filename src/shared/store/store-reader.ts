import type { Decision } from '../decision.ts';
import type { Signature } from '../signature.ts';
import { decodeDecision } from './decision-codec.ts';
import {
  CHAIN_STEPS_MAX,
  COUNTER,
  COUNTER_BLOCKS,
  countFromWords,
  HEADER,
  openStoreLayout,
  SLOT,
  type SlotIndex,
  type StoreLayout,
  timeFromWords,
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
  /** Decisions kept decoded in this thread, about 0.5 KB each. Default: all slots, at most 131,072. */
  readonly decodedMax?: number;
}

const DECODED_MAX = 131_072;
/** How often a read begins anew when the writer was in the same slot. Then it is a miss. */
const READ_TRIES = 3;

/** An entry with its key and with the two answers it can be, made once, so that a lookup allocates nothing. */
interface Held extends StoreEntry {
  readonly key0: number;
  readonly key1: number;
  readonly key2: number;
  readonly key3: number;
  hit: Lookup;
  stale: Lookup;
}

/**
 * The read path of the store: lock-free, without a message, from any thread.
 *
 * Decoded entries are held in a direct-mapped table, by slot: on the way of every hit, a list kept in order of use would
 * cost more than the read itself. Two slots that share a place in the table decode each other's entries anew.
 */
export class StoreReader {
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #scratchBytes: Uint8Array;
  readonly #held: (Held | undefined)[];
  readonly #heldMask: number;
  readonly #bucketMask: number;
  readonly #countersAt: number;
  /** Readers beyond the number of counter blocks share the last one. */
  readonly #ownsCounters: boolean;
  readonly #marksTouched: boolean;

  constructor(buffer: SharedArrayBuffer, options: StoreReaderOptions = {}) {
    this.layout = openStoreLayout(buffer);
    this.#words = new Int32Array(buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#scratchBytes = new Uint8Array(this.#scratch.buffer);
    const places = powerOfTwo(Math.min(this.layout.slotCount, options.decodedMax ?? DECODED_MAX));
    this.#held = new Array<Held | undefined>(places).fill(undefined);
    this.#heldMask = places - 1;
    this.#bucketMask = this.layout.bucketCount - 1;
    this.#marksTouched = options.marksTouched ?? true;
    const claimed = Atomics.add(this.#words, HEADER.READERS, 1);
    this.#ownsCounters = claimed < COUNTER_BLOCKS - 1;
    this.#countersAt = HEADER.WORDS + Math.min(claimed, COUNTER_BLOCKS - 1) * COUNTER.WORDS;
  }

  /** Looks a signature up and counts the outcome. `nowMs` is the process clock. */
  lookup(signature: Signature, nowMs: number): Lookup {
    const lookup = this.look(signature, nowMs);
    this.count(lookup.kind);
    if (this.#marksTouched && lookup.kind === 'hit') this.#markTouched(lookup.entry.slot);
    return lookup;
  }

  /** The same without counting and without a mark: for who has yet to decide whether a hit is served. */
  look(signature: Signature, nowMs: number): Lookup {
    const held = this.#find(signature);
    if (held === undefined) return MISS;
    return held.expiresAtMs <= nowMs ? held.stale : held.hit;
  }

  /** Counts the outcome of a `look`. */
  count(outcome: Lookup['kind']): void {
    if (outcome === 'hit') this.#count(COUNTER.HITS_LOW);
    else this.#count(outcome === 'stale' ? COUNTER.STALE_LOW : COUNTER.MISSES_LOW);
  }

  /** The entry of a signature, expired or not, without counting. */
  find(signature: Signature): StoreEntry | undefined {
    return this.#find(signature);
  }

  /** The entry that stands in a slot now, without counting. For who knows the slot and not the signature. */
  entryAt(slot: SlotIndex): StoreEntry | undefined {
    const at = this.#slotAt(slot);
    const held = this.#held[slot & this.#heldMask];
    if (held !== undefined && held.slot === slot && Atomics.load(this.#words, at + SLOT.SEQUENCE) === held.sequence) {
      return held;
    }
    return this.#read(slot, at);
  }

  #find(signature: Signature): Held | undefined {
    const words = this.#words;
    const key0 = signature[0] as number;
    let reference = Atomics.load(words, this.layout.bucketsAt + (key0 & this.#bucketMask));
    for (let steps = 0; reference !== 0 && steps < CHAIN_STEPS_MAX; steps++) {
      const slot: SlotIndex = reference - 1;
      const at = this.#slotAt(slot);
      const held = this.#held[slot & this.#heldMask];
      // An unchanged SEQUENCE says that the whole slot is as it was when it was decoded, its key too.
      const isCurrent =
        held !== undefined && held.slot === slot && Atomics.load(words, at + SLOT.SEQUENCE) === held.sequence;
      const entry = isCurrent ? held : Atomics.load(words, at + SLOT.KEY) === key0 ? this.#read(slot, at) : undefined;
      if (entry !== undefined && isKeyOf(entry, signature)) return entry;
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
    return undefined;
  }

  #slotAt(slot: SlotIndex): number {
    return this.layout.slotsAt + slot * this.layout.slotWords;
  }

  /** Copies and decodes a slot. Undefined when it is empty, or when the writer was in it at every try. */
  #read(slot: SlotIndex, at: number): Held | undefined {
    const words = this.#words;
    const scratch = this.#scratch;
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const sequence = Atomics.load(words, at + SLOT.SEQUENCE);
      if ((sequence & 1) !== 0) continue;
      const key0 = Atomics.load(words, at + SLOT.KEY);
      const key1 = Atomics.load(words, at + SLOT.KEY + 1);
      const key2 = Atomics.load(words, at + SLOT.KEY + 2);
      const key3 = Atomics.load(words, at + SLOT.KEY + 3);
      const high = Atomics.load(words, at + SLOT.EXPIRES_HIGH);
      const low = Atomics.load(words, at + SLOT.EXPIRES_LOW);
      const length = Atomics.load(words, at + SLOT.LENGTH);
      const copied = Math.min(Math.max(0, (length + 3) >> 2), scratch.length);
      for (let i = 0; i < copied; i++) scratch[i] = Atomics.load(words, at + SLOT.PAYLOAD + i);
      // Pairs with the even store in StoreWriter.write: equal means that nothing above came from a later write.
      if (Atomics.load(words, at + SLOT.SEQUENCE) !== sequence) continue;
      if (length <= 0 || length > this.#scratchBytes.length) return undefined;
      const decision = decodeDecision(this.#scratchBytes.subarray(0, length));
      const expiresAtMs = timeFromWords(high, low);
      const held: Held = { slot, sequence, decision, expiresAtMs, key0, key1, key2, key3, hit: MISS, stale: MISS };
      held.hit = { kind: 'hit', entry: held };
      held.stale = { kind: 'stale', entry: held };
      this.#held[slot & this.#heldMask] = held;
      return held;
    }
    return undefined;
  }

  #markTouched(slot: SlotIndex): void {
    const at = this.#slotAt(slot) + SLOT.TOUCHED;
    // Only when it is not set: a store would take the cache line away from every other reader.
    if (Atomics.load(this.#words, at) === 0) Atomics.store(this.#words, at, 1);
  }

  #count(counter: number): void {
    const words = this.#words;
    const at = this.#countersAt + counter;
    if (!this.#ownsCounters) {
      if (Atomics.add(words, at, 1) === -1) Atomics.add(words, at + 1, 1);
      return;
    }
    // Plain, because only this thread writes its block, and who sums the blocks may be a moment late. An atomic add
    // would be a third of the whole read.
    const count = ((words[at] as number) + 1) | 0;
    words[at] = count;
    if (count === 0) words[at + 1] = (words[at + 1] as number) + 1;
  }
}

function isKeyOf(held: Held, signature: Signature): boolean {
  return (
    held.key0 === signature[0] && held.key1 === signature[1] && held.key2 === signature[2] && held.key3 === signature[3]
  );
}

function powerOfTwo(atLeast: number): number {
  let power = 1;
  while (power < atLeast) power *= 2;
  return power;
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
      total += countFromWords(Atomics.load(words, at + 1), Atomics.load(words, at));
    }
    return total;
  };
  return { hits: sum(COUNTER.HITS_LOW), stale: sum(COUNTER.STALE_LOW), misses: sum(COUNTER.MISSES_LOW) };
}
