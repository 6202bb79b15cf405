import { getHeapStatistics } from 'node:v8';
import type { Decision } from '../decision.ts';
import type { Signature } from '../signature.ts';
import { DecisionDecoder } from './decision-codec.ts';
import { NameTable } from './name-table.ts';
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

/** A decision as decoded by one thread, valid while its slot has the same SEQUENCE. */
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

interface StoreReaderOptions {
  /** Whether hits set the touched mark, which eviction respects. The coordinator keeps the exact order instead. Default true. */
  readonly marksTouched?: boolean;
  /**
   * Number of decisions kept decoded in this thread, about 0.6 KB each. Default: all slots, at most what a quarter of the
   * thread's heap limit holds. The table has two to four places for each, at least four, and all of them can fill while keys
   * change.
   */
  readonly decodedMax?: number;
}

/** Heap of a decoded decision with a sentence for a reason and three actions in its tally. */
const DECODED_BYTES = 640;
/** Share of the heap limit that decoded decisions may take. */
const HEAP_SHARE = 0.25;
/** Maximum number of tries of a read that meets the writer in the same slot. Then it is a miss. */
const READ_TRIES = 3;
/** Number of neighbouring places of the table that may hold a key, starting where its hash points. */
const WINDOW = 4;
/** SEQUENCE of an empty place, as in new memory: that of a slot before its first write, which has no decision. */
const EMPTY = 0;
/** Number of places whose entries of an earlier epoch are let go with each decoded one. */
const LET_GO = 64;
const NOWHERE = -1;
/**
 * Of the entries that could only be held in another's place, one in so many is. Where more is asked for than can be held, those
 * asked for often stay, and the rest dies young instead of aging in the heap (bimodal insertion: Qureshi et al., "Adaptive
 * Insertion Policies for High Performance Caching", 2007).
 */
const REPLACES_ONE_IN = 8;
/** Placeholder in an entry that is about to refer to itself. */
const NO_ENTRY = undefined as unknown as StoreEntry;
/** Words of a held entry that are compared, side by side: two entries fit one line of the processor's cache. */
const PLACE = { KEY: 0, SEQUENCE: 4, SLOT: 5, WORDS: 8 } as const;
/** The last two words of a place are its expiry, as a double in the same memory. */
const EXPIRY = { AT: 3, STRIDE: 4 } as const;

/** An entry that is also the result of the lookup that hits it: made once, so that a hit allocates nothing. */
interface Held extends StoreEntry {
  readonly kind: 'hit';
  entry: StoreEntry;
}

/**
 * The read path of the store: lock-free, without a message, from any thread.
 *
 * Decoded entries are held in this thread's own table, with two places for each. A held entry is valid while the SEQUENCE of its
 * slot is the one it was decoded with, so a hit costs one look into that table and one at the SEQUENCE. Memory limits the speed
 * of reads, so everything compared is in one place, apart from the objects. An order of use for the table would cost more than
 * the whole read; a key whose places are all taken replaces another.
 */
export class StoreReader {
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #decoder: DecisionDecoder;
  readonly #held: (Held | undefined)[];
  /** The places of the table, `PLACE.WORDS` words each. */
  #places: Int32Array;
  #expiries: Float64Array;
  /** The EPOCH of what is held. */
  #epoch: number;
  /** Entries from this place on may be of an earlier epoch, if their place is empty. */
  #letGoFrom = Number.POSITIVE_INFINITY;
  readonly #pointMask: number;
  readonly #bucketMask: number;
  /** The place of an entry that is held only until the next one like it. */
  readonly #passingPlace: number;
  #refused = 0;
  readonly #sequences: Int32Array;
  readonly #touched: Int32Array;
  /** The counter block of this reader. */
  readonly #counters: Int32Array;
  /** False if this reader shares the last counter block with others. */
  readonly #ownsCounters: boolean;
  readonly #marksTouched: boolean;

  constructor(buffer: SharedArrayBuffer, options: StoreReaderOptions = {}) {
    this.layout = openStoreLayout(buffer);
    this.#words = new Int32Array(buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#decoder = new DecisionDecoder(new Uint8Array(this.#scratch.buffer), new NameTable());
    const points = powerOfTwo(2 * Math.min(this.layout.slotCount, options.decodedMax ?? heldByHeap()));
    this.#passingPlace = points + WINDOW - 1;
    const places = this.#passingPlace + 1;
    this.#held = new Array<Held | undefined>(places).fill(undefined);
    this.#places = new Int32Array(places * PLACE.WORDS);
    this.#expiries = new Float64Array(this.#places.buffer);
    this.#epoch = Atomics.load(this.#words, HEADER.EPOCH);
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
    // Requested first, because it comes from distant memory, and the rest is done meanwhile.
    const lookup = this.#held[place] as Lookup;
    this.#count(COUNTER.HITS_LOW);
    if (this.#marksTouched) this.#markTouched(this.#places[place * PLACE.WORDS + PLACE.SLOT] as number);
    return lookup;
  }

  #missed(place: number): Lookup {
    // Only the key of four zeros can match an empty place (see EMPTY).
    const held = place === NOWHERE ? undefined : this.#held[place];
    const lookup: Lookup = held === undefined ? MISS : { kind: 'stale', entry: held };
    this.count(lookup.kind);
    return lookup;
  }

  /** Same as `lookup`, without counting and without a mark, for callers that have yet to decide whether to serve a hit. */
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

  /** Returns the entry of a signature, expired or not, without counting. */
  find(signature: Signature): StoreEntry | undefined {
    const place = this.#find(signature);
    return place === NOWHERE ? undefined : this.#held[place];
  }

  /** Returns the entry in a slot now, without counting, for callers that know the slot and not the signature. */
  entryAt(slot: SlotIndex): StoreEntry | undefined {
    if (this.#words[HEADER.EPOCH] !== this.#epoch) this.#startEpoch();
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

  /** Returns the place that holds the entry of a signature, decoding it first if necessary. */
  #find(signature: Signature): number {
    if (this.#words[HEADER.EPOCH] !== this.#epoch) this.#startEpoch();
    const places = this.#places;
    const key0 = signature[0] as number;
    const key1 = signature[1] as number;
    const first = key0 & this.#pointMask;
    for (let place = first; place < first + WINDOW; place++) {
      const at = place * PLACE.WORDS;
      // Compares the second word first, because keys that share a place share bits of the first one.
      if (places[at + PLACE.KEY + 1] !== key1 || places[at + PLACE.KEY] !== key0) continue;
      if (places[at + PLACE.KEY + 2] !== signature[2] || places[at + PLACE.KEY + 3] !== signature[3]) continue;
      // An unchanged SEQUENCE means that the whole slot is as it was when decoded, including its key. The read is plain: the
      // held entry is whole in any case, and a number that arrives a moment late serves what was right a moment ago.
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
      // A first look without validation, to pass over other keys; the validated one follows.
      if (words[at + SLOT.KEY] === key0) {
        const place = this.#read(slot, signature);
        if (place !== NOWHERE) return place;
      }
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
    return NOWHERE;
  }

  /** Forgets everything held. Takes new memory, which arrives as zeros at no cost, instead of writing over the old one. */
  #startEpoch(): void {
    this.#epoch = Atomics.load(this.#words, HEADER.EPOCH);
    this.#places = new Int32Array(this.#places.length);
    this.#expiries = new Float64Array(this.#places.buffer);
    this.#letGoFrom = 0;
  }

  /** Lets go of some entries of earlier epochs, which no place leads to. */
  #letGo(): void {
    const from = this.#letGoFrom;
    const end = Math.min(from + LET_GO, this.#held.length);
    for (let place = from; place < end; place++) {
      if (this.#places[place * PLACE.WORDS + PLACE.SEQUENCE] === EMPTY) this.#held[place] = undefined;
    }
    this.#letGoFrom = end < this.#held.length ? end : Number.POSITIVE_INFINITY;
  }

  #slotAt(slot: SlotIndex): number {
    return this.layout.slotsAt + slot * this.layout.slotWords;
  }

  /**
   * Copies, decodes and holds a slot. Returns its place in the table; `NOWHERE` if the slot is empty, has another key than
   * `wanted`, or was being written at every try.
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
      const epoch = words[at + SLOT.EPOCH] as number;
      const copied = Math.min(Math.max(0, (length + 3) >> 2), scratch.length);
      for (let i = 0; i < copied; i++) scratch[i] = words[at + SLOT.PAYLOAD + i] as number;
      // Adds nothing but is required: with a load, the plain reads above might be moved past it. Pairs with the add that opens
      // the next write, in StoreWriter.
      if (Atomics.add(this.#sequences, slot, 0) !== sequence) continue;
      if (length <= 0 || length > this.#scratch.byteLength || epoch !== this.#epoch) return NOWHERE;
      const isOther = wanted && (key0 !== wanted[0] || key1 !== wanted[1] || key2 !== wanted[2] || key3 !== wanted[3]);
      if (isOther) return NOWHERE;
      const decision = this.#decoder.decode(length);
      const expiresAtMs = timeFromWords(high, low);
      if (this.#letGoFrom < this.#held.length) this.#letGo();
      // Members that readers use next come first: the object may cross the end of a line of the processor's cache.
      const held = { kind: 'hit', entry: NO_ENTRY, decision, slot, sequence, expiresAtMs } as Held;
      held.entry = held;
      const place = this.#placeFor(key0, slot);
      this.#held[place] = held;
      const places = this.#places;
      const placeAt = place * PLACE.WORDS;
      places[placeAt + PLACE.KEY] = key0;
      places[placeAt + PLACE.KEY + 1] = key1;
      places[placeAt + PLACE.KEY + 2] = key2;
      places[placeAt + PLACE.KEY + 3] = key3;
      places[placeAt + PLACE.SEQUENCE] = sequence;
      places[placeAt + PLACE.SLOT] = slot;
      this.#expiries[place * EXPIRY.STRIDE + EXPIRY.AT] = expiresAtMs;
      return place;
    }
    return NOWHERE;
  }

  /** Returns the place of the slot's former entry, a free one, that of an entry to be replaced, or the passing one. */
  #placeFor(key0: number, slot: SlotIndex): number {
    const first = key0 & this.#pointMask;
    let free = NOWHERE;
    for (let at = first + WINDOW - 1; at >= first; at--) {
      const placeAt = at * PLACE.WORDS;
      // Looks at the table alone: the entries themselves are in distant memory.
      if (this.#places[placeAt + PLACE.SEQUENCE] === EMPTY) free = at;
      else if (this.#places[placeAt + PLACE.SLOT] === slot) return at;
    }
    if (free !== NOWHERE) return free;
    this.#refused = (this.#refused + 1) % REPLACES_ONE_IN;
    return this.#refused === 0 ? first + (slot & (WINDOW - 1)) : this.#passingPlace;
  }

  #markTouched(slot: SlotIndex): void {
    // Only if it is not set: a store would take the cache line away from every other reader. Plain, because a mark that arrives
    // late or not at all only costs a worse eviction.
    if (this.#touched[slot] === 0) this.#touched[slot] = 1;
  }

  /** Adds one to a pair of words: the low one, and the high one on overflow. */
  #count(low: number): void {
    const counters = this.#counters;
    if (!this.#ownsCounters) {
      if (Atomics.add(counters, low, 1) === -1) Atomics.add(counters, low + 1, 1);
      return;
    }
    // Plain, because only this thread writes its block, and sums of the blocks may be a moment late. An atomic add would be a
    // third of the whole read.
    const count = ((counters[low] as number) + 1) | 0;
    counters[low] = count;
    if (count === 0) counters[low + 1] = (counters[low + 1] as number) + 1;
  }
}

/** Number of decoded decisions in the share of the heap that they may take. */
function heldByHeap(): number {
  return Math.ceil((HEAP_SHARE * getHeapStatistics().heap_size_limit) / DECODED_BYTES);
}

function powerOfTwo(atLeast: number): number {
  let power = 1;
  while (power < atLeast) power *= 2;
  return power;
}

interface StoreCounts {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
}

/** Returns the lookups of all threads so far, summed. */
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
