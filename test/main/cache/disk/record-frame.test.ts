import { describe, expect, test } from 'vitest';
import { decodeFrame, encodeFrame, indexKeyOf, isFrameOf } from '../../../../src/main/cache/disk/record-frame.ts';
import { makePlace, orderOf } from '../../../../src/main/cache/disk/tables.ts';
import { randomIndex, seededRandom } from '../../../../src/shared/random.ts';

const place = makePlace(2 ** 51 + 3, 0xfffffffe);
const identity = new Uint8Array(8).fill(7);
const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const indexKey = Uint8Array.from([...identity, ...key]);
const value = new TextEncoder().encode('what was decided');
const frame = encodeFrame({ place, indexKey, value, expiresAtWallMs: 1_234.5 });

describe('a frame', () => {
  test('gives back what was put in', () => {
    const record = decodeFrame(frame, place);
    expect(record?.key).toEqual(key);
    expect(record?.value).toEqual(value);
    expect(record?.expiresAtWallMs).toBe(1_234.5);
  });

  test('holds an expiry of Infinity and an empty value', () => {
    const other = encodeFrame({ place, indexKey, value: new Uint8Array(), expiresAtWallMs: Number.POSITIVE_INFINITY });
    expect(decodeFrame(other, place)?.expiresAtWallMs).toBe(Number.POSITIVE_INFINITY);
    expect(decodeFrame(other, place)?.value).toHaveLength(0);
  });

  test('is refused when any single bit of it is another', () => {
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const damaged = Uint8Array.from(frame);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeFrame(damaged, place), `bit ${bit}`).toBeUndefined();
    }
  });

  test('is refused when it is cut, lengthened, or overwritten from any byte on', () => {
    const random = seededRandom(5);
    for (let length = 0; length < frame.length; length++) {
      expect(decodeFrame(frame.subarray(0, length), place), `cut to ${length}`).toBeUndefined();
      const overwritten = frame.map((byte, i) => (i < length ? byte : randomIndex(random, 256)));
      expect(decodeFrame(overwritten, place), `overwritten from ${length}`).toBeUndefined();
    }
    expect(decodeFrame(Uint8Array.from([...frame, 0]), place)).toBeUndefined();
  });

  test('is refused whole at a place that is not its own', () => {
    expect(decodeFrame(frame, makePlace(2 ** 51 + 4, 0xfffffffe))).toBeUndefined();
    expect(decodeFrame(frame, makePlace(2 ** 51 + 3, 0xffffffff))).toBeUndefined();
  });

  test('names its identity and key', () => {
    expect(indexKeyOf(frame)).toEqual(indexKey);
    expect(indexKeyOf(frame.subarray(0, 55))).toBeUndefined();
    expect(isFrameOf(frame, identity)).toBe(true);
    expect(isFrameOf(frame, identity, key)).toBe(true);
    expect(isFrameOf(frame, new Uint8Array(8))).toBe(false);
    expect(isFrameOf(frame, identity, new Uint8Array(16))).toBe(false);
  });
});

test('places sort by order, then by writer', () => {
  const places = [
    makePlace(0, 5),
    makePlace(0, 6),
    makePlace(2 ** 32 - 1, 0),
    makePlace(2 ** 32, 0),
    makePlace(2 ** 51, 9),
  ];
  expect([...places].sort(Buffer.compare)).toEqual(places);
  expect(places.map(orderOf)).toEqual([0, 0, 2 ** 32 - 1, 2 ** 32, 2 ** 51]);
});
