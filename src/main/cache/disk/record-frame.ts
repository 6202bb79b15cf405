import { crc32 } from 'node:zlib';
import { holdsAt, IDENTITY_BYTES, INDEX_KEY_BYTES, type RecordPlace } from './tables.ts';

/*
 * A record on disk, little-endian:
 *
 *   +0 u32 checksum of all that follows  +4 u16 version  +6 u16 zero  +8 u32 value bytes  +12 f64 expiry, wall milliseconds
 *   +20 place: order and writer, as in its key   +32 identity, +40 key: as in the index   +56 value
 *
 * CRC-32 detects every burst of up to 32 bits and misses one in 2^32 of other damage. There is no adversary here, the
 * length is in the frame, and a frame must name the place and key that led to it, so a whole record in a wrong place
 * is detected too. A longer hash would cost more than the read.
 */
const VERSION = 1;
const AT = { CHECKSUM: 0, VERSION: 4, VALUE_BYTES: 8, EXPIRES: 12, PLACE: 20, INDEX_KEY: 32, VALUE: 56 } as const;

/** A record of the disk tier. */
export interface DiskRecord {
  /** 16 bytes: the signature. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Wall time, in milliseconds. May be Infinity. The tier does not interpret it. */
  readonly expiresAtWallMs: number;
}

export interface FrameParts {
  readonly place: RecordPlace;
  /** The identity and the key. */
  readonly indexKey: Uint8Array;
  readonly value: Uint8Array;
  readonly expiresAtWallMs: number;
}

export function encodeFrame({ place, indexKey, value, expiresAtWallMs }: FrameParts): Uint8Array {
  const frame = new Uint8Array(AT.VALUE + value.length);
  const view = new DataView(frame.buffer);
  view.setUint16(AT.VERSION, VERSION, true);
  view.setUint32(AT.VALUE_BYTES, value.length, true);
  view.setFloat64(AT.EXPIRES, expiresAtWallMs, true);
  frame.set(place, AT.PLACE);
  frame.set(indexKey, AT.INDEX_KEY);
  frame.set(value, AT.VALUE);
  view.setUint32(AT.CHECKSUM, crc32(frame.subarray(AT.VERSION)), true);
  return frame;
}

/** Decodes a frame found at `place`. Undefined if anything in it differs from what was written. */
export function decodeFrame(frame: Uint8Array, place: RecordPlace): DiskRecord | undefined {
  if (frame.length < AT.VALUE) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const isWhole =
    view.getUint32(AT.VALUE_BYTES, true) === frame.length - AT.VALUE &&
    view.getUint32(AT.CHECKSUM, true) === crc32(frame.subarray(AT.VERSION)) &&
    view.getUint16(AT.VERSION, true) === VERSION &&
    holdsAt(frame, AT.PLACE, place);
  if (!isWhole) return undefined;
  return {
    key: frame.subarray(AT.INDEX_KEY + IDENTITY_BYTES, AT.VALUE),
    value: frame.subarray(AT.VALUE),
    expiresAtWallMs: view.getFloat64(AT.EXPIRES, true),
  };
}

/** Whether a frame has this identity and, if given, this key. */
export function isFrameOf(frame: Uint8Array, identity: Uint8Array, key?: Uint8Array): boolean {
  return (
    holdsAt(frame, AT.INDEX_KEY, identity) && (key === undefined || holdsAt(frame, AT.INDEX_KEY + IDENTITY_BYTES, key))
  );
}

/** Returns the identity and key in a frame, even a damaged one. Undefined if it is too short. */
export function indexKeyOf(frame: Uint8Array): Uint8Array | undefined {
  return frame.length < AT.VALUE ? undefined : frame.subarray(AT.INDEX_KEY, AT.INDEX_KEY + INDEX_KEY_BYTES);
}
