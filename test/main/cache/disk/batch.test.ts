import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  changesOfClearing,
  changesOfEviction,
  changesOfWrites,
  makeIndexKey,
} from '../../../../src/main/cache/disk/batch.ts';
import { type DiskFile, openLmdbFile } from '../../../../src/main/cache/disk/lmdb-file.ts';
import { decodeFrame } from '../../../../src/main/cache/disk/record-frame.ts';
import { orderOf } from '../../../../src/main/cache/disk/tables.ts';
import type { QueuedWrite } from '../../../../src/main/cache/disk/write-queue.ts';
import { type Folder, makeFolder, openTier } from './support/open-tier.ts';
import { keyOf, readRecord, recordValue } from './support/records.ts';

const identity = new Uint8Array(8).fill(1);
const other = new Uint8Array(8).fill(2);

let folder: Folder;
let file: DiskFile;

beforeEach(async () => {
  folder = makeFolder();
  file = await openLmdbFile(join(folder.path, 'decisions.lmdb'), 2 ** 20);
});
afterEach(async () => {
  await file.close();
  folder.remove();
});

function put(number: number, version: number): QueuedWrite {
  return { kind: 'put', key: keyOf(number), value: recordValue(number, version), expiresAtWallMs: 0 };
}

async function write(order: number, writes: readonly QueuedWrite[], of = identity): Promise<void> {
  await file.commit(changesOfWrites(file, writes, { identity: of, order, writer: 1 }));
}

function indexed(of = identity): number {
  return file.indexKeys(of, 100).length;
}

function versionAt(number: number): number | undefined {
  const place = file.placeOf(makeIndexKey(identity, keyOf(number)));
  const frame = place && file.frameAt(place);
  const record = place && frame && decodeFrame(frame, place);
  return record && readRecord(record).version;
}

test('writes take places in their order', async () => {
  await write(5, [put(1, 1), put(2, 1), put(3, 1)]);
  expect(file.oldest(10).map(({ place }) => orderOf(place))).toEqual([5, 6, 7]);
  expect(file.newest(undefined, 2).map(({ place }) => orderOf(place))).toEqual([7, 6]);
});

test('a removal leaves nothing, neither record nor index entry', async () => {
  await write(1, [put(1, 1), put(2, 1)]);
  await write(3, [
    { kind: 'remove', key: keyOf(1) },
    { kind: 'remove', key: keyOf(9) },
  ]);
  expect([file.size().records, indexed()]).toEqual([1, 1]);
  expect(versionAt(1)).toBeUndefined();
});

test('an eviction takes the oldest of all identities, with their index entries', async () => {
  await write(1, [put(1, 1)], other);
  await write(2, [put(1, 1), put(2, 1)]);
  await file.commit(changesOfEviction(file, 2));
  expect([file.size().records, indexed(), indexed(other)]).toEqual([1, 1, 0]);
  expect([versionAt(1), versionAt(2)]).toEqual([undefined, 1]);
});

test('an eviction of a record that the index no longer leads to keeps the newer one', async () => {
  await write(1, [put(1, 1)]);
  const [left] = file.oldest(1);
  await write(2, [put(1, 2)]);
  if (left) await file.commit([{ table: 'records', key: left.place, value: left.frame }]);
  await file.commit(changesOfEviction(file, 1));
  expect([file.size().records, indexed(), versionAt(1)]).toEqual([1, 1, 2]);
});

test('an evicted key that is written in the same batch is there after it', async () => {
  await write(1, [put(1, 1), put(2, 1)]);
  const evicted = changesOfEviction(file, 1);
  const changes = changesOfWrites(file, [put(1, 2)], { identity, order: 3, writer: 1 });
  await file.commit([...evicted, ...changes]);
  expect([versionAt(1), versionAt(2), file.size().records]).toEqual([2, 1, 2]);
});

test('clearing takes one identity, some at a time', async () => {
  await write(1, [put(1, 1), put(2, 1), put(3, 1)]);
  await write(4, [put(1, 1)], other);
  for (const left of [1, 0, 0]) {
    await file.commit(changesOfClearing(file, identity, 2));
    expect(indexed()).toBe(left);
  }
  expect(changesOfClearing(file, identity, 2)).toEqual([]);
  expect([file.size().records, indexed(other)]).toEqual([1, 1]);
});

test('a failed commit rejects with what lmdb said, and leaves no rejection behind', async () => {
  const tooLong = new Uint8Array(2_000);
  await expect(file.commit([{ table: 'index', key: tooLong, value: tooLong }])).rejects.toThrow('key size');
  await write(1, [put(1, 1)]);
  expect(versionAt(1)).toBe(1);
});

test('an index entry that leads to a whole record of another key serves nothing', async () => {
  let opened: DiskFile | undefined;
  const openFile = async (...args: Parameters<typeof openLmdbFile>) => {
    opened = await openLmdbFile(...args);
    return opened;
  };
  const { tier } = await openTier(join(folder.path, 'other.lmdb'), {}, { openFile });
  tier.put(keyOf(1), recordValue(1, 1), 0);
  tier.put(keyOf(2), recordValue(2, 1), 0);
  await tier.flush();
  const [first, second] = opened?.newest(undefined, 2) ?? [];
  if (first && second) {
    const indexKey = first.frame.subarray(32, 56);
    await opened?.commit([{ table: 'index', key: indexKey, value: second.place }]);
  }
  expect(tier.get(keyOf(2))).toBeUndefined();
  expect(tier.stats().damaged).toBe(1);
  expect(tier.get(keyOf(1))).toBeDefined();
  await tier.close();
});
