import { createHash } from 'node:crypto';
import type { DiskRecord } from '../../../../../src/main/cache/disk/record-frame.ts';

/** The key of a number. */
export function keyOf(number: number): Uint8Array {
  return createHash('sha256').update(`key ${number}`).digest().subarray(0, 16);
}

/** A value that tells whose it is and which version, and shows whether any byte of it is another. */
export function recordValue(number: number, version: number): Uint8Array {
  const filler = createHash('sha512').update(`${number} ${version}`).digest();
  const value = new Uint8Array(16 + ((number * 31 + version * 7) % 500));
  const view = new DataView(value.buffer);
  view.setUint32(0, number);
  view.setUint32(4, version);
  for (let i = 8; i < value.length; i++) value[i] = filler[i % filler.length] as number;
  return value;
}

/** Number and version of a record. Throws if it is not exactly what was written under its key. */
export function readRecord(record: DiskRecord): { number: number; version: number } {
  const view = new DataView(record.value.buffer, record.value.byteOffset, record.value.length);
  const number = view.getUint32(0);
  const version = view.getUint32(4);
  if (
    !Buffer.from(record.value).equals(recordValue(number, version)) ||
    !Buffer.from(record.key).equals(keyOf(number))
  ) {
    throw new Error(`a record that nobody wrote: number ${number}, version ${version}`);
  }
  return { number, version };
}
