import { describe, expect, test } from 'vitest';
import { StoreWriter } from '../../../src/main/cache/store-writer.ts';
import type { Signature } from '../../../src/shared/signature.ts';
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

  test('of a slot that is being written for ever is a miss, not a wait', () => {
    const { buffer, layout } = writerWith(4, 1);
    const words = new Int32Array(buffer);
    words[layout.sequencesAt] = 3;
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

  test.each([2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 45 + 1])(
    'keeps the instant %d, be it beyond the 49 days that one word holds',
    (expiresAtMs) => {
      const writer = new StoreWriter(1);
      writer.write(signatureOf(1), decision(), expiresAtMs);
      const reader = new StoreReader(writer.buffer);
      expect(reader.find(signatureOf(1))?.expiresAtMs).toBe(expiresAtMs);
      expect(reader.lookup(signatureOf(1), expiresAtMs - 1).kind).toBe('hit');
      expect(reader.lookup(signatureOf(1), expiresAtMs).kind).toBe('stale');
    },
  );

  test('of what never expires is a hit at any time, decoded anew and held', () => {
    const writer = new StoreWriter(1);
    writer.write(signatureOf(1), decision(), Number.POSITIVE_INFINITY);
    const reader = new StoreReader(writer.buffer);
    for (const nowMs of [0, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(reader.lookup(signatureOf(1), nowMs).kind).toBe('hit');
      expect(new StoreReader(writer.buffer).lookup(signatureOf(1), nowMs).kind).toBe('hit');
    }
    expect(reader.find(signatureOf(1))?.expiresAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('goes on where SEQUENCE comes round', () => {
    const writer = writerWith(1, 1);
    const words = new Int32Array(writer.buffer);
    const reader = new StoreReader(writer.buffer);
    for (const [before, after] of [
      [2 ** 31 - 2, -(2 ** 31)],
      [-2, 0],
    ] as const) {
      words[writer.layout.sequencesAt] = before;
      expect(reader.find(signatureOf(1))?.sequence).toBe(before);
      writer.write(signatureOf(1), decision({ reason: `after ${before}` }), 1_000);
      expect(words[writer.layout.sequencesAt]).toBe(after);
      expect(reader.find(signatureOf(1))).toMatchObject({ sequence: after, decision: { reason: `after ${before}` } });
    }
  });
});

describe('look and count', () => {
  test('are a lookup without its count and its mark, and the count', () => {
    const writer = writerWith(2, 1);
    const { buffer, layout } = writer;
    const reader = new StoreReader(buffer);
    expect(reader.look(signatureOf(1), 999).kind).toBe('hit');
    expect(reader.look(signatureOf(1), 1_000)).toMatchObject({ kind: 'stale', entry: { slot: 0, expiresAtMs: 1_000 } });
    expect(reader.look(signatureOf(2), 0)).toEqual({ kind: 'miss' });
    expect(readStoreCounts(buffer)).toEqual({ hits: 0, stale: 0, misses: 0 });
    expect(new Int32Array(buffer)[layout.touchedAt]).toBe(0);
    reader.count('stale');
    for (let i = 0; i < 2; i++) reader.count('hit');
    for (let i = 0; i < 3; i++) reader.count('miss');
    expect(readStoreCounts(buffer)).toEqual({ hits: 2, stale: 1, misses: 3 });
  });

  test('find the same entry as find and lookup do', () => {
    const reader = new StoreReader(writerWith(2, 1).buffer);
    const entry = reader.find(signatureOf(1));
    expect(reader.look(signatureOf(1), 0)).toMatchObject({ entry: { slot: 0, decision: entry?.decision } });
    expect(reader.lookup(signatureOf(1), 0)).toMatchObject({ entry: { slot: 0, decision: entry?.decision } });
  });
});

describe('the decisions held decoded', () => {
  /** Keys with one first word have the same four places, whatever the size of the table, and stand in one chain. */
  const crowd = Array.from({ length: 12 }, (_, i) => i + 1);
  const crowdKey = (id: number): Signature => signatureOf(id, 64);

  function crowded(decodedMax?: number): { writer: StoreWriter; reader: StoreReader } {
    const writer = new StoreWriter(16);
    for (const id of crowd) writer.write(crowdKey(id), decision({ reason: `number ${id}` }), 1_000 + id);
    return { writer, reader: new StoreReader(writer.buffer, decodedMax === undefined ? {} : { decodedMax }) };
  }

  test('are decoded once while they stay the same', () => {
    const reader = new StoreReader(writerWith(4, 1).buffer);
    expect(reader.find(signatureOf(1))).toBe(reader.find(signatureOf(1)));
  });

  test('are four of one first word, and each one of more is decoded again and right', () => {
    const { reader } = crowded();
    const four = crowd.slice(0, 4);
    for (const id of four) reader.find(crowdKey(id));
    for (const id of four) expect(reader.find(crowdKey(id))).toBe(reader.find(crowdKey(id)));
    for (let round = 0; round < 3; round++) {
      for (const id of crowd) {
        const entry = reader.find(crowdKey(id));
        expect(entry).toMatchObject({ slot: id - 1, expiresAtMs: 1_000 + id, decision: { reason: `number ${id}` } });
      }
    }
  });

  test('that are asked for often stay, whatever passes by', () => {
    const { reader } = crowded();
    const often = crowd.slice(0, 3);
    let decoded = 0;
    let held = often.map((id) => reader.find(crowdKey(id)));
    for (let round = 0; round < 400; round++) {
      reader.find(crowdKey(crowd[3 + (round % 9)] as number));
      const found = often.map((id) => reader.find(crowdKey(id)));
      decoded += found.filter((entry, i) => entry !== held[i]).length;
      held = found;
    }
    // Of nine that pass by in turn, none held, one in eight takes a place from another.
    expect(decoded).toBeLessThan(200);
  });

  test('do not push one another out by being written over', () => {
    const { writer, reader } = crowded();
    const [first, ...others] = crowd.slice(0, 4) as [number, ...number[]];
    // The first one last, so that its place is not the one that its slot would choose.
    for (const id of [...others, first]) reader.find(crowdKey(id));
    const held = others.map((id) => reader.find(crowdKey(id)));
    for (let version = 0; version < 8; version++) {
      writer.write(crowdKey(first), decision({ reason: `version ${version}` }), 1_000);
      expect(reader.find(crowdKey(first))?.decision.reason).toBe(`version ${version}`);
    }
    for (const [i, id] of others.entries()) expect(reader.find(crowdKey(id))).toBe(held[i]);
  });

  test('are right also where the table is the smallest', () => {
    const reader = new StoreReader(writerWith(8, 1, 2, 3, 4, 5, 6).buffer, { decodedMax: 1 });
    for (const id of [1, 2, 3, 4, 5, 6, 6, 5, 1, 2, 4, 3]) {
      expect(reader.find(signatureOf(id))?.decision.reason).toBe(`number ${id}`);
    }
  });

  test('are told apart by every word of their keys', () => {
    const writer = new StoreWriter(8);
    const keys = [0, 1, 2, 3].map((word) => {
      const key = Int32Array.of(5, 6, 7, 8);
      // The first word is changed above the bits that point into the table.
      key[word] = (key[word] as number) ^ (2 ** 20);
      return key;
    });
    for (const [i, key] of keys.entries()) writer.write(key, decision({ reason: `word ${i}` }), 1_000);
    const reader = new StoreReader(writer.buffer);
    for (let round = 0; round < 2; round++) {
      for (const [i, key] of keys.entries()) expect(reader.find(key)?.decision.reason).toBe(`word ${i}`);
      expect(reader.find(Int32Array.of(5, 6, 7, 8))).toBeUndefined();
    }
  });

  test('are not found in a place that was never filled, whatever the key and whoever is being written', () => {
    const { buffer, layout } = writerWith(4);
    const reader = new StoreReader(buffer);
    for (const sequence of [0, 1, -1, 2]) {
      new Int32Array(buffer)[layout.sequencesAt] = sequence;
      expect(reader.find(new Int32Array(4))).toBeUndefined();
      expect(reader.look(new Int32Array(4), 0)).toEqual({ kind: 'miss' });
      expect(reader.lookup(new Int32Array(4), 0)).toEqual({ kind: 'miss' });
      expect(reader.entryAt(0)).toBeUndefined();
    }
  });

  test('are not served when they have been written over, removed or cleared, nor when written anew', () => {
    const writer = writerWith(4, 1, 2);
    const reader = new StoreReader(writer.buffer);
    const first = reader.find(signatureOf(1));
    writer.write(signatureOf(1), decision({ reason: 'another one' }), 2_000);
    const second = reader.find(signatureOf(1));
    expect(first?.decision.reason).toBe('number 1');
    expect(second).toMatchObject({ expiresAtMs: 2_000, decision: { reason: 'another one' } });
    writer.remove(signatureOf(1));
    expect(reader.find(signatureOf(1))).toBeUndefined();
    expect(reader.find(signatureOf(2))?.decision.reason).toBe('number 2');
    writer.clear();
    expect(reader.find(signatureOf(2))).toBeUndefined();
    writer.write(signatureOf(1), decision({ reason: 'again' }), 1_000);
    expect(reader.find(signatureOf(1))?.decision.reason).toBe('again');
  });

  test('are not served while their slot is being written', () => {
    const writer = writerWith(4, 1);
    const words = new Int32Array(writer.buffer);
    const reader = new StoreReader(writer.buffer);
    const held = reader.find(signatureOf(1));
    Atomics.add(words, writer.layout.sequencesAt, 1);
    expect(reader.find(signatureOf(1))).toBeUndefined();
    expect(reader.entryAt(0)).toBeUndefined();
    Atomics.add(words, writer.layout.sequencesAt, 1);
    expect(reader.find(signatureOf(1))).not.toBe(held);
    expect(reader.find(signatureOf(1))?.decision).toEqual(held?.decision);
  });

  test.each([
    ['of the same places', 64],
    ['of places one further', 65],
  ])('are not served when their slot was evicted and went to a key %s', (_which, firstWord) => {
    const writer = new StoreWriter(1);
    const reader = new StoreReader(writer.buffer);
    writer.write(crowdKey(1), decision({ reason: 'evicted' }), 1_000);
    expect(reader.find(crowdKey(1))?.decision.reason).toBe('evicted');
    writer.write(signatureOf(2, firstWord), decision({ reason: 'its heir' }), 1_000);
    expect(writer.evictions).toBe(1);
    expect(reader.find(crowdKey(1))).toBeUndefined();
    expect(reader.find(signatureOf(2, firstWord))?.decision.reason).toBe('its heir');
    expect(reader.entryAt(0)?.decision.reason).toBe('its heir');
  });

  test('are decoded once also where the key came back into another slot', () => {
    // Schedule: held in slot 0; evicted unseen; back in slot 1, and seen there first by its slot.
    const writer = new StoreWriter(2);
    const reader = new StoreReader(writer.buffer);
    writer.write(crowdKey(1), decision({ reason: 'in slot 0' }), 1_000);
    reader.find(crowdKey(1));
    writer.remove(crowdKey(1));
    writer.write(crowdKey(2), decision(), 1_000);
    writer.write(crowdKey(1), decision({ reason: 'in slot 1' }), 1_000);
    expect(reader.entryAt(1)?.decision.reason).toBe('in slot 1');
    const entry = reader.find(crowdKey(1));
    expect(entry).toMatchObject({ slot: 1, decision: { reason: 'in slot 1' } });
    expect(reader.find(crowdKey(1))).toBe(entry);
    expect(reader.entryAt(1)).toBe(entry);
  });
});

describe('the entry at a slot', () => {
  test('is the one that find gives, expired or not, and counts nothing', () => {
    const { buffer } = writerWith(4, 1, 2);
    const reader = new StoreReader(buffer);
    const entry = reader.entryAt(1);
    expect(entry).toMatchObject({ slot: 1, expiresAtMs: 1_000, decision: { reason: 'number 2' } });
    expect(reader.find(signatureOf(2))).toBe(entry);
    expect(reader.entryAt(1)).toBe(entry);
    expect(readStoreCounts(buffer)).toEqual({ hits: 0, stale: 0, misses: 0 });
  });

  test('is none where the slot is empty, was emptied, or holds a LENGTH that cannot be', () => {
    const writer = writerWith(4, 1, 2);
    const reader = new StoreReader(writer.buffer);
    expect(reader.entryAt(3)).toBeUndefined();
    reader.entryAt(0);
    writer.remove(signatureOf(1));
    expect(reader.entryAt(0)).toBeUndefined();
    new Int32Array(writer.buffer)[writer.layout.slotsAt + writer.layout.slotWords + SLOT.LENGTH] = 449;
    expect(reader.entryAt(1)).toBeUndefined();
  });

  test('is the new one when the slot is written over, by the same key or another one', () => {
    const writer = writerWith(1, 1);
    const reader = new StoreReader(writer.buffer);
    expect(reader.entryAt(0)?.decision.reason).toBe('number 1');
    writer.write(signatureOf(1), decision({ reason: 'over' }), 1_000);
    expect(reader.entryAt(0)?.decision.reason).toBe('over');
    writer.write(signatureOf(2), decision({ reason: 'instead' }), 1_000);
    expect(reader.entryAt(0)?.decision.reason).toBe('instead');
  });
});

describe('the touched mark', () => {
  function touched(writer: StoreWriter): number {
    return Atomics.load(new Int32Array(writer.buffer), writer.layout.touchedAt);
  }

  test('is set by a hit', () => {
    const writer = writerWith(1, 1);
    new StoreReader(writer.buffer).lookup(signatureOf(1), 0);
    expect(touched(writer)).toBe(1);
  });

  test('is cleared by a write, by the same key or another one', () => {
    const writer = writerWith(1, 1);
    const reader = new StoreReader(writer.buffer);
    for (const id of [1, 2]) {
      reader.lookup(signatureOf(1), 0);
      expect(touched(writer)).toBe(1);
      writer.write(signatureOf(id), decision(), 1_000);
      expect(touched(writer)).toBe(0);
    }
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
    const rest = (): Int32Array => Int32Array.from(new Int32Array(buffer, layout.sequencesAt * 4));
    const before = rest();
    for (let i = 0; i < COUNTER_BLOCKS + 9; i++) new StoreReader(buffer).lookup(signatureOf(2), 0);
    expect(rest()).toEqual(before);
  });

  test.each([
    ['a reader with a block of its own', 0],
    ['readers that share the last block', COUNTER_BLOCKS - 1],
  ])('carry into their second word for %s', (_who, others) => {
    const { buffer } = writerWith(4, 1);
    for (let i = 0; i < others; i++) new StoreReader(buffer);
    const readers = [new StoreReader(buffer)];
    if (others > 0) readers.push(new StoreReader(buffer));
    const words = new Int32Array(buffer);
    const block = HEADER.WORDS + others * COUNTER.WORDS;
    for (const low of [COUNTER.HITS_LOW, COUNTER.STALE_LOW, COUNTER.MISSES_LOW]) words[block + low] = -2;
    expect(readStoreCounts(buffer).misses).toBe(2 ** 32 - 2);
    for (let i = 0; i < 4; i++) {
      const reader = readers[i % readers.length] as StoreReader;
      reader.lookup(signatureOf(1), 0);
      reader.lookup(signatureOf(1), 1_000);
      reader.lookup(signatureOf(2), 0);
      const count = 2 ** 32 - 1 + i;
      expect(readStoreCounts(buffer)).toEqual({ hits: count, stale: count, misses: count });
    }
    expect(words[block + COUNTER.MISSES_HIGH]).toBe(1);
  });

  test('pass 2^31, where a word turns negative', () => {
    const { buffer } = writerWith(4, 1);
    const reader = new StoreReader(buffer);
    new Int32Array(buffer)[HEADER.WORDS + COUNTER.MISSES_LOW] = 2 ** 31 - 1;
    for (let i = 0; i < 2; i++) reader.lookup(signatureOf(2), 0);
    expect(readStoreCounts(buffer).misses).toBe(2 ** 31 + 1);
  });
});

test('a buffer that is not a store is refused', () => {
  expect(() => new StoreReader(new SharedArrayBuffer(8_192))).toThrow('not a Conclave store');
});
