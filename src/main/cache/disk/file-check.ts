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
 * Decides whether lmdb may open a file. lmdb reads through the memory map and follows what it finds: a truncated file ends
 * the process with SIGBUS, a wrong offset with SIGSEGV, a wrong free list with an assertion or with another page
 * overwritten. None of that can be caught, so the whole structure is read first, with plain reads, in small steps.
 *
 * The newest snapshot is checked, which is the one lmdb takes. Values are not: each has its own checksum, and lmdb does
 * not look into them. Damage that happens while the file is open is not detected, as with any mapped file.
 *
 * Another process may write during the check and reuse pages that were read. Then the file looks damaged and its meta
 * pages change, so the check starts again. A file that keeps changing is in use by a process that has checked it.
 */
export type FileVerdict =
  | { readonly kind: 'missing' | 'empty' | 'sound' }
  | { readonly kind: 'damaged'; readonly reason: string };

/** Maximum number of checks of a file that changes meanwhile. */
const TRIES_MAX = 3;
/** Chunk size for reading the file once from its start, so that the walk does not wait for the disk page by page. */
const WARM_BYTES = 1 << 20;
/** Maximum number of table names read: enough to recognize another program's file. */
const NAMES_MAX = 1_000;
/** Maximum number of pages: the walk keeps one byte for each. */
const PAGES_MAX = 2 ** 24;
/** Maximum number of free pages missing at the end of a file. No transaction of ours takes more. */
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

/** Size of the file up to its last page: a sparse file may claim terabytes. 0 without a valid header. */
function usedBytes(fd: number, fileBytes: number): number {
  try {
    const { lastPage, pageBytes } = newestSnapshot(fd, fileBytes).snapshot;
    return Math.min((lastPage + 1) * pageBytes, fileBytes);
  } catch (error) {
    if (error instanceof Damage) return 0;
    throw error;
  }
}

/** Positions of lmdb headers in our data format, whatever else is damaged. */
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

/** Whether any header shows that the file is ours. */
export function hasOwnHead(fd: number): boolean {
  return headsOf(metasIn(fd)).length > 0;
}

/** Names of the tables under each header, whatever their options, as far as they can be read. */
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

/** Decodes a table name, which some versions of lmdb-js end with a zero byte. */
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

/** Reads the start of the file with both meta pages, wherever the second one is. Shorter if the file is. */
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

/** Returns the snapshot that lmdb will take: the meta page with the higher transaction. Both must be as lmdb writes them. */
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
