import assert from 'node:assert/strict';
import { PlannerError } from '../errors.ts';

/*
 * The shared store: remembered decisions in one SharedArrayBuffer, seen as Int32 words. The only file with offsets.
 *
 *        +--------+-------------------------+-----------+---------+--------------+--------+--------+
 *        | header | 64 counter blocks of 16 | sequences | touched | bucket heads | slot 0 | slot 1 | ...
 *        +--------+-------------------------+-----------+---------+--------------+--------+--------+
 *   word 0        16                        1040        + slots   + slots        + buckets
 *
 *   slot   +0..3 KEY +4 NEXT +5 EXPIRES_HIGH +6 EXPIRES_LOW +7 LENGTH +8 EPOCH +9 payload: LENGTH bytes (decision-codec.ts)
 *
 * Each slot has one word of SEQUENCE and one of TOUCHED. They are kept apart from the slots, because a reader that already
 * holds the decoded decision looks at nothing else: side by side they stay in the processor's cache. A slot is
 * found by the head of its bucket and the NEXT words of the slots before it: both hold slot + 1, or 0.
 *
 *   EMPTY --write--> READY --write--> READY --retire--> EMPTY     SEQUENCE is odd while a slot is being written
 *
 * A clear of all entries is one addition to the header's EPOCH: an entry counts only while its slot has the EPOCH of the header.
 * The writer empties the slots of earlier epochs afterwards, some at a time.
 *
 *   word                   writer       readers  access                                      if the writer dies
 *   header                 creator      any      Atomics                                     the process is gone
 *   SEQUENCE               coordinator  any      Atomics; opened and validated by add;       same
 *                                                plain to ask after what is held decoded
 *   bucket heads, NEXT     coordinator  any      Atomics                                     same
 *   KEY, EXPIRES, LENGTH,  coordinator  any      plain, between the two SEQUENCE operations  same
 *   EPOCH, payload                               (KEY also without, to pass over other keys)
 *   RULES and what follows coordinator  any      Atomics                                     same
 *   EPOCH of the header    coordinator  any      stored by Atomics, read plain like SEQUENCE same
 *                                                of what is held
 *   TOUCHED                any reader sets it, the coordinator clears it, both plain; a lost mark costs a worse
 *                          eviction, no more
 *   counter block          the reader that claimed it, plain, and by add in the last block, which many may share; a
 *                          killed thread leaves its sums behind, which still count
 *
 * Why no reader can see half a decision (a sequence lock as in Boehm, "Can Seqlocks Get Along with Programming Language
 * Memory Models?", 2012, whose reader may validate by a read-modify-write that changes nothing; C++ wants atomics for
 * the payload even so, because a race is undefined there; in ECMA-262 it is not, and what a race gave is thrown away):
 *
 *   writer  W1 add(SEQUENCE, 1): odd     reader  R1 load(SEQUENCE): even
 *           W2 plain writes                      R2 plain reads
 *           W3 store(SEQUENCE): even             R3 add(SEQUENCE, 0): the same as R1, or the copy is thrown away
 *
 * All operations on SEQUENCE have one order, and each reads from the last write or add before it, with which it
 * synchronizes. Between the W3 of a write and the W1 of the next one are only readers' loads and adds: each of them
 * happens after that W3, if only through a chain of other readers' adds. Now let R1 and R3 see the same even number,
 * and take any write of the slot:
 *
 *   W1 before R1, W3 after R1    R1 would have seen an odd number.
 *   W1 between R1 and R3         R3 would have seen another number.
 *   W1 after R3                  The first such W1 reads from R3, or from an add that comes after R3 in a chain of adds;
 *                                all later ones follow in the writer's own order. So R2 happens before W2, and a read
 *                                does not see a write that happens after it.
 *   W3 before R1                 Only the last such write can be seen: the W2 of an older one happened before its W2, and
 *                                that before R2. This holds for each word that is used, since each write writes KEY,
 *                                EXPIRES, LENGTH, EPOCH and LENGTH bytes (a retired slot has LENGTH 0, and nothing else counts).
 *
 * Hence R2 sees the last write before R1, whole. Words are not torn either: they are aligned Int32. Both adds are needed.
 * With a load for R3, plain reads may be moved past it, on arm64 by the processor and anywhere by a compiler. With a store
 * for W1, nothing would tie W2 to R3: on arm64 a plain write may be seen before the atomic store that precedes it.
 *
 * An entry that a reader holds decoded is whole, and is served while SEQUENCE is the number that it was decoded with. That
 * look may be plain: it cannot return a number that was replaced by a write which happens before it. Such writes are the
 * thread's own, those it was notified of by a message, and all up to the last one that it has copied, of any slot. So no
 * thread gets an older decision than one of the same key that it had. How late a plain look may be otherwise depends on
 * the processor, which shows a store almost immediately, and on the compiler, which might look once for a loop that
 * contains nothing but looks; an atomic look is right at its moment.
 *
 * SEQUENCE wraps around after 2^31 writes of one slot. A reader would be deceived if exactly that many fell between its two
 * looks: at a thousand writes a second to one slot, after 25 days, to the very write.
 *
 * Limitations. A reader that follows NEXT while the writer relinks a chain can land in another chain and miss an
 * entry that is there; so can one that meets the writer in the slot at each of its few tries. A miss costs one model call.
 * It cannot find a wrong entry, because all four key words are compared in the validated copy, and it cannot loop
 * forever, because its steps are bounded. Sixteen slots share a cache line of SEQUENCE, so a write slows the next read of
 * its neighbours: writes come with model calls, reads by the million.
 */
export const HEADER = {
  MAGIC: 0,
  VERSION: 1,
  SLOT_COUNT: 2,
  BUCKET_COUNT: 3,
  PAYLOAD_WORDS: 4,
  /** Number of counter blocks claimed, including claims beyond the last block. */
  READERS: 5,
  /** The number of clears so far, of which 32 bits are kept. */
  EPOCH: 6,
  /** What the planner tells other readers about serving (serving-rules.ts). */
  RULES: 7,
  VALUES_MIN: 8,
  DOUBTED_EXACT: 9,
  DOUBTED_SINGLE: 10,
  DOUBTED_FORESEEN: 11,
  WORDS: 16,
} as const;

const STORE_MAGIC = 0x434f4e43;
export const STORE_VERSION = 3;

export const COUNTER = {
  HITS_LOW: 0,
  HITS_HIGH: 1,
  STALE_LOW: 2,
  STALE_HIGH: 3,
  MISSES_LOW: 4,
  MISSES_HIGH: 5,
  /** One cache line a block: threads that count would otherwise slow one another down. */
  WORDS: 16,
} as const;
/** Readers beyond this number share the last block. */
export const COUNTER_BLOCKS = 64;

export const SLOT = {
  KEY: 0,
  NEXT: 4,
  EXPIRES_HIGH: 5,
  EXPIRES_LOW: 6,
  LENGTH: 7,
  EPOCH: 8,
  PAYLOAD: 9,
} as const;

/** Words of the payload: 448 bytes for the decision. With the words above, a slot has 484 bytes. */
export const PAYLOAD_WORDS_DEFAULT = 112;
/** Maximum number of steps along a chain. At two buckets a slot, chains of more than ten do not occur. */
export const CHAIN_STEPS_MAX = 64;

/** The number of a slot, as opposed to a word offset. */
export type SlotIndex = number & { readonly __brand?: 'SlotIndex' };

export interface StoreLayout {
  readonly slotCount: number;
  readonly bucketCount: number;
  readonly payloadWords: number;
  readonly sequencesAt: number;
  readonly touchedAt: number;
  readonly bucketsAt: number;
  readonly slotsAt: number;
  readonly slotWords: number;
  readonly byteLength: number;
}

export function storeLayout(slotCount: number, payloadWords = PAYLOAD_WORDS_DEFAULT): StoreLayout {
  assert(Number.isInteger(slotCount) && slotCount > 0, `slotCount must be a positive integer, got ${slotCount}`);
  let bucketCount = 16;
  while (bucketCount < slotCount * 2) bucketCount *= 2;
  const sequencesAt = HEADER.WORDS + COUNTER_BLOCKS * COUNTER.WORDS;
  const touchedAt = sequencesAt + slotCount;
  const bucketsAt = touchedAt + slotCount;
  const slotsAt = bucketsAt + bucketCount;
  const slotWords = SLOT.PAYLOAD + payloadWords;
  const byteLength = (slotsAt + slotCount * slotWords) * Int32Array.BYTES_PER_ELEMENT;
  return { slotCount, bucketCount, payloadWords, sequencesAt, touchedAt, bucketsAt, slotsAt, slotWords, byteLength };
}

export function createStoreBuffer(slotCount: number, payloadWords = PAYLOAD_WORDS_DEFAULT): SharedArrayBuffer {
  const layout = storeLayout(slotCount, payloadWords);
  const buffer = new SharedArrayBuffer(layout.byteLength);
  const words = new Int32Array(buffer);
  Atomics.store(words, HEADER.VERSION, STORE_VERSION);
  Atomics.store(words, HEADER.SLOT_COUNT, slotCount);
  Atomics.store(words, HEADER.BUCKET_COUNT, layout.bucketCount);
  Atomics.store(words, HEADER.PAYLOAD_WORDS, payloadWords);
  // Stored last: a buffer with the magic has the rest of its header.
  Atomics.store(words, HEADER.MAGIC, STORE_MAGIC);
  return buffer;
}

function fail(message: string): never {
  throw new PlannerError('ERR_STORE_INVALID', message);
}

/** Returns the layout of an existing store. Throws ERR_STORE_INVALID if the buffer is not a store, or one of another version. */
export function openStoreLayout(buffer: SharedArrayBuffer): StoreLayout {
  if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength < HEADER.WORDS * Int32Array.BYTES_PER_ELEMENT) {
    fail('the store must be a SharedArrayBuffer made by Conclave');
  }
  const words = new Int32Array(buffer, 0, HEADER.WORDS);
  if (Atomics.load(words, HEADER.MAGIC) !== STORE_MAGIC) {
    fail('the buffer is not a Conclave store (its first word is another one)');
  }
  const version = Atomics.load(words, HEADER.VERSION);
  if (version !== STORE_VERSION) {
    fail(`the store has version ${version}, this is version ${STORE_VERSION}`);
  }
  const slotCount = Atomics.load(words, HEADER.SLOT_COUNT);
  const bucketCount = Atomics.load(words, HEADER.BUCKET_COUNT);
  const payloadWords = Atomics.load(words, HEADER.PAYLOAD_WORDS);
  if (slotCount < 1 || payloadWords < 1 || storeLayout(slotCount).bucketCount !== bucketCount) {
    const header = `${slotCount} slots, ${bucketCount} buckets, ${payloadWords} payload words`;
    fail(`the header of the store is broken (${header})`);
  }
  const layout = storeLayout(slotCount, payloadWords);
  if (layout.byteLength !== buffer.byteLength) {
    const header = `${slotCount} slots of ${payloadWords} payload words`;
    fail(`a store of ${header} must be ${layout.byteLength} bytes, got ${buffer.byteLength}`);
  }
  return layout;
}

const HIGH_UNIT = 2 ** 32;
/** High word of the expiry of an entry that never expires. */
const NEVER = 0x7fffffff;

/** Splits milliseconds of the process clock into two words: one word would overflow after 49 days. Infinity has words of its own. */
export function highWord(ms: number): number {
  return ms === Number.POSITIVE_INFINITY ? NEVER : Math.floor(ms / HIGH_UNIT) | 0;
}
export function lowWord(ms: number): number {
  return ms === Number.POSITIVE_INFINITY ? 0 : (ms % HIGH_UNIT) | 0;
}
export function timeFromWords(high: number, low: number): number {
  return high === NEVER ? Number.POSITIVE_INFINITY : countFromWords(high, low);
}
export function countFromWords(high: number, low: number): number {
  return high * HIGH_UNIT + (low >>> 0);
}
