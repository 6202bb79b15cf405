import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkFile } from '../../../../src/main/cache/disk/file-check.ts';
import { META, NODE, PAGE, TREE } from '../../../../src/main/cache/disk/lmdb-layout.ts';
import { FileMap, PAGE_BYTES } from './support/damage.ts';
import { type Folder, makeFolder, openTier } from './support/open-tier.ts';
import { keyOf, recordValue } from './support/records.ts';

let folder: Folder;
let path: string;
let sound: Buffer;

beforeAll(async () => {
  folder = makeFolder();
  path = join(folder.path, 'decisions.lmdb');
  const { tier } = await openTier(path, { bytesMax: 2 ** 20 });
  // Enough for branches, evictions and a list of free pages; one value so long that it has pages of its own.
  for (let i = 0; i < 4_000; i++) {
    tier.put(keyOf(i), i % 50 === 0 ? new Uint8Array(4_096) : recordValue(i, 0), 0);
    if (i % 400 === 0) await tier.flush();
  }
  await tier.close();
  sound = readFileSync(path);
});

afterAll(() => folder.remove());

function damaged(damage: (map: FileMap, view: DataView) => void): Promise<unknown> {
  const bytes = Buffer.from(new Uint8Array(sound));
  const map = new FileMap(bytes);
  damage(map, map.view);
  writeFileSync(path, bytes);
  return checkFile(path);
}

function reason(pattern: RegExp): unknown {
  return { kind: 'damaged', reason: expect.stringMatching(pattern) };
}

test('a file as lmdb left it is sound', async () => {
  expect(await damaged(() => undefined)).toEqual({ kind: 'sound' });
  const map = new FileMap(sound);
  expect(map.records.depth).toBeGreaterThan(1);
  expect(map.records.overflows).toBeGreaterThan(0);
  expect(map.freeTree.entries).toBeGreaterThan(0);
});

test('no file, an empty file, a folder', async () => {
  expect(await checkFile(join(folder.path, 'none'))).toEqual({ kind: 'missing' });
  writeFileSync(join(folder.path, 'empty'), '');
  expect(await checkFile(join(folder.path, 'empty'))).toEqual({ kind: 'empty' });
  mkdirSync(join(folder.path, 'folder'));
  expect(await checkFile(join(folder.path, 'folder'))).toEqual(reason(/^it is not a file$/));
});

test('a file of anything else', async () => {
  for (const text of ['x', 'a text file\n'.repeat(10_000)]) {
    writeFileSync(path, text);
    expect(await checkFile(path)).toEqual(reason(/shorter than its head|not a file of lmdb/));
  }
});

test('a file of lmdb with tables of somebody else', async () => {
  const foreign = join(folder.path, 'foreign.lmdb');
  const root = openLmdb({ path: foreign, noSubdir: true, overlappingSync: false });
  await root.openDB({ name: 'theirs' }).put('key', 'value');
  await root.close();
  expect(await checkFile(foreign)).toEqual(reason(/^it has a table "theirs"$/));
  const flat = join(folder.path, 'flat.lmdb');
  const other = openLmdb({ path: flat, noSubdir: true, overlappingSync: false });
  await other.put('key', 'value');
  await other.close();
  expect(await checkFile(flat)).toEqual(reason(/^names: a value of kind 0$/));
});

test('a file that is cut at any page', async () => {
  const map = new FileMap(sound);
  const last = map.view.getUint32(map.meta + META.LAST_PAGE, true);
  for (let page = 1; page <= last; page += 13) {
    writeFileSync(path, sound);
    truncateSync(path, page * PAGE_BYTES + (page % 3));
    const verdict = await checkFile(path);
    // The pages behind the cut may all be free: then nothing is missing.
    if (page < last / 2) expect(verdict, `cut at page ${page}`).toEqual(reason(/ends early|shorter than its head/));
  }
});

const leafOf = (map: FileMap): number => map.leafBelow(map.records);
const atPage = (page: number): number => page * PAGE_BYTES;

describe('each number that lmdb would follow is checked:', () => {
  const cases: [string, RegExp, (map: FileMap, view: DataView) => void][] = [
    ['magic', /not a file of lmdb/, (_, view) => view.setUint32(PAGE.HEADER_BYTES, 1, true)],
    ['magic of the second head', /not of lmdb/, (_, view) => view.setUint32(PAGE_BYTES + PAGE.HEADER_BYTES, 1, true)],
    ['data format', /data format 3/, (map, view) => view.setUint32(map.otherMeta + META.VERSION, 3, true)],
    ['page size', /pages of 5000 bytes/, (_, view) => view.setUint32(PAGE.HEADER_BYTES + META.FREE_TREE, 5_000, true)],
    [
      'page size of the second head',
      /different page sizes/,
      (_, view) => view.setUint32(PAGE_BYTES + PAGE.HEADER_BYTES + META.FREE_TREE, 8_192, true),
    ],
    ['options', /other options/, (map, view) => view.setUint16(map.meta + META.FREE_TREE + TREE.FLAGS, 0x5008, true)],
    [
      'transaction of a head',
      /transactions|head of the other/,
      (map, view) =>
        view.setUint32(map.meta + META.TRANSACTION, view.getUint32(map.meta + META.TRANSACTION, true) + 2, true),
    ],
    ['last page', /ends early/, (map, view) => view.setUint32(map.meta + META.LAST_PAGE, 2 ** 31, true)],
    [
      'last page too low',
      /not in the file|two owners/,
      (map, view) => view.setUint32(map.meta + META.LAST_PAGE, 50, true),
    ],
    ['root', /.+/, (map, view) => view.setUint32(map.meta + META.NAME_TREE + TREE.ROOT, leafOf(map), true)],
    ['depth', /of another kind|levels/, (map, view) => view.setUint16(map.meta + META.NAME_TREE + TREE.DEPTH, 2, true)],
    ['depth out of bounds', /levels/, (map, view) => view.setUint16(map.meta + META.NAME_TREE + TREE.DEPTH, 33, true)],
    [
      'count of entries',
      /than counted/,
      (map, view) => view.setUint32(map.valueAt(map.nameTree.root, 1) + TREE.ENTRIES, 5, true),
    ],
    [
      'count of leaves',
      /than counted/,
      (map, view) => view.setUint32(map.valueAt(map.nameTree.root, 1) + TREE.LEAVES, 5, true),
    ],
    [
      'flags of a table',
      /has the flags 4/,
      (map, view) => view.setUint16(map.valueAt(map.nameTree.root, 1) + TREE.FLAGS, 4, true),
    ],
    ['page number', /says that it is another/, (map, view) => view.setUint32(atPage(leafOf(map)), 7, true)],
    [
      'page transaction',
      /newer than the file/,
      (map, view) => view.setUint32(atPage(leafOf(map)) + PAGE.TRANSACTION, 2 ** 31, true),
    ],
    ['page kind', /another kind/, (map, view) => view.setUint16(atPage(leafOf(map)) + PAGE.FLAGS, 1, true)],
    ['lower', /no such room|gap|overlap/, (map, view) => view.setUint16(atPage(leafOf(map)) + PAGE.LOWER, 5_000, true)],
    [
      'a node less',
      /gap|than counted/,
      (map, view) => {
        const at = atPage(leafOf(map)) + PAGE.LOWER;
        view.setUint16(at, view.getUint16(at, true) - 2, true);
      },
    ],
    ['upper', /no such room|gap|overlap/, (map, view) => view.setUint16(atPage(leafOf(map)) + PAGE.UPPER, 4_090, true)],
    [
      'offset of a node',
      /gap or overlap/,
      (map, view) => view.setUint16(atPage(leafOf(map)) + PAGE.HEADER_BYTES, 9_000, true),
    ],
    [
      'two offsets alike',
      /gap or overlap/,
      (map, view) => {
        const at = atPage(leafOf(map)) + PAGE.HEADER_BYTES;
        view.setUint16(at, view.getUint16(at + 2, true), true);
      },
    ],
    [
      'length of a value',
      /passes its end|gap|overlap/,
      (map, view) => view.setUint32(map.nodeAt(leafOf(map), 0), 60_000, true),
    ],
    [
      'length of a key',
      /passes its end|gap|overlap|bytes/,
      (map, view) => view.setUint16(map.nodeAt(leafOf(map), 0) + NODE.KEY_BYTES, 14, true),
    ],
    [
      'kind of a value',
      /a value of kind 2/,
      (map, view) => view.setUint16(map.nodeAt(leafOf(map), 0) + NODE.FLAGS, 2, true),
    ],
    [
      'order of keys',
      /out of order/,
      (map, view) => {
        const at = atPage(map.leafBelow(map.index)) + PAGE.HEADER_BYTES;
        const [a, b] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
        view.setUint16(at, b, true);
        view.setUint16(at + 2, a, true);
      },
    ],
    [
      'bound of a branch',
      /out of order/,
      (map, view) => view.setUint8(map.nodeAt(map.records.root, 1) + NODE.HEADER_BYTES, 255),
    ],
    [
      'child of a branch',
      /two owners/,
      (map, view) => view.setUint32(map.nodeAt(map.records.root, 1), map.childOf(map.records.root, 0), true),
    ],
    [
      'child outside of the file',
      /not in the file/,
      (map, view) => view.setUint32(map.nodeAt(map.records.root, 1), 2 ** 31, true),
    ],
    [
      'time of a record',
      /impossible time/,
      (map, view) => {
        let page = map.records.root;
        for (let depth = map.records.depth; depth > 1; depth--) {
          page = map.childOf(page, view.getUint16(atPage(page) + PAGE.LOWER, true) / 2 - 1);
        }
        const last = view.getUint16(atPage(page) + PAGE.LOWER, true) / 2 - 1;
        view.setUint8(map.nodeAt(page, last) + NODE.HEADER_BYTES, 255);
      },
    ],
    [
      'free page in use',
      /two owners/,
      (map, view) => {
        const value = map.valueAt(map.leafBelow(map.freeTree), 0);
        view.setUint32(value + 8, leafOf(map), true);
        view.setInt32(value + 12, 0, true);
      },
    ],
    [
      'count of free pages',
      /free-page record of/,
      (map, view) => view.setUint32(map.valueAt(map.leafBelow(map.freeTree), 0), 60_000, true),
    ],
    [
      'free page outside of the file',
      /not in the file/,
      (map, view) => view.setUint32(map.valueAt(map.leafBelow(map.freeTree), 0) + 8, 2 ** 31 - 1, true),
    ],
  ];
  test.each(cases)('%s', async (_name, pattern, damage) => {
    expect(await damaged(damage)).toEqual(reason(pattern));
  });

  test.each([
    ['first page', /another|two owners|not in the file/, 'reference', 0, 1],
    ['page count', /a run of 3 pages/, 'reference', 16, 1],
    ['length', /a run of 2 pages/, 'node', 0, 5_000],
    ['count in its own head', /begins another run/, 'run', PAGE.RUN_PAGES, 1],
  ] as const)('%s of a long value', async (_name, pattern, where, field, more) => {
    const verdict = await damaged((map, view) => {
      const { node, reference } = longValueIn(map, view);
      const at = { node, reference, run: atPage(view.getUint32(reference, true)) }[where] + field;
      view.setUint32(at, view.getUint32(at, true) + more, true);
    });
    expect(verdict).toEqual(reason(pattern));
  });
});

test('a long value whose last page is the last of the file, and cut', async () => {
  // Its pages are copied behind all others; what they leave is a gap, which harms nobody.
  const map = new FileMap(sound);
  const lastPage = map.view.getUint32(map.meta + META.LAST_PAGE, true);
  const bytes = Buffer.alloc(atPage(lastPage + 3));
  sound.copy(bytes);
  const { reference } = longValueIn(map, map.view);
  const from = atPage(map.view.getUint32(reference, true));
  sound.copy(bytes, atPage(lastPage + 1), from, from + 2 * PAGE_BYTES);
  bytes.writeUInt32LE(lastPage + 1, atPage(lastPage + 1) + PAGE.NUMBER);
  bytes.writeUInt32LE(lastPage + 1, reference);
  bytes.writeUInt32LE(lastPage + 2, map.meta + META.LAST_PAGE);
  writeFileSync(path, bytes);
  expect(await checkFile(path)).toEqual({ kind: 'sound' });
  truncateSync(path, bytes.length - 1);
  expect(await checkFile(path)).toEqual(reason(/ends early/));
});

/** A node of the first leaves whose value has pages of its own, and its reference to them. */
function longValueIn(map: FileMap, view: DataView): { node: number; reference: number } {
  for (let i = 0; ; i++) {
    let page = map.records.root;
    for (let depth = map.records.depth; depth > 1; depth--) page = map.childOf(page, depth === 2 ? i : 0);
    const nodes = view.getUint16(atPage(page) + PAGE.LOWER, true) / 2;
    for (let n = 0; n < nodes; n++) {
      const node = map.nodeAt(page, n);
      if (view.getUint16(node + NODE.FLAGS, true) === 1) return { node, reference: map.valueAt(page, n) };
    }
  }
}

test('a file that changes under the check is read anew, and trusted when it goes on changing', async () => {
  // As a process that commits all the time: pages change their use, and the heads of the file with them.
  const bytes = Buffer.from(new Uint8Array(sound));
  const map = new FileMap(bytes);
  map.view.setUint32(atPage(leafOf(map)), 7, true);
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r+');
  let writes = 0;
  const write = (): void => {
    // The size of the map: lmdb writes it with every head, and nobody relies on it.
    writeSync(fd, Uint32Array.of(++writes), 0, 4, map.otherMeta + 16);
    immediate = setImmediate(write);
  };
  let immediate = setImmediate(write);
  const verdict = await checkFile(path);
  clearImmediate(immediate);
  closeSync(fd);
  expect(writes).toBeGreaterThan(1);
  expect(verdict).toEqual({ kind: 'sound' });
});
