import assert from 'node:assert/strict';
import { decodeDecision } from '../../src/shared/store/decision-codec.ts';
import {
  HEADER,
  openStoreLayout,
  SLOT,
  type SlotIndex,
  type StoreLayout,
} from '../../src/shared/store/store-layout.ts';

/**
 * Everything that holds for a store between two writes: each chain ends; each slot with a decision stands in exactly one
 * chain, that of its key; no key is there twice; SEQUENCE is even and TOUCHED is a mark or none; LENGTH is in bounds, and
 * the payload decodes. An empty slot has no key. What a clear has left over does not count. `entries`, where given, is how many decisions there must be.
 */
export function assertStoreValid(buffer: SharedArrayBuffer, entries?: number): void {
  const layout = openStoreLayout(buffer);
  const words = new Int32Array(buffer);
  const chained = walkChains(words, layout);
  const keys = new Set<string>();
  const epoch = Atomics.load(words, HEADER.EPOCH);
  for (let slot = 0; slot < layout.slotCount; slot++) {
    assertMarks(words, layout, slot);
    const at = slotAt(layout, slot);
    const length = words[at + SLOT.LENGTH] as number;
    const key = String(words.subarray(at + SLOT.KEY, at + SLOT.KEY + 4));
    assert.equal(
      chained.has(slot),
      length !== 0,
      `slot ${slot} is in a chain when, and only when, it holds a decision`,
    );
    if (length === 0) {
      assert.equal(key, '0,0,0,0', `slot ${slot} is empty and has no key`);
      continue;
    }
    assert(length > 0 && length <= layout.payloadWords * 4, `slot ${slot} has its LENGTH ${length} in bounds`);
    if (words[at + SLOT.EPOCH] !== epoch) continue;
    assert(!keys.has(key), `the key ${key} is in one slot only`);
    keys.add(key);
    const payload = Int32Array.from(words.subarray(at + SLOT.PAYLOAD, at + SLOT.PAYLOAD + layout.payloadWords));
    decodeDecision(new Uint8Array(payload.buffer, 0, length));
  }
  if (entries !== undefined) assert.equal(keys.size, entries, 'the number of decisions');
}

function slotAt(layout: StoreLayout, slot: SlotIndex): number {
  return layout.slotsAt + slot * layout.slotWords;
}

function assertMarks(words: Int32Array, layout: StoreLayout, slot: SlotIndex): void {
  assert.equal(Atomics.load(words, layout.sequencesAt + slot) & 1, 0, `slot ${slot} is not being written`);
  const touched = Atomics.load(words, layout.touchedAt + slot);
  assert(touched === 0 || touched === 1, `slot ${slot} is marked touched or not, and has ${touched}`);
}

/** The slots that stand in chains. Throws at one that is met twice: also what a chain that runs in a circle does. */
function walkChains(words: Int32Array, layout: StoreLayout): Set<SlotIndex> {
  const met = new Set<SlotIndex>();
  for (let bucket = 0; bucket < layout.bucketCount; bucket++) {
    let reference = Atomics.load(words, layout.bucketsAt + bucket);
    while (reference !== 0) {
      const slot = reference - 1;
      assert(slot >= 0 && slot < layout.slotCount, `bucket ${bucket} names the slot ${slot}, which exists`);
      assert(!met.has(slot), `slot ${slot} is met once`);
      met.add(slot);
      const at = slotAt(layout, slot);
      const home = (words[at + SLOT.KEY] as number) & (layout.bucketCount - 1);
      assert.equal(home, bucket, `slot ${slot} stands in the chain of its key`);
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
  }
  return met;
}
