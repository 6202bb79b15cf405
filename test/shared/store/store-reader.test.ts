import { describe, expect, test } from 'vitest';
import { StoreWriter } from '../../../src/main/cache/store-writer.ts';
import { CHAIN_STEPS_MAX, COUNTER, COUNTER_BLOCKS, HEADER, SLOT } from '../../../src/shared/store/store-layout.ts';
import { readStoreCounts, StoreReader } from '../../../src/shared/store/store-reader.ts';
import { decision, signatureOf } from '../../support/decisions.ts';

function writerWith(slotCount: number, ...ids: number[]): StoreWriter {
  const writer = new StoreWriter(slotCount);
  for (const id of ids) writer.write(signatureOf(id), decision({ reason: `number ${id}` }), 1_000);
  return writer;
}

describe('a lookup', () => {
  test('gives back what was stored, in another reader too', () => {
    const { buffer } = writerWith(4, 1);
    for (const reader of [new StoreReader(buffer), new StoreReader(buffer)]) {
      const lookup = reader.lookup(signatureOf(1), 0);
      expect(lookup).toMatchObject({ kind: 'hit', entry: { decision: decision({ reason: 'number 1' }) } });
    }
  });

  test('is a hit up to the millisecond before the expiry, and stale from it on', () => {
    const reader = new StoreReader(writerWith(4, 1).buffer);
    expect(reader.lookup(signatureOf(1), 999).kind).toBe('hit');
    expect(reader.lookup(signatureOf(1), 1_000).kind).toBe('stale');
    expect(reader.lookup(signatureOf(1), 1_001).kind).toBe('stale');
  });

  test('of another key is a miss, also where only its last word differs', () => {
    const reader = new StoreReader(writerWith(4, 1).buffer);
    const near = signatureOf(1);
    near[3] = (near[3] as number) ^ 1;
    expect(reader.lookup(near, 0).kind).toBe('miss');
    expect(reader.lookup(signatureOf(2), 0).kind).toBe('miss');
  });

  test('of the signature of four zeros finds no slot that was emptied', () => {
    const writer = writerWith(4, 1);
    const zeros = new Int32Array(4);
    writer.write(zeros, decision(), 1_000);
    const reader = new StoreReader(writer.buffer);
    expect(reader.lookup(zeros, 0).kind).toBe('hit');
    writer.remove(zeros);
    expect(reader.lookup(zeros, 0).kind).toBe('miss');
  });

  test('sees what is written over, though it has decoded what was there before', () => {
    const writer = writerWith(4, 1);
    const reader = new StoreReader(writer.buffer);
    reader.lookup(signatureOf(1), 0);
    writer.write(signatureOf(1), decision({ reason: 'another one' }), 1_000);
    expect(reader.find(signatureOf(1))?.decision.reason).toBe('another one');
  });

  test('decodes a decision once while it stays the same', () => {
    const reader = new StoreReader(writerWith(4, 1).buffer);
    expect(reader.find(signatureOf(1))?.decision).toBe(reader.find(signatureOf(1))?.decision);
  });

  test('decodes again what had no room among the decoded ones', () => {
    const reader = new StoreReader(writerWith(4, 1, 2).buffer, { decodedMax: 1 });
    for (const id of [1, 2, 1, 2]) expect(reader.find(signatureOf(id))?.decision.reason).toBe(`number ${id}`);
  });

  test('of a slot that is being written for ever is a miss, not a wait', () => {
    const { buffer, layout } = writerWith(4, 1);
    const words = new Int32Array(buffer);
    words[layout.slotsAt + SLOT.SEQUENCE] = 3;
    expect(new StoreReader(buffer).lookup(signatureOf(1), 0).kind).toBe('miss');
  });

  test.each([0, -1, 449])('of a slot with the impossible LENGTH %i is a miss', (length) => {
    const { buffer, layout } = writerWith(4, 1);
    new Int32Array(buffer)[layout.slotsAt + SLOT.LENGTH] = length;
    expect(new StoreReader(buffer).lookup(signatureOf(1), 0).kind).toBe('miss');
  });

  test('ends in a chain that runs in a circle', () => {
    const { buffer, layout } = writerWith(4, 1);
    new Int32Array(buffer)[layout.slotsAt + SLOT.NEXT] = 1;
    const collides = signatureOf(2, signatureOf(1)[0]);
    expect(new StoreReader(buffer).lookup(collides, 0).kind).toBe('miss');
  });

  test('walks a chain of the longest length to its end, and not one slot further', () => {
    const writer = new StoreWriter(2 * CHAIN_STEPS_MAX);
    for (let id = 0; id <= CHAIN_STEPS_MAX; id++) writer.write(signatureOf(id, 7), decision(), 1_000);
    const reader = new StoreReader(writer.buffer);
    // The newest stands first, so that 1 is the last one in reach.
    expect(reader.lookup(signatureOf(1, 7), 0).kind).toBe('hit');
    expect(reader.lookup(signatureOf(0, 7), 0).kind).toBe('miss');
  });

  test('keeps its instants beyond the 49 days that one word holds', () => {
    const writer = new StoreWriter(1);
    const expiresAtMs = 2 ** 32 + 5;
    writer.write(signatureOf(1), decision(), expiresAtMs);
    const reader = new StoreReader(writer.buffer);
    expect(reader.find(signatureOf(1))?.expiresAtMs).toBe(expiresAtMs);
    expect(reader.lookup(signatureOf(1), expiresAtMs - 1).kind).toBe('hit');
    expect(reader.lookup(signatureOf(1), expiresAtMs).kind).toBe('stale');
  });
});

describe('the touched mark', () => {
  function touched(writer: StoreWriter): number {
    return Atomics.load(new Int32Array(writer.buffer), writer.layout.slotsAt + SLOT.TOUCHED);
  }

  test('is set by a hit', () => {
    const writer = writerWith(1, 1);
    new StoreReader(writer.buffer).lookup(signatureOf(1), 0);
    expect(touched(writer)).toBe(1);
  });

  test('is set neither by a stale lookup, nor by find, nor where the reader is told not to', () => {
    const writer = writerWith(1, 1);
    const reader = new StoreReader(writer.buffer);
    reader.lookup(signatureOf(1), 1_000);
    reader.find(signatureOf(1));
    new StoreReader(writer.buffer, { marksTouched: false }).lookup(signatureOf(1), 0);
    expect(touched(writer)).toBe(0);
  });
});

describe('the counts', () => {
  test('are one per lookup, by its outcome, and none per find', () => {
    const { buffer } = writerWith(4, 1);
    const reader = new StoreReader(buffer);
    reader.lookup(signatureOf(1), 0);
    reader.lookup(signatureOf(1), 0);
    reader.lookup(signatureOf(1), 1_000);
    for (let i = 0; i < 3; i++) reader.lookup(signatureOf(9), 0);
    reader.find(signatureOf(1));
    reader.find(signatureOf(9));
    expect(readStoreCounts(buffer)).toEqual({ hits: 2, stale: 1, misses: 3 });
  });

  test.each([1, COUNTER_BLOCKS - 1, COUNTER_BLOCKS, COUNTER_BLOCKS + 1, COUNTER_BLOCKS + 5])(
    'are summed over %i readers, also over those that share the last block',
    (readers) => {
      const { buffer } = writerWith(4, 1);
      for (let i = 0; i < readers; i++) {
        const reader = new StoreReader(buffer);
        reader.lookup(signatureOf(1), 0);
        reader.lookup(signatureOf(1), 1_000);
        reader.lookup(signatureOf(2), 0);
        reader.lookup(signatureOf(3), 0);
      }
      expect(readStoreCounts(buffer)).toEqual({ hits: readers, stale: readers, misses: 2 * readers });
    },
  );

  test('stay inside the counter blocks, however many readers there are', () => {
    const { buffer, layout } = writerWith(4, 1);
    const after = new Int32Array(buffer, layout.bucketsAt * 4).slice();
    for (let i = 0; i < COUNTER_BLOCKS + 9; i++) new StoreReader(buffer).lookup(signatureOf(2), 0);
    expect(new Int32Array(buffer, layout.bucketsAt * 4)).toEqual(after);
  });

  test('carry into their second word', () => {
    const { buffer } = writerWith(4, 1);
    const reader = new StoreReader(buffer);
    const words = new Int32Array(buffer);
    words[HEADER.WORDS + COUNTER.MISSES_LOW] = -2;
    expect(readStoreCounts(buffer).misses).toBe(2 ** 32 - 2);
    for (let i = 0; i < 3; i++) reader.lookup(signatureOf(2), 0);
    expect(readStoreCounts(buffer).misses).toBe(2 ** 32 + 1);
    expect(words[HEADER.WORDS + COUNTER.MISSES_HIGH]).toBe(1);
  });
});

test('a buffer that is not a store is refused', () => {
  expect(() => new StoreReader(new SharedArrayBuffer(8_192))).toThrow('not a Conclave store');
});
