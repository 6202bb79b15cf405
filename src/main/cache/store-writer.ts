import assert from 'node:assert/strict';
import type { Decision } from '../../shared/decision.ts';
import type { Signature } from '../../shared/signature.ts';
import { encodeDecision, restamp } from '../../shared/store/decision-codec.ts';
import {
  createStoreBuffer,
  HEADER,
  highWord,
  lowWord,
  SLOT,
  type SlotIndex,
  type StoreLayout,
  storeLayout,
} from '../../shared/store/store-layout.ts';

/** Maximum number of touched slots that an eviction passes over before it takes the next one anyway. */
const SECOND_CHANCES_MAX = 64;
const NONE = -1;

export type WriteOutcome =
  /** `cut`: parts of the decision were left out to fit the payload. */
  | { readonly kind: 'stored'; readonly slot: SlotIndex; readonly cut: boolean }
  /** Its action and model alone exceed the payload. */
  | { readonly kind: 'too-large' };

/**
 * The only code that writes the shared store; the protocol is in store-layout.ts. Keeps the order of use in private memory:
 * exactly least recently used for the coordinator's reads, with a second chance for slots that other threads have touched since.
 */
export class StoreWriter {
  readonly buffer: SharedArrayBuffer;
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #scratchBytes: Buffer;
  /** The order of use as a doubly linked list of slots: `#newest` is the head, `#oldest` the tail. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest: SlotIndex = NONE;
  #oldest: SlotIndex = NONE;
  /** The oldest slot of those that a clear has left to be emptied; `#newer` leads to the others. */
  #leftOver: SlotIndex = NONE;
  #free: SlotIndex[] = [];
  #unused = 0;
  #count = 0;
  #evictions = 0;
  #epoch = 0;

  readonly #onRetire: (slot: SlotIndex) => void;

  /** `onRetire` is called with every slot that is emptied because it was evicted or removed. */
  constructor(slotCount: number, onRetire: (slot: SlotIndex) => void = () => {}) {
    this.#onRetire = onRetire;
    this.layout = storeLayout(slotCount);
    this.buffer = createStoreBuffer(slotCount);
    this.#words = new Int32Array(this.buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#scratchBytes = Buffer.from(this.#scratch.buffer);
    this.#newer = new Int32Array(slotCount).fill(NONE);
    this.#older = new Int32Array(slotCount).fill(NONE);
  }

  get size(): number {
    return this.#count;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** Stores or replaces the decision of a signature. May evict the least recently used one. */
  write(signature: Signature, decision: Decision, expiresAtMs: number): WriteOutcome {
    const encoded = encodeDecision(decision, this.#scratchBytes);
    if (encoded === undefined) return { kind: 'too-large' };
    return { kind: 'stored', slot: this.#store(signature, encoded.length, expiresAtMs), cut: encoded.cut };
  }

  /** As `write`, for a decision that is encoded already. */
  copy(signature: Signature, encoded: Buffer, decidedAtMs: number, expiresAtMs: number): WriteOutcome {
    if (encoded.length > this.#scratchBytes.length) return { kind: 'too-large' };
    this.#scratchBytes.set(encoded);
    restamp(this.#scratchBytes, decidedAtMs);
    return { kind: 'stored', slot: this.#store(signature, encoded.length, expiresAtMs), cut: false };
  }

  /** Stores what is in the scratch. */
  #store(signature: Signature, length: number, expiresAtMs: number): SlotIndex {
    const held = this.#find(signature);
    const slot = held === NONE ? this.#take() : held;
    const at = this.#slotAt(slot);
    const words = this.#words;
    const sequence = this.#open(slot);
    for (let i = 0; i < 4; i++) words[at + SLOT.KEY + i] = signature[i] as number;
    words[at + SLOT.EXPIRES_HIGH] = highWord(expiresAtMs);
    words[at + SLOT.EXPIRES_LOW] = lowWord(expiresAtMs);
    words[at + SLOT.LENGTH] = length;
    words[at + SLOT.EPOCH] = this.#epoch;
    for (let i = 0; i < (length + 3) >> 2; i++) words[at + SLOT.PAYLOAD + i] = this.#scratch[i] as number;
    this.#close(slot, sequence);
    words[this.layout.touchedAt + slot] = 0;
    if (held === NONE) this.#link(slot, signature[0] as number);
    this.touch(slot);
    return slot;
  }

  /** Makes a slot that has an entry the most recently used one. */
  touch(slot: SlotIndex): void {
    if (this.#newest === slot) return;
    this.#unlist(slot);
    this.#older[slot] = this.#newest;
    if (this.#newest !== NONE) this.#newer[this.#newest] = slot;
    this.#newest = slot;
    if (this.#oldest === NONE) this.#oldest = slot;
  }

  /** Makes a slot that has an entry the least recently used one: the first to go. */
  demote(slot: SlotIndex): void {
    if (this.#oldest === slot) return;
    this.#unlist(slot);
    this.#newer[slot] = this.#oldest;
    if (this.#oldest !== NONE) this.#older[this.#oldest] = slot;
    this.#oldest = slot;
    if (this.#newest === NONE) this.#newest = slot;
  }

  remove(signature: Signature): boolean {
    const slot = this.#find(signature);
    if (slot === NONE) return false;
    this.#evict(slot);
    this.#free.push(slot);
    return true;
  }

  /**
   * Removes all entries at once, in constant time: none is found from now on. Their slots are left over and have to be emptied
   * by `sweep`, or one by one when a write needs them.
   */
  clear(): void {
    if (this.#newest === NONE) return;
    this.#epoch = (this.#epoch + 1) | 0;
    Atomics.store(this.#words, HEADER.EPOCH, this.#epoch);
    // What an earlier clear has left follows.
    this.#newer[this.#newest] = this.#leftOver;
    if (this.#leftOver !== NONE) this.#older[this.#leftOver] = this.#newest;
    this.#leftOver = this.#oldest;
    this.#newest = NONE;
    this.#oldest = NONE;
    this.#count = 0;
  }

  /** Empties up to `slots` of the slots that a clear has left over. Returns whether there are more. */
  sweep(slots: number): boolean {
    for (let swept = 0; swept < slots && this.#leftOver !== NONE; swept++) this.#free.push(this.#emptyLeftOver());
    return this.#leftOver !== NONE;
  }

  /** Starts to write a slot. Returns its previous SEQUENCE. */
  #open(slot: SlotIndex): number {
    // An add, not a store: it reads from the readers' adds before it, so that what they have copied is left alone.
    const sequence = Atomics.add(this.#words, this.layout.sequencesAt + slot, 1);
    assert.equal(sequence & 1, 0, 'a slot is written by one writer at a time');
    return sequence;
  }

  /** Publishes what was written. Pairs with the load of SEQUENCE that begins a read. */
  #close(slot: SlotIndex, sequence: number): void {
    Atomics.store(this.#words, this.layout.sequencesAt + slot, (sequence + 2) | 0);
  }

  #slotAt(slot: SlotIndex): number {
    return this.layout.slotsAt + slot * this.layout.slotWords;
  }

  #bucketAt(firstKeyWord: number): number {
    return this.layout.bucketsAt + (firstKeyWord & (this.layout.bucketCount - 1));
  }

  #find(signature: Signature): SlotIndex {
    let reference = Atomics.load(this.#words, this.#bucketAt(signature[0] as number));
    while (reference !== 0) {
      const at = this.#slotAt(reference - 1);
      let same = this.#words[at + SLOT.EPOCH] === this.#epoch;
      for (let i = 0; i < 4 && same; i++) same = this.#words[at + SLOT.KEY + i] === signature[i];
      if (same) return reference - 1;
      reference = Atomics.load(this.#words, at + SLOT.NEXT);
    }
    return NONE;
  }

  #take(): SlotIndex {
    this.#count++;
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    if (this.#unused < this.layout.slotCount) return this.#unused++;
    if (this.#leftOver !== NONE) return this.#emptyLeftOver();
    const victim = this.#victim();
    this.#evict(victim);
    this.#evictions++;
    return victim;
  }

  #victim(): SlotIndex {
    for (let chances = 0; chances < SECOND_CHANCES_MAX; chances++) {
      const touchedAt = this.layout.touchedAt + this.#oldest;
      if (this.#words[touchedAt] === 0) break;
      this.#words[touchedAt] = 0;
      this.touch(this.#oldest);
    }
    return this.#oldest;
  }

  /** Empties the oldest slot that a clear has left over, and returns it. */
  #emptyLeftOver(): SlotIndex {
    const slot = this.#leftOver;
    this.#leftOver = this.#newer[slot] as number;
    if (this.#leftOver !== NONE) this.#older[this.#leftOver] = NONE;
    this.#newer[slot] = NONE;
    this.#empty(slot);
    return slot;
  }

  /** Empties a slot in use. */
  #evict(slot: SlotIndex): void {
    this.#empty(slot);
    this.#unlist(slot);
    this.#count--;
    this.#onRetire(slot);
  }

  /** Removes a slot from its chain, and empties it. */
  #empty(slot: SlotIndex): void {
    const at = this.#slotAt(slot);
    const words = this.#words;
    this.#unlink(slot);
    const sequence = this.#open(slot);
    for (let i = 0; i < 4; i++) words[at + SLOT.KEY + i] = 0;
    words[at + SLOT.LENGTH] = 0;
    this.#close(slot, sequence);
  }

  #link(slot: SlotIndex, firstKeyWord: number): void {
    const bucketAt = this.#bucketAt(firstKeyWord);
    Atomics.store(this.#words, this.#slotAt(slot) + SLOT.NEXT, Atomics.load(this.#words, bucketAt));
    // Publishes the slot: everything in it was stored above.
    Atomics.store(this.#words, bucketAt, slot + 1);
  }

  #unlink(slot: SlotIndex): void {
    const words = this.#words;
    const at = this.#slotAt(slot);
    const next = Atomics.load(words, at + SLOT.NEXT);
    let linkAt = this.#bucketAt(words[at + SLOT.KEY] as number);
    for (let reference = Atomics.load(words, linkAt); reference !== slot + 1; reference = Atomics.load(words, linkAt)) {
      assert.notEqual(reference, 0, 'a slot in use stands in the chain of its bucket');
      linkAt = this.#slotAt(reference - 1) + SLOT.NEXT;
    }
    Atomics.store(words, linkAt, next);
  }

  #unlist(slot: SlotIndex): void {
    const newer = this.#newer[slot] as number;
    const older = this.#older[slot] as number;
    if (newer !== NONE) this.#older[newer] = older;
    else if (this.#newest === slot) this.#newest = older;
    if (older !== NONE) this.#newer[older] = newer;
    else if (this.#oldest === slot) this.#oldest = newer;
    this.#newer[slot] = NONE;
    this.#older[slot] = NONE;
  }
}
