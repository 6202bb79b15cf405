import assert from 'node:assert/strict';
import type { Decision } from '../../shared/decision.ts';
import type { Signature } from '../../shared/signature.ts';
import { encodeDecision } from '../../shared/store/decision-codec.ts';
import {
  createStoreBuffer,
  highWord,
  lowWord,
  SLOT,
  type SlotIndex,
  type StoreLayout,
  storeLayout,
} from '../../shared/store/store-layout.ts';

/** How many touched slots an eviction passes over before it takes the next one anyway. */
const SECOND_CHANCES_MAX = 64;
const NONE = -1;

export type WriteOutcome =
  /** `cut`: parts of the decision were left out to keep the bound of the payload. */
  | { readonly kind: 'stored'; readonly slot: SlotIndex; readonly cut: boolean }
  /** Its action and model alone pass the bound of the payload. */
  | { readonly kind: 'too-large' };

/**
 * The only code that writes the shared store; the protocol is in store-layout.ts. Keeps the order of use in private
 * memory: exactly least-recently-used for what the coordinator reads, with a second chance for slots that other
 * threads have touched since.
 */
export class StoreWriter {
  readonly buffer: SharedArrayBuffer;
  readonly layout: StoreLayout;
  readonly #words: Int32Array;
  readonly #scratch: Int32Array;
  readonly #scratchBytes: Uint8Array;
  /** The order of use as a doubly linked list of slots: `#newest` is the head, `#oldest` the tail. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest: SlotIndex = NONE;
  #oldest: SlotIndex = NONE;
  #free: SlotIndex[] = [];
  #unused = 0;
  #count = 0;
  #evictions = 0;

  readonly #onRetire: (slot: SlotIndex) => void;

  /** `onRetire` is told of every slot that is emptied: evicted, removed or cleared. */
  constructor(slotCount: number, onRetire: (slot: SlotIndex) => void = () => {}) {
    this.#onRetire = onRetire;
    this.layout = storeLayout(slotCount);
    this.buffer = createStoreBuffer(slotCount);
    this.#words = new Int32Array(this.buffer);
    this.#scratch = new Int32Array(this.layout.payloadWords);
    this.#scratchBytes = new Uint8Array(this.#scratch.buffer);
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
    const held = this.#find(signature);
    const slot = held === NONE ? this.#take() : held;
    const at = this.#slotAt(slot);
    const words = this.#words;
    const sequence = Atomics.load(words, at + SLOT.SEQUENCE);
    assert.equal(sequence & 1, 0, 'a slot is written by one writer at a time');
    Atomics.store(words, at + SLOT.SEQUENCE, sequence + 1);
    for (let i = 0; i < 4; i++) Atomics.store(words, at + SLOT.KEY + i, signature[i] as number);
    Atomics.store(words, at + SLOT.EXPIRES_HIGH, highWord(expiresAtMs));
    Atomics.store(words, at + SLOT.EXPIRES_LOW, lowWord(expiresAtMs));
    Atomics.store(words, at + SLOT.LENGTH, encoded.length);
    Atomics.store(words, at + SLOT.TOUCHED, 0);
    for (let i = 0; i < (encoded.length + 3) >> 2; i++) {
      Atomics.store(words, at + SLOT.PAYLOAD + i, this.#scratch[i] as number);
    }
    // Publishes every word above. Pairs with the second load of SEQUENCE in StoreReader.
    Atomics.store(words, at + SLOT.SEQUENCE, (sequence + 2) | 0);
    if (held === NONE) this.#link(slot, signature[0] as number);
    this.touch(slot);
    return { kind: 'stored', slot, cut: encoded.cut };
  }

  /** Makes a slot the most recently used one. */
  touch(slot: SlotIndex): void {
    if (this.#newest === slot) return;
    this.#unlist(slot);
    this.#older[slot] = this.#newest;
    if (this.#newest !== NONE) this.#newer[this.#newest] = slot;
    this.#newest = slot;
    if (this.#oldest === NONE) this.#oldest = slot;
  }

  remove(signature: Signature): boolean {
    const slot = this.#find(signature);
    if (slot === NONE) return false;
    this.#retire(slot);
    this.#free.push(slot);
    return true;
  }

  clear(): void {
    while (this.#oldest !== NONE) {
      const slot = this.#oldest;
      this.#retire(slot);
      this.#free.push(slot);
    }
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
      let same = true;
      for (let i = 0; i < 4 && same; i++) same = Atomics.load(this.#words, at + SLOT.KEY + i) === signature[i];
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
    const victim = this.#victim();
    this.#retire(victim);
    this.#evictions++;
    return victim;
  }

  #victim(): SlotIndex {
    for (let chances = 0; chances < SECOND_CHANCES_MAX; chances++) {
      const touchedAt = this.#slotAt(this.#oldest) + SLOT.TOUCHED;
      if (Atomics.load(this.#words, touchedAt) === 0) break;
      Atomics.store(this.#words, touchedAt, 0);
      this.touch(this.#oldest);
    }
    return this.#oldest;
  }

  /** Takes a slot out of its chain and out of the order of use, and empties it. */
  #retire(slot: SlotIndex): void {
    const at = this.#slotAt(slot);
    const words = this.#words;
    this.#unlink(slot);
    const sequence = Atomics.load(words, at + SLOT.SEQUENCE);
    Atomics.store(words, at + SLOT.SEQUENCE, sequence + 1);
    for (let i = 0; i < 4; i++) Atomics.store(words, at + SLOT.KEY + i, 0);
    Atomics.store(words, at + SLOT.LENGTH, 0);
    Atomics.store(words, at + SLOT.SEQUENCE, (sequence + 2) | 0);
    this.#unlist(slot);
    this.#count--;
    this.#onRetire(slot);
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
    let linkAt = this.#bucketAt(Atomics.load(words, at + SLOT.KEY));
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
