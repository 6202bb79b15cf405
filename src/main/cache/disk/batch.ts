import type { Change, DiskFile } from './lmdb-file.ts';
import { encodeFrame, indexKeyOf } from './record-frame.ts';
import { INDEX_KEY_BYTES, makePlace } from './tables.ts';
import type { QueuedWrite } from './write-queue.ts';

export function makeIndexKey(identity: Uint8Array, key: Uint8Array): Uint8Array {
  const indexKey = new Uint8Array(INDEX_KEY_BYTES);
  indexKey.set(identity);
  indexKey.set(key, identity.length);
  return indexKey;
}

export interface BatchStart {
  readonly identity: Uint8Array;
  /** Order of the first record; the others follow it. */
  readonly order: number;
  readonly writer: number;
}

/**
 * The changes that write a batch. They are based on the index as it is now: if another process writes the same key at the same
 * moment, one record is left that the index does not point to.
 */
export function changesOfWrites(file: DiskFile, writes: readonly QueuedWrite[], start: BatchStart): Change[] {
  const changes: Change[] = [];
  let { order } = start;
  for (const write of writes) {
    const indexKey = makeIndexKey(start.identity, write.key);
    const held = file.placeOf(indexKey);
    if (held !== undefined) changes.push({ table: 'records', key: held, value: undefined });
    if (write.kind === 'remove') {
      if (held !== undefined) changes.push({ table: 'index', key: indexKey, value: undefined });
      continue;
    }
    const place = makePlace(order++, start.writer);
    changes.push({ table: 'records', key: place, value: encodeFrame({ ...write, place, indexKey }) });
    changes.push({ table: 'index', key: indexKey, value: place });
  }
  return changes;
}

/** The changes that remove the oldest records of any identity. They come before the writes of the same batch. */
export function changesOfEviction(file: DiskFile, count: number): Change[] {
  const changes: Change[] = [];
  for (const { place, frame } of file.oldest(count)) {
    changes.push({ table: 'records', key: place, value: undefined });
    const indexKey = indexKeyOf(frame);
    if (indexKey === undefined || !file.leadsTo(indexKey, place)) continue;
    changes.push({ table: 'index', key: indexKey, value: undefined });
  }
  return changes;
}

/** The changes that remove some records of one identity. Empty if none is left. */
export function changesOfClearing(file: DiskFile, identity: Uint8Array, count: number): Change[] {
  const changes: Change[] = [];
  for (const indexKey of file.indexKeys(identity, count)) {
    const held = file.placeOf(indexKey);
    if (held !== undefined) changes.push({ table: 'records', key: held, value: undefined });
    changes.push({ table: 'index', key: indexKey, value: undefined });
  }
  return changes;
}
