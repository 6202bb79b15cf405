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

  test('refuses a buffer that is not as long as its header says, and names both lengths', () => {
    const { byteLength } = storeLayout(4);
    expect(refusal(() => openStoreLayout(storeWith(HEADER.SLOT_COUNT, 5)))).toEqual({
      code: 'ERR_STORE_INVALID',
      message: `the store must be ${storeLayout(5).byteLength} bytes, got ${byteLength}`,
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

  test('has each part begin on a cache line, and none overlap another', () => {
    const { bucketsAt, bucketCount, slotsAt, slotWords, slotCount, payloadWords, byteLength } = storeLayout(200);
    expect(bucketsAt).toBe(HEADER.WORDS + COUNTER_BLOCKS * COUNTER.WORDS);
    expect(slotsAt).toBeGreaterThanOrEqual(bucketsAt + bucketCount);
    expect([bucketsAt % 16, slotsAt % 16, slotWords % 16]).toEqual([0, 0, 0]);
    expect(slotWords).toBe(SLOT.PAYLOAD + payloadWords);
    expect(byteLength).toBe(4 * (slotsAt + slotCount * slotWords));
  });

  test.each([0, -1, 1.5, Number.NaN])('asserts a positive whole number of slots, not %d', (slotCount) => {
    expect(() => storeLayout(slotCount)).toThrow(`slotCount must be a positive integer, got ${slotCount}`);
  });
});

test.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 45 + 12_345])(
  'the instant %d is the same after two words',
  (ms) => {
    const words = Int32Array.of(highWord(ms), lowWord(ms));
    expect(timeFromWords(words[0] as number, words[1] as number)).toBe(ms);
  },
);
