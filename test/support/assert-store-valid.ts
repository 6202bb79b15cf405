import assert from 'node:assert/strict';
import { decodeDecision } from '../../src/shared/store/decision-codec.ts';
import { openStoreLayout, SLOT, type SlotIndex, type StoreLayout } from '../../src/shared/store/store-layout.ts';

/**
 * Everything that holds for a store between two writes: each chain ends; each slot with a decision stands in exactly one
 * chain, that of its key; no key is there twice; SEQUENCE is even; LENGTH is in bounds, and the payload decodes.
 * `entries`, where given, is how many decisions there must be.
 */
export function assertStoreValid(buffer: SharedArrayBuffer, entries?: number): void {
  const layout = openStoreLayout(buffer);
  const words = new Int32Array(buffer);
  const chained = walkChains(words, layout);
  const keys = new Set<string>();
  for (let slot = 0; slot < layout.slotCount; slot++) {
    const at = layout.slotsAt + slot * layout.slotWords;
    const length = Atomics.load(words, at + SLOT.LENGTH);
    assert.equal(Atomics.load(words, at + SLOT.SEQUENCE) & 1, 0, `slot ${slot} is not being written`);
    assert.equal(chained.has(slot), length > 0, `slot ${slot} is in a chain when, and only when, it holds a decision`);
    if (length === 0) continue;
    assert(length > 0 && length <= layout.payloadWords * 4, `slot ${slot} has its LENGTH ${length} in bounds`);
    const key = String(words.subarray(at + SLOT.KEY, at + SLOT.KEY + 4));
    assert(!keys.has(key), `the key ${key} is in one slot only`);
    keys.add(key);
    const payload = words.slice(at + SLOT.PAYLOAD, at + SLOT.PAYLOAD + layout.payloadWords);
    decodeDecision(new Uint8Array(Int32Array.from(payload).buffer, 0, length));
  }
  if (entries !== undefined) assert.equal(keys.size, entries, 'the number of decisions');
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
      const at = layout.slotsAt + slot * layout.slotWords;
      const home = Atomics.load(words, at + SLOT.KEY) & (layout.bucketCount - 1);
      assert.equal(home, bucket, `slot ${slot} stands in the chain of its key`);
      reference = Atomics.load(words, at + SLOT.NEXT);
    }
  }
  return met;
}
