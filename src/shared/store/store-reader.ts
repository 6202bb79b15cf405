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
/** A key may stand in any of this many neighbouring places of the table of decoded entries. */
const WAYS = 4;

/** An entry with its key, which is also the answer to the lookup that hits it: made once, so that a hit allocates nothing. */
interface Held extends StoreEntry {
  readonly key0: number;
  readonly key1: number;
  readonly key2: number;
  readonly key3: number;
  readonly kind: 'hit';
  entry: StoreEntry;
}

/**
 * The read path of the store: lock-free, without a message, from any thread.
 *
 * Decoded entries are held in a table of this thread's own, four ways associative by key. A held entry is right as long
 * as the SEQUENCE of its slot is what it was when it was decoded, so that a hit costs one look into that table and one
 * atomic load. An order of use for the table would cost more than the whole read; a full set gives up one of its four.
 */
export class StoreReader {
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #scratchBytes: Uint8Array;
  readonly #held: (Held | undefined)[];
  /** The second word of the key of each held entry: most places that hold another key are passed over by it alone. */
  readonly #tags: Int32Array;
  readonly #setMask: number;
  readonly #bucketMask: number;
  readonly #sequencesAt: number;
  readonly #countersAt: number;
  /** Readers beyond the number of counter blocks share the last one. */
  readonly #ownsCounters: boolean;
  readonly #marksTouched: boolean;

  constructor(buffer: SharedArrayBuffer, options: StoreReaderOptions = {}) {
    this.layout = openStoreLayout(buffer);
    this.#words = new Int32Array(buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#scratchBytes = new Uint8Array(this.#scratch.buffer);
    const sets = powerOfTwo(Math.ceil(Math.min(this.layout.slotCount, options.decodedMax ?? DECODED_MAX) / 2));
    this.#held = new Array<Held | undefined>(sets * WAYS).fill(undefined);
    this.#tags = new Int32Array(sets * WAYS);
    this.#setMask = sets - 1;
    this.#bucketMask = this.layout.bucketCount - 1;
    this.#sequencesAt = this.layout.sequencesAt;
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
    return held.expiresAtMs <= nowMs ? { kind: 'stale', entry: held } : (held as Lookup);
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
    const first = ((this.#words[this.#slotAt(slot) + SLOT.KEY] as number) & this.#setMask) * WAYS;
    for (let way = 0; way < WAYS; way++) {
      const held = this.#held[first + way];
      if (held?.slot !== slot) continue;
      if (Atomics.load(this.#words, this.#sequencesAt + slot) === held.sequence) return held;
      break;
    }
    const entry = this.#read(slot);
    if (entry !== undefined) this.#hold(entry);
    return entry;
  }

  #find(signature: Signature): Held | undefined {
    const tag = signature[1] as number;
    const first = ((signature[0] as number) & this.#setMask) * WAYS;
    for (let place = first; place < first + WAYS; place++) {
      if (this.#tags[place] !== tag) continue;
      const held = this.#held[place];
      if (held === undefined || !isKeyOf(held, signature)) continue;
      // An unchanged SEQUENCE says that the whole slot is as it was when it was decoded, its key too.
      if (Atomics.load(this.#words, this.#sequencesAt + held.slot) === held.sequence) return held;
      break;
    }
    return this.#search(signature);
  }

  /** Follows the chain of the signature's bucket. */
  #search(signature: Signature): Held | undefined {
    const words = this.#words;
    const key0 = signature[0] as number;
    let reference = Atomics.load(words, this.layout.bucketsAt + (key0 & this.#bucketMask));
    for (let steps = 0; reference !== 0 && steps < CHAIN_STEPS_MAX; steps++) {
      const slot: SlotIndex = reference - 1;
      const at = this.#slotAt(slot);
      // A first look without a guard, to pass over other keys; the guarded one follows.
      if (words[at + SLOT.KEY] === key0) {
        const entry = this.#read(slot);
        if (entry !== undefined && isKeyOf(entry, signature)) {
          this.#hold(entry);
          return entry;
        }
      }
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
    return undefined;
  }

  #slotAt(slot: SlotIndex): number {
    return this.layout.slotsAt + slot * this.layout.slotWords;
  }

  /** Copies and decodes a slot. Undefined when it is empty, or when the writer was in it at every try. */
  #read(slot: SlotIndex): Held | undefined {
    const words = this.#words;
    const scratch = this.#scratch;
    const at = this.#slotAt(slot);
    const sequenceAt = this.#sequencesAt + slot;
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const sequence = Atomics.load(words, sequenceAt);
      if ((sequence & 1) !== 0) continue;
      const key0 = words[at + SLOT.KEY] as number;
      const key1 = words[at + SLOT.KEY + 1] as number;
      const key2 = words[at + SLOT.KEY + 2] as number;
      const key3 = words[at + SLOT.KEY + 3] as number;
      const high = words[at + SLOT.EXPIRES_HIGH] as number;
      const low = words[at + SLOT.EXPIRES_LOW] as number;
      const length = words[at + SLOT.LENGTH] as number;
      const copied = Math.min(Math.max(0, (length + 3) >> 2), scratch.length);
      for (let i = 0; i < copied; i++) scratch[i] = words[at + SLOT.PAYLOAD + i] as number;
      // Adds nothing and changes all: a load would let the plain reads above be moved past it. Pairs with the add that
      // opens the next write, in StoreWriter.
      if (Atomics.add(words, sequenceAt, 0) !== sequence) continue;
      if (length <= 0 || length > this.#scratchBytes.length) return undefined;
      const decision = decodeDecision(this.#scratchBytes.subarray(0, length));
      const expiresAtMs = timeFromWords(high, low);
      const held = { key0, key1, key2, key3, sequence, slot, expiresAtMs, decision, kind: 'hit' } as Held;
      held.entry = held;
      return held;
    }
    return undefined;
  }

  /** Into a free place of its set, or that of its former self, or that of the one whose turn it is. */
  #hold(entry: Held): void {
    const first = (entry.key0 & this.#setMask) * WAYS;
    let place = first + (entry.slot & (WAYS - 1));
    for (let way = WAYS - 1; way >= 0; way--) {
      const held = this.#held[first + way];
      if (held === undefined) place = first + way;
      else if (held.slot === entry.slot) {
        place = first + way;
        break;
      }
    }
    this.#held[place] = entry;
    this.#tags[place] = entry.key1;
  }

  #markTouched(slot: SlotIndex): void {
    const at = this.layout.touchedAt + slot;
    // Only when it is not set: a store would take the cache line away from every other reader. Plain, since a mark that
    // comes a moment late or not at all costs nothing but a worse eviction.
    if (this.#words[at] === 0) this.#words[at] = 1;
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
