/*
 * The two tables of one lmdb file.
 *
 *   index     identity 8, key 16               ->  order 8, writer 4
 *   records   order 8, writer 4 (big-endian)   ->  frame (record-frame.ts)
 *
 * Records are stored in the order of writing, so the oldest ones leave whole pages behind when they are removed, and
 * the newest ones are read from neighbouring pages. The writer number keeps two processes from taking the same place. A
 * record counts only if the index points to it: two processes that write one key at once leave a record without a
 * pointer, which ages out like any other. The names include the format: another format is another file.
 */
/** Start of all our table names, in any format. */
export const TABLE_MARK = 'conclave ';
export const RECORDS_TABLE = 'conclave records 1';
export const INDEX_TABLE = 'conclave index 1';

export const IDENTITY_BYTES = 8;
export const KEY_BYTES = 16;
export const INDEX_KEY_BYTES = IDENTITY_BYTES + KEY_BYTES;
export const PLACE_BYTES = 12;
/** Upper bound of orders, which are microseconds of wall time or more. They stay exact as numbers, and last until the year 2112. */
export const ORDER_END = 2 ** 52;

/** The place of a record: its order of writing, then its writer. */
export type RecordPlace = Uint8Array;

export function makePlace(order: number, writer: number): RecordPlace {
  const place = new Uint8Array(PLACE_BYTES);
  const view = new DataView(place.buffer);
  view.setUint32(0, Math.floor(order / 2 ** 32));
  view.setUint32(4, order % 2 ** 32);
  view.setUint32(8, writer);
  return place;
}

export function orderOf(place: RecordPlace): number {
  const view = new DataView(place.buffer, place.byteOffset, place.byteLength);
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4);
}

/** Whether `bytes` contains `part` at `at`. */
export function holdsAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  if (bytes.length < at + part.length) return false;
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}
