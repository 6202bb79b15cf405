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
  /**
   * Decisions to keep decoded in this thread, about 0.5 KB each. Default: all slots, at most 131,072. The table has two to
   * four places for each, at least four, and all of them can fill while keys change.
   */
  readonly decodedMax?: number;
}

const DECODED_MAX = 131_072;
/** Names of actions and models that are kept as one string each. */
const NAMES_MAX = 4_096;
/** How often a read begins anew when the writer was in the same slot. Then it is a miss. */
const READ_TRIES = 3;
/** A key stands in one of so many neighbouring places of the table of held entries, from where its hash points. */
const WINDOW = 4;
/** The SEQUENCE of an empty place: odd, as no slot that can be read has it, but slot 0 while it is first written. */
const EMPTY = 1;
const NOWHERE = -1;
/** Stands where an entry is going to name itself. */
const NO_ENTRY = undefined as unknown as StoreEntry;
/** What is compared of a held entry, side by side: two of them are one line of the processor's cache. */
const PLACE = { KEY: 0, SEQUENCE: 4, SLOT: 5, WORDS: 8 } as const;
/** The last two words of a place are its expiry, as a double in the same memory. */
const EXPIRY = { AT: 3, STRIDE: 4 } as const;

/** An entry that is also the answer to the lookup that hits it: made once, so that a hit allocates nothing. */
interface Held extends StoreEntry {
  readonly kind: 'hit';
  entry: StoreEntry;
}

/**
 * The read path of the store: lock-free, without a message, from any thread.
 *
 * Decoded entries are held in a table of this thread's own, with two places for each. A held entry is right as long
 * as the SEQUENCE of its slot is what it was when it was decoded, so that a hit costs one look into that table and one at
 * the SEQUENCE. Reads are as fast as memory lets them be, so what is compared stands in one place, apart from the objects.
 * An order of use for the table would cost more than the whole read; a key whose places are all taken takes one over.
 */
export class StoreReader {
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #scratchBytes: Uint8Array;
  readonly #held: (Held | undefined)[];
  /** By place, `PLACE.WORDS` each. */
  readonly #places: Int32Array;
  readonly #expiries: Float64Array;
  readonly #pointMask: number;
  readonly #bucketMask: number;
  readonly #sequences: Int32Array;
  readonly #touched: Int32Array;
  readonly #names = new Map<string, string>();
  /** The block of this reader. */
  readonly #counters: Int32Array;
  /** Readers beyond the number of counter blocks share the last one. */
  readonly #ownsCounters: boolean;
  readonly #marksTouched: boolean;

  constructor(buffer: SharedArrayBuffer, options: StoreReaderOptions = {}) {
    this.layout = openStoreLayout(buffer);
    this.#words = new Int32Array(buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#scratchBytes = new Uint8Array(this.#scratch.buffer);
    const points = powerOfTwo(2 * Math.min(this.layout.slotCount, options.decodedMax ?? DECODED_MAX));
    const places = points + WINDOW - 1;
    this.#held = new Array<Held | undefined>(places).fill(undefined);
    this.#places = new Int32Array(places * PLACE.WORDS);
    this.#expiries = new Float64Array(this.#places.buffer);
    for (let place = 0; place < places; place++) this.#places[place * PLACE.WORDS + PLACE.SEQUENCE] = EMPTY;
    this.#pointMask = points - 1;
    this.#bucketMask = this.layout.bucketCount - 1;
    const { sequencesAt, touchedAt, slotCount } = this.layout;
    this.#sequences = this.#words.subarray(sequencesAt, sequencesAt + slotCount);
    this.#touched = this.#words.subarray(touchedAt, touchedAt + slotCount);
    this.#marksTouched = options.marksTouched ?? true;
    const claimed = Atomics.add(this.#words, HEADER.READERS, 1);
    this.#ownsCounters = claimed < COUNTER_BLOCKS - 1;
    const countersAt = HEADER.WORDS + Math.min(claimed, COUNTER_BLOCKS - 1) * COUNTER.WORDS;
    this.#counters = this.#words.subarray(countersAt, countersAt + COUNTER.WORDS);
  }

  /** Looks a signature up and counts the outcome. `nowMs` is the process clock. */
  lookup(signature: Signature, nowMs: number): Lookup {
    const place = this.#find(signature);
    const isHit = place !== NOWHERE && (this.#expiries[place * EXPIRY.STRIDE + EXPIRY.AT] as number) > nowMs;
    if (!isHit) return this.#missed(place);
    // Asked for first: it comes from far memory, and what follows is done while it comes.
    const lookup = this.#held[place] as Lookup;
    this.#count(COUNTER.HITS_LOW);
    if (this.#marksTouched) this.#markTouched(this.#places[place * PLACE.WORDS + PLACE.SLOT] as number);
    return lookup;
  }

  #missed(place: number): Lookup {
    // An empty place is found by the key of four zeros alone (see EMPTY).
    const held = place === NOWHERE ? undefined : this.#held[place];
    const lookup: Lookup = held === undefined ? MISS : { kind: 'stale', entry: held };
    this.count(lookup.kind);
    return lookup;
  }

  /** The same without counting and without a mark: for who has yet to decide whether a hit is served. */
  look(signature: Signature, nowMs: number): Lookup {
    const place = this.#find(signature);
    const held = place === NOWHERE ? undefined : this.#held[place];
    if (held === undefined) return MISS;
    const isFresh = (this.#expiries[place * EXPIRY.STRIDE + EXPIRY.AT] as number) > nowMs;
    return isFresh ? (held as Lookup) : { kind: 'stale', entry: held };
  }

  /** Counts the outcome of a `look`. */
  count(outcome: Lookup['kind']): void {
    if (outcome === 'hit') this.#count(COUNTER.HITS_LOW);
    else this.#count(outcome === 'stale' ? COUNTER.STALE_LOW : COUNTER.MISSES_LOW);
  }

  /** The entry of a signature, expired or not, without counting. */
  find(signature: Signature): StoreEntry | undefined {
    const place = this.#find(signature);
    return place === NOWHERE ? undefined : this.#held[place];
  }

  /** The entry that stands in a slot now, without counting. For who knows the slot and not the signature. */
  entryAt(slot: SlotIndex): StoreEntry | undefined {
    const at = this.#slotAt(slot);
    const first = (this.#words[at + SLOT.KEY] as number) & this.#pointMask;
    const sequence = Atomics.load(this.#sequences, slot);
    for (let place = first; place < first + WINDOW; place++) {
      const placeAt = place * PLACE.WORDS;
      if (this.#places[placeAt + PLACE.SLOT] !== slot || this.#places[placeAt + PLACE.SEQUENCE] !== sequence) continue;
      return this.#held[place];
    }
    const place = this.#read(slot, undefined);
    return place === NOWHERE ? undefined : this.#held[place];
  }

  /** The place where the entry of a signature is held, which it may be only now. */
  #find(signature: Signature): number {
    const places = this.#places;
    const key0 = signature[0] as number;
    const key1 = signature[1] as number;
    const first = key0 & this.#pointMask;
    for (let place = first; place < first + WINDOW; place++) {
      const at = place * PLACE.WORDS;
      // The second word first: keys that share a place share bits of the first one.
      if (places[at + PLACE.KEY + 1] !== key1 || places[at + PLACE.KEY] !== key0) continue;
      if (places[at + PLACE.KEY + 2] !== signature[2] || places[at + PLACE.KEY + 3] !== signature[3]) continue;
      // An unchanged SEQUENCE says that the whole slot is as it was when it was decoded, its key too. Plain: what is held
      // is whole whatever is read here, and a number that comes a moment late serves what was right a moment ago.
      if (this.#sequences[places[at + PLACE.SLOT] as number] === places[at + PLACE.SEQUENCE]) return place;
      // No break: the key may be held a second time, for the slot that has it now.
    }
    return this.#search(signature);
  }

  /** Follows the chain of the signature's bucket. */
  #search(signature: Signature): number {
    const words = this.#words;
    const key0 = signature[0] as number;
    let reference = Atomics.load(words, this.layout.bucketsAt + (key0 & this.#bucketMask));
    for (let steps = 0; reference !== 0 && steps < CHAIN_STEPS_MAX; steps++) {
      const slot: SlotIndex = reference - 1;
      const at = this.#slotAt(slot);
      // A first look without a guard, to pass over other keys; the guarded one follows.
      if (words[at + SLOT.KEY] === key0) {
        const place = this.#read(slot, signature);
        if (place !== NOWHERE) return place;
      }
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
    return NOWHERE;
  }

  #slotAt(slot: SlotIndex): number {
    return this.layout.slotsAt + slot * this.layout.slotWords;
  }

  /**
   * Copies, decodes and holds a slot. The place where it is held; `NOWHERE` when it is empty, has another key than the one
   * wanted, or when the writer was in it at every try.
   */
  #read(slot: SlotIndex, wanted: Signature | undefined): number {
    const words = this.#words;
    const scratch = this.#scratch;
    const at = this.#slotAt(slot);
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const sequence = Atomics.load(this.#sequences, slot);
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
      if (Atomics.add(this.#sequences, slot, 0) !== sequence) continue;
      if (length <= 0 || length > this.#scratchBytes.length) return NOWHERE;
      const isOther = wanted && (key0 !== wanted[0] || key1 !== wanted[1] || key2 !== wanted[2] || key3 !== wanted[3]);
      if (isOther) return NOWHERE;
      const decision = decodeDecision(this.#scratchBytes.subarray(0, length), this.#ownName);
      const expiresAtMs = timeFromWords(high, low);
      // What a reader goes on to comes first: the object may pass the end of a line of the processor's cache.
      const held = { kind: 'hit', entry: NO_ENTRY, decision, slot, sequence, expiresAtMs } as Held;
      held.entry = held;
      const place = this.#placeFor(key0, slot);
      this.#held[place] = held;
      this.#places.set([key0, key1, key2, key3, sequence, slot], place * PLACE.WORDS);
      this.#expiries[place * EXPIRY.STRIDE + EXPIRY.AT] = expiresAtMs;
      return place;
    }
    return NOWHERE;
  }

  /** That of the slot's former entry, or a free one, or that of the entry that has to go. */
  #placeFor(key0: number, slot: SlotIndex): number {
    const first = key0 & this.#pointMask;
    let place = first + (slot & (WINDOW - 1));
    for (let at = first + WINDOW - 1; at >= first; at--) {
      const held = this.#held[at];
      if (held?.slot === slot) return at;
      if (held === undefined) place = at;
    }
    return place;
  }

  /** One string for each name, however many decisions have it: it stays in the processor's cache, and memory is saved. */
  readonly #ownName = (name: string): string => {
    const own = this.#names.get(name);
    if (own !== undefined) return own;
    if (this.#names.size >= NAMES_MAX) this.#names.clear();
    this.#names.set(name, name);
    return name;
  };

  #markTouched(slot: SlotIndex): void {
    // Only when it is not set: a store would take the cache line away from every other reader. Plain, since a mark that
    // comes a moment late or not at all costs nothing but a worse eviction.
    if (this.#touched[slot] === 0) this.#touched[slot] = 1;
  }

  /** Counts one in a pair of words: the low one, and the high one where it passes its end. */
  #count(low: number): void {
    const counters = this.#counters;
    if (!this.#ownsCounters) {
      if (Atomics.add(counters, low, 1) === -1) Atomics.add(counters, low + 1, 1);
      return;
    }
    // Plain, because only this thread writes its block, and who sums the blocks may be a moment late. An atomic add
    // would be a third of the whole read.
    const count = ((counters[low] as number) + 1) | 0;
    counters[low] = count;
    if (count === 0) counters[low + 1] = (counters[low + 1] as number) + 1;
  }
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
