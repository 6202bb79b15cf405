import { describe, expect, test } from 'vitest';
import type { PlannerError } from '../../../src/shared/errors.ts';
import {
  COUNTER,
  COUNTER_BLOCKS,
  createStoreBuffer,
  HEADER,
  highWord,
  lowWord,
  openStoreLayout,
  SLOT,
  STORE_VERSION,
  storeLayout,
  timeFromWords,
} from '../../../src/shared/store/store-layout.ts';

function refusal(open: () => unknown): Pick<PlannerError, 'code' | 'message'> {
  try {
    open();
  } catch (error) {
    const { code, message } = error as PlannerError;
    return { code, message };
  }
  throw new Error('nothing was thrown');
}

function storeWith(word: number, value: number): SharedArrayBuffer {
  const buffer = createStoreBuffer(4);
  new Int32Array(buffer)[word] = value;
  return buffer;
}

describe('opening a store', () => {
  test.each([1, 2, 200, 1_000])('of %i slots gives the layout it was made with', (slotCount) => {
    expect(openStoreLayout(createStoreBuffer(slotCount))).toEqual(storeLayout(slotCount));
  });

  test('of another payload size gives the layout it was made with', () => {
    expect(openStoreLayout(createStoreBuffer(3, 32))).toEqual(storeLayout(3, 32));
  });

  test.each([
    ['an ArrayBuffer', new ArrayBuffer(4_096)],
    ['a typed array over one', new Int32Array(1_024)],
    ['nothing', undefined],
    ['a buffer shorter than a header', new SharedArrayBuffer(HEADER.WORDS * 4 - 1)],
  ])('refuses %s', (_what, buffer) => {
    expect(refusal(() => openStoreLayout(buffer as SharedArrayBuffer))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: 'the store must be a SharedArrayBuffer made by Conclave',
    });
  });

  test('refuses a buffer without the magic word', () => {
    expect(refusal(() => openStoreLayout(new SharedArrayBuffer(4_096)))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: 'the buffer is not a Conclave store (its first word is another one)',
    });
  });

  test('refuses another version and names both', () => {
    expect(refusal(() => openStoreLayout(storeWith(HEADER.VERSION, 7)))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: `the store has version 7, this is version ${STORE_VERSION}`,
    });
  });

  test('refuses a store of version 1, which had SEQUENCE in the slot, also where its length would fit', () => {
    expect(refusal(() => openStoreLayout(storeWith(HEADER.VERSION, 1)))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: 'the store has version 1, this is version 3',
    });
  });

  const { byteLength } = storeLayout(4);

  test.each([
    ['of more slots than it holds', HEADER.SLOT_COUNT, 5, '5 slots of 112', storeLayout(5).byteLength],
    ['of fewer slots than it holds', HEADER.SLOT_COUNT, 3, '3 slots of 112', storeLayout(3).byteLength],
    ['of larger payloads', HEADER.PAYLOAD_WORDS, 113, '4 slots of 113', storeLayout(4, 113).byteLength],
    ['of smaller payloads', HEADER.PAYLOAD_WORDS, 32, '4 slots of 32', storeLayout(4, 32).byteLength],
    [
      'of the largest payloads',
      HEADER.PAYLOAD_WORDS,
      2 ** 31 - 1,
      '4 slots of 2147483647',
      storeLayout(4, 2 ** 31 - 1).byteLength,
    ],
  ])('refuses a header %s, and names what it says and both lengths', (_what, word, value, header, wanted) => {
    expect(refusal(() => openStoreLayout(storeWith(word, value)))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: `a store of ${header} payload words must be ${wanted} bytes, got ${byteLength}`,
    });
  });

  test.each([
    ['by a byte', byteLength - 1],
    ['by a word', byteLength - 4],
    ['after the header', HEADER.WORDS * 4],
  ])('refuses a buffer that was truncated %s', (_where, kept) => {
    const truncated = new SharedArrayBuffer(kept);
    new Uint8Array(truncated).set(new Uint8Array(createStoreBuffer(4), 0, kept));
    expect(refusal(() => openStoreLayout(truncated))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: `a store of 4 slots of 112 payload words must be ${byteLength} bytes, got ${kept}`,
    });
  });

  test.each([
    ['no slots', HEADER.SLOT_COUNT, 0],
    ['a negative number of slots', HEADER.SLOT_COUNT, -4],
    ['no payload', HEADER.PAYLOAD_WORDS, 0],
    ['a negative payload', HEADER.PAYLOAD_WORDS, -16],
    ['buckets for another number of slots', HEADER.BUCKET_COUNT, 32],
  ])('refuses a header of %s with a code, not with an assertion', (_what, word, value) => {
    expect(refusal(() => openStoreLayout(storeWith(word, value))).code).toBe('ERR_STORE_INVALID');
  });
});

describe('the layout', () => {
  test('has at least two buckets a slot, a power of two of them', () => {
    for (const slotCount of [1, 7, 8, 9, 200, 4_097]) {
      const { bucketCount } = storeLayout(slotCount);
      expect(bucketCount).toBeGreaterThanOrEqual(2 * slotCount);
      expect(Math.log2(bucketCount) % 1).toBe(0);
    }
  });

  test.each([1, 7, 200, 4_097])('has its parts side by side for %i slots, without overlap or gap', (slotCount) => {
    const layout = storeLayout(slotCount);
    expect(layout.sequencesAt).toBe(HEADER.WORDS + COUNTER_BLOCKS * COUNTER.WORDS);
    expect(layout.touchedAt).toBe(layout.sequencesAt + slotCount);
    expect(layout.bucketsAt).toBe(layout.touchedAt + slotCount);
    expect(layout.slotsAt).toBe(layout.bucketsAt + layout.bucketCount);
    expect(layout.slotWords).toBe(SLOT.PAYLOAD + layout.payloadWords);
    expect(layout.byteLength).toBe(4 * (layout.slotsAt + slotCount * layout.slotWords));
    expect(createStoreBuffer(slotCount).byteLength).toBe(layout.byteLength);
  });

  test('has each counter block on a cache line of its own, and no word twice in a slot', () => {
    expect([HEADER.WORDS % 16, COUNTER.WORDS % 16]).toEqual([0, 0]);
    const counters = Object.entries(COUNTER).filter(([name]) => name !== 'WORDS');
    expect(new Set(counters.map(([, word]) => word)).size).toBe(counters.length);
    expect(Math.max(...counters.map(([, word]) => word))).toBeLessThan(COUNTER.WORDS);
    expect(Object.values(SLOT)).toEqual([0, 4, 5, 6, 7, 8, 9]);
  });

  test('takes at most 520 bytes an entry at 100,000 entries', () => {
    expect(storeLayout(100_000).byteLength / 100_000).toBeLessThanOrEqual(520);
  });

  test.each([0, -1, 1.5, Number.NaN])('asserts a positive whole number of slots, not %d', (slotCount) => {
    expect(() => storeLayout(slotCount)).toThrow(`slotCount must be a positive integer, got ${slotCount}`);
  });
});

test.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 45 + 12_345])(
  'the instant %d is the same after two words',
  (ms) => expect(throughWords(ms)).toBe(ms),
);

test('what never comes is the same after two words, and no instant of the next 100,000 years is taken for it', () => {
  expect(throughWords(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  expect(throughWords(Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
});

function throughWords(ms: number): number {
  const words = Int32Array.of(highWord(ms), lowWord(ms));
  return timeFromWords(words[0] as number, words[1] as number);
}
