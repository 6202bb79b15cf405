import { crc32 } from 'node:zlib';

/*
 * Frames, one after the other, little-endian: u32 checksum of what follows, u32 length, bytes.
 */
const HEAD_BYTES = 8;

export function framed(bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + bytes.length);
  frame.writeUInt32LE(bytes.length, 4);
  frame.set(bytes, HEAD_BYTES);
  frame.writeUInt32LE(crc32(frame.subarray(4)), 0);
  return frame;
}

/** Yields the bytes of each frame; undefined for a damaged one. A length that cannot be right ends the list. */
export function* framesOf(bytes: Buffer): Generator<Buffer | undefined, void, undefined> {
  let at = 0;
  while (at < bytes.length) {
    const end =
      at + HEAD_BYTES <= bytes.length ? at + HEAD_BYTES + bytes.readUInt32LE(at + 4) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) return void (yield undefined);
    const isWhole = bytes.readUInt32LE(at) === crc32(bytes.subarray(at + 4, end));
    yield isWhole ? bytes.subarray(at + HEAD_BYTES, end) : undefined;
    at = end;
  }
}
