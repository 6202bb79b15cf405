import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { openRegular } from '../../../shared/regular-file.ts';
import {
  DATA_VERSION,
  FREE_TREE_FLAGS,
  MAGIC,
  META,
  META_PAGES,
  PAGE,
  PAGE_BYTES_MAX,
  PAGE_BYTES_MIN,
  PAGE_KIND,
  readTree,
  readWord,
  TREE,
  type TreeHeader,
} from './lmdb-layout.ts';
import { INDEX_KEY_BYTES, INDEX_TABLE, ORDER_END, orderOf, PLACE_BYTES, RECORDS_TABLE } from './tables.ts';
import { check, Damage, markFreeRecord, type TreeSnapshot, TreeWalk, type ValueAt } from './tree-walk.ts';

/*
 * Whether lmdb may open a file. lmdb reads its file through the memory map and follows what stands there: a cut file ends
 * the process with SIGBUS, a wrong offset with SIGSEGV, a wrong free list with an assertion or with another page
 * overwritten. None of that can be caught, so the whole structure is read first, with plain reads, in small steps.
 *
 * Checked is the newest snapshot, which is the one that lmdb takes. Not checked are the values: each has a checksum of its
 * own, and lmdb does not look into them. Given up: damage that happens while the file is open, as of any mapped file.
 *
 * Another process may write while this one reads, and give pages that were read a new use. Then the file looks damaged
 * and its meta pages change under the check. It begins anew; a file that keeps changing is in good use by a process that
 * has checked it.
 */
export type FileVerdict =
  | { readonly kind: 'missing' | 'empty' | 'sound' }
  | { readonly kind: 'damaged'; readonly reason: string };

/** How often a file that changes during the check is read anew. */
const TRIES_MAX = 3;
/** The file is read once from its start, so that the walk does not wait for a disk page by page. */
const WARM_BYTES = 1 << 20;
/** Of another program's file, enough to know that. */
const NAMES_MAX = 1_000;
/** A walk keeps a byte for each page. */
const PAGES_MAX = 2 ** 24;
/** A file may end before its last page, if the pages in between are free. No transaction of ours takes more. */
const ABSENT_PAGES_MAX = 16_384;
const META_BYTES = PAGE.HEADER_BYTES + META.BYTES;

export async function checkFile(path: string): Promise<FileVerdict> {
  let handle: FileHandle;
  try {
    handle = await openRegular(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { kind: 'missing' };
    if (code === undefined) return { kind: 'damaged', reason: 'it is not a file' };
    throw cause;
  }
  try {
    const stat = await handle.stat();
    if (stat.size === 0) return { kind: 'empty' };
    await warm(handle, usedBytes(handle.fd, stat.size));
    for (let tries = 1; ; tries++) {
      const before = readMetas(handle.fd);
      const reason = await damageOf(handle.fd, (await handle.stat()).size);
      if (reason === undefined) return { kind: 'sound' };
      if (before.equals(readMetas(handle.fd))) return { kind: 'damaged', reason };
      if (tries === TRIES_MAX) return { kind: 'sound' };
    }
  } finally {
    await handle.close();
  }
}

/** As far as its pages go: a sparse file may say that it has terabytes. Nothing of one without a sound head. */
function usedBytes(fd: number, fileBytes: number): number {
  try {
    const { lastPage, pageBytes } = newestSnapshot(fd, fileBytes).snapshot;
    return Math.min((lastPage + 1) * pageBytes, fileBytes);
  } catch (error) {
    if (error instanceof Damage) return 0;
    throw error;
  }
}

/** Where heads of lmdb in our data format stand, whatever else is damaged. */
function headsOf(view: DataView): number[] {
  const places = [0];
  for (let at = PAGE_BYTES_MIN; at <= PAGE_BYTES_MAX; at *= 2) places.push(at);
  return places.filter((place) => {
    const meta = place + PAGE.HEADER_BYTES;
    if (view.byteLength < place + META_BYTES) return false;
    return (
      view.getUint32(meta + META.MAGIC, true) === MAGIC && view.getUint32(meta + META.VERSION, true) === DATA_VERSION
    );
  });
}

/** Whether it is ours by one of its heads, as far as heads tell. */
export function hasOwnHead(fd: number): boolean {
  return headsOf(metasIn(fd)).length > 0;
}

/** The names of its tables by each of its heads, with whatever options they were made, as far as they can be read. */
export function tableNamesOf(fd: number): string[] {
  const view = metasIn(fd);
  const names: string[] = [];
  for (const place of headsOf(view)) {
    const meta = place + PAGE.HEADER_BYTES;
    const pageBytes = view.getUint32(meta + META.FREE_TREE + TREE.PAGE_BYTES, true);
    const [lastPage, transaction] = [readWord(view, meta + META.LAST_PAGE), readWord(view, meta + META.TRANSACTION)];
    const nameTree = readTree(view, meta + META.NAME_TREE);
    const entry = (key: Uint8Array): void => void names.push(tableName(key));
    try {
      check(pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX, `pages of ${pageBytes} bytes`);
      check(lastPage < PAGES_MAX, `a last page ${lastPage}`);
      const walk = new TreeWalk({ fd, pageBytes, lastPage, transaction });
      const rules = { name: 'names', keys: 'bytes', valuesAreTrees: true, entry } as const;
      for (const _ of walk.walk(nameTree, rules)) if (names.length > NAMES_MAX) break;
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
    }
  }
  return names;
}

function metasIn(fd: number): DataView {
  const bytes = readMetas(fd);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The name of a table ends with a zero in some versions of lmdb-js, and without in others. */
function tableName(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1').replace(/\0$/, '');
}

async function warm(handle: FileHandle, bytes: number): Promise<void> {
  const scratch = new Uint8Array(WARM_BYTES);
  for (let at = 0; at < bytes; at += WARM_BYTES) {
    const { bytesRead } = await handle.read(scratch, 0, WARM_BYTES, at);
    if (bytesRead < WARM_BYTES) return;
  }
}

/** The start of the file with both meta pages, wherever the second one stands. Shorter if the file is. */
function readMetas(fd: number): Buffer {
  const bytes = Buffer.alloc(PAGE_BYTES_MAX + META_BYTES);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

async function damageOf(fd: number, fileBytes: number): Promise<string | undefined> {
  try {
    for (const _ of walkFile(fd, fileBytes)) await nextTurn();
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function* walkFile(fd: number, fileBytes: number): Generator<void> {
  const { snapshot, freeTree, nameTree } = newestSnapshot(fd, fileBytes);
  const walk = new TreeWalk(snapshot);
  const tables = new Map<string, TreeHeader>();
  yield* walk.walk(nameTree, {
    name: 'names',
    keys: 'bytes',
    valuesAreTrees: true,
    entry(key, value) {
      check(value.bytes === TREE.BYTES, 'a name without a table');
      tables.set(tableName(key), readTree(value.view, value.at));
    },
  });
  for (const [name, table] of tables) {
    check(name === RECORDS_TABLE || name === INDEX_TABLE, `it has a table ${JSON.stringify(name.slice(0, 40))}`);
    check(table.flags === 0, `the table ${name} has the flags ${table.flags}`);
  }
  const records = tables.get(RECORDS_TABLE);
  if (records !== undefined) yield* walk.walk(records, recordRules);
  const index = tables.get(INDEX_TABLE);
  if (index !== undefined) yield* walk.walk(index, indexRules);
  yield* walk.walk(freeTree, {
    name: 'free pages',
    keys: 'integers',
    keyBytes: 8,
    entry: (_key, value) => markFreeRecord(walk, value),
  });
}

const recordRules = {
  name: 'records',
  keys: 'bytes',
  keyBytes: PLACE_BYTES,
  entry: (key: Uint8Array) => check(orderOf(key) < ORDER_END, 'a record of an impossible time'),
} as const;

const indexRules = {
  name: 'index',
  keys: 'bytes',
  keyBytes: INDEX_KEY_BYTES,
  entry: (_key: Uint8Array, { bytes }: ValueAt) => check(bytes === PLACE_BYTES, `an index entry of ${bytes} bytes`),
} as const;

interface FileHead {
  readonly snapshot: TreeSnapshot;
  readonly freeTree: TreeHeader;
  readonly nameTree: TreeHeader;
}

/** The snapshot that lmdb will take: of the meta page with the higher transaction. Both must be as lmdb writes them. */
function newestSnapshot(fd: number, fileBytes: number): FileHead {
  const bytes = readMetas(fd);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  check(bytes.length >= META_BYTES, 'it is shorter than its head');
  check(view.getUint32(PAGE.HEADER_BYTES + META.MAGIC, true) === MAGIC, 'it is not a file of lmdb');
  const pageBytes = view.getUint32(PAGE.HEADER_BYTES + META.FREE_TREE + TREE.PAGE_BYTES, true);
  const isPower = pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0;
  check(isPower, `pages of ${pageBytes} bytes`);
  check(bytes.length >= pageBytes + META_BYTES, 'it is shorter than its head');
  const heads = [0, 1].map((page) => readHead(fd, view, page, pageBytes));
  const [first, second] = heads as [FileHead, FileHead];
  const isFirst = first.snapshot.transaction >= second.snapshot.transaction;
  const { transaction: newest } = (isFirst ? first : second).snapshot;
  const { transaction: before } = (isFirst ? second : first).snapshot;
  check(newest === before + 1 || newest === 0, `its heads are of the transactions ${newest} and ${before}`);
  const head = isFirst ? first : second;
  const { lastPage } = head.snapshot;
  check(lastPage >= META_PAGES - 1 && lastPage < fileBytes / pageBytes + ABSENT_PAGES_MAX, 'the file ends early');
  return head;
}

function readHead(fd: number, view: DataView, page: number, pageBytes: number): FileHead {
  const at = page * pageBytes;
  const meta = at + PAGE.HEADER_BYTES;
  check(readWord(view, at + PAGE.NUMBER) === page, `page ${page} says that it is another`);
  check(view.getUint16(at + PAGE.FLAGS, true) === PAGE_KIND.META, `page ${page} is of another kind`);
  check(view.getUint32(meta + META.MAGIC, true) === MAGIC, 'one of its heads is not of lmdb');
  const version = view.getUint32(meta + META.VERSION, true);
  check(version === DATA_VERSION, `lmdb's data format ${version}, not ${DATA_VERSION}`);
  const freeTree = readTree(view, meta + META.FREE_TREE);
  const nameTree = readTree(view, meta + META.NAME_TREE);
  const samePageBytes = view.getUint32(meta + META.FREE_TREE + TREE.PAGE_BYTES, true) === pageBytes;
  check(samePageBytes, 'its heads have different page sizes');
  check(freeTree.flags === FREE_TREE_FLAGS && nameTree.flags === 0, 'it was made with other options');
  const transaction = readWord(view, meta + META.TRANSACTION);
  check(Number.isSafeInteger(transaction), 'a transaction out of bounds');
  check(transaction === 0 || transaction % 2 === page, `page ${page} has the head of the other`);
  const lastPage = readWord(view, meta + META.LAST_PAGE);
  return { snapshot: { fd, pageBytes, lastPage, transaction }, freeTree, nameTree };
}
