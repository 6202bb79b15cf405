import type { Database, RootDatabase } from 'lmdb';
import {
  holdsAt,
  IDENTITY_BYTES,
  INDEX_KEY_BYTES,
  INDEX_TABLE,
  PLACE_BYTES,
  RECORDS_TABLE,
  type RecordPlace,
} from './tables.ts';

export interface PlacedFrame {
  readonly place: RecordPlace;
  readonly frame: Uint8Array;
}

/** Sets `value` under `key` of a table, or removes the key if there is no value. */
export interface Change {
  readonly table: 'records' | 'index';
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface FileSize {
  readonly records: number;
  /** Size of the pages in use, in bytes. */
  readonly bytes: number;
  /** Size of all pages, in bytes. Free pages are reused, but a file never shrinks. */
  readonly fileBytes: number;
}

/** An open file with synchronous reads and background writes. Tests have a second implementation that fails. */
export interface DiskFile {
  placeOf(indexKey: Uint8Array): RecordPlace | undefined;
  /** Whether the index points from a key to this place. */
  leadsTo(indexKey: Uint8Array, place: RecordPlace): boolean;
  frameAt(place: RecordPlace): Uint8Array | undefined;
  /** Records in the order of writing, oldest first. */
  oldest(limit: number): PlacedFrame[];
  /** Records written before `before`, newest first. */
  newest(before: RecordPlace | undefined, limit: number): PlacedFrame[];
  /** Returns some keys of one identity. */
  indexKeys(identity: Uint8Array, limit: number): Uint8Array[];
  /** Commits all changes in order, in one transaction that is on disk when the promise resolves. The call itself does no disk access. */
  commit(changes: readonly Change[]): Promise<void>;
  size(): FileSize;
  close(): Promise<void>;
}

export type OpenFile = (path: string, bytesMax: number) => Promise<DiskFile>;

/**
 * Maximum size of a file. Free pages cannot be reused while a process reads an older state, so a process that hangs while
 * reading would otherwise let the file grow forever.
 */
export function fileBytesMax(bytesMax: number): number {
  return Math.max(4 * bytesMax, 64 * 2 ** 20);
}

/** A key above every place, for a search from the end. */
const PLACE_END = new Uint8Array(PLACE_BYTES).fill(0xff);

/** Opens a file that `checkFile` found sound, or creates it. Loads lmdb on first use. */
export const openLmdbFile: OpenFile = async (path, bytesMax) => {
  const { open } = await import('lmdb');
  const tables = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const root = open<Uint8Array, Uint8Array>({
    ...tables,
    path,
    noSubdir: true,
    maxDbs: 2,
    // Reserves address space, not memory, with enough room that the file is never remapped under a reader. Windows makes the
    // file as large as its map.
    ...(process.platform === 'win32' ? {} : { mapSize: 2 * fileBytesMax(bytesMax) }),
    // A commit is flushed before it counts. The default flushes afterwards, which adds throughput that decisions do not need and
    // a third header in the file (docs/decisions/0006-disk-tier.md).
    overlappingSync: false,
    noSync: false,
    noMetaSync: false,
    // A write map would turn a full disk into SIGBUS.
    useWritemap: false,
    // Zeroes unused parts of pages, so that no other memory of the process gets into the file.
    noMemInit: false,
  });
  try {
    const records = root.openDB<Uint8Array, Uint8Array>({ name: RECORDS_TABLE, ...tables });
    const index = root.openDB<Uint8Array, Uint8Array>({ name: INDEX_TABLE, ...tables });
    return new LmdbFile(root, records, index);
  } catch (error) {
    await root.close();
    throw error;
  }
};

type Table = Database<Uint8Array, Uint8Array>;

class LmdbFile implements DiskFile {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #records: Table;
  readonly #index: Table;

  constructor(root: RootDatabase<Uint8Array, Uint8Array>, records: Table, index: Table) {
    this.#root = root;
    this.#records = records;
    this.#index = index;
  }

  placeOf(indexKey: Uint8Array): RecordPlace | undefined {
    return this.#index.getBinary(indexKey);
  }

  leadsTo(indexKey: Uint8Array, place: RecordPlace): boolean {
    // The next read overwrites this memory: comparing needs no copy.
    const held = this.#index.getBinaryFast(indexKey);
    return held?.length === place.length && holdsAt(held, 0, place);
  }

  frameAt(place: RecordPlace): Uint8Array | undefined {
    return this.#records.getBinary(place);
  }

  oldest(limit: number): PlacedFrame[] {
    return Array.from(this.#records.getRange({ limit }), ({ key, value }) => ({ place: key, frame: value }));
  }

  newest(before: RecordPlace = PLACE_END, limit: number): PlacedFrame[] {
    const range = this.#records.getRange({ start: before, exclusiveStart: true, reverse: true, limit });
    return Array.from(range, ({ key, value }) => ({ place: key, frame: value }));
  }

  indexKeys(identity: Uint8Array, limit: number): Uint8Array[] {
    const end = new Uint8Array(INDEX_KEY_BYTES + 1).fill(0xff);
    end.set(identity);
    const start = new Uint8Array(IDENTITY_BYTES);
    start.set(identity);
    return Array.from(this.#index.getKeys({ start, end, limit }));
  }

  async commit(changes: readonly Change[]): Promise<void> {
    // A process killed while reading keeps freed pages from being reused. lmdb-js looks for dead readers only every ten minutes,
    // in which a file of 1 MiB can grow by gigabytes.
    this.#root.readerCheck();
    // All writes of one turn of the event loop form one transaction. Each returns a promise, most of them the same one.
    const writes = new Set<Promise<boolean>>();
    for (const { table, key, value } of changes) {
      const target = table === 'records' ? this.#records : this.#index;
      writes.add(value === undefined ? target.remove(key) : target.put(key, value));
    }
    const outcomes = await Promise.allSettled(writes);
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    const causes = await Promise.all(failed.map(({ reason }) => commitErrorOf(reason)));
    if (causes.length > 0) throw causes[0];
  }

  size(): FileSize {
    const records = this.#records.getStats() as TableStats;
    const index = this.#index.getStats() as TableStats;
    return {
      records: records.entryCount,
      bytes: tableBytes(records) + tableBytes(index),
      fileBytes: (records.lastPageNumber + 1) * records.pageSize,
    };
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}

interface TableStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly entryCount: number;
  readonly lastPageNumber: number;
}

function tableBytes(stats: TableStats): number {
  return (stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages) * stats.pageSize;
}

/** lmdb-js rejects with a general error whose `commitError` is a promise that rejects with the cause. */
async function commitErrorOf(reason: unknown): Promise<unknown> {
  const commitError = (reason as { commitError?: Promise<unknown> } | undefined)?.commitError;
  if (commitError === undefined) return reason;
  return commitError.then(
    () => reason,
    (error: unknown) => error,
  );
}
