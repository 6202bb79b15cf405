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

/** Puts `value` under `key` of a table, or removes the key if there is none. */
export interface Change {
  readonly table: 'records' | 'index';
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface FileSize {
  readonly records: number;
  /** Pages in use, in bytes. */
  readonly bytes: number;
  /** All pages, in bytes: free ones are used again, but a file never becomes shorter. */
  readonly fileBytes: number;
}

/** An open file: synchronous reads, writes in the background. Its second implementation is the faulty one of the tests. */
export interface DiskFile {
  placeOf(indexKey: Uint8Array): RecordPlace | undefined;
  /** Whether the index leads from a key to this place. */
  leadsTo(indexKey: Uint8Array, place: RecordPlace): boolean;
  frameAt(place: RecordPlace): Uint8Array | undefined;
  /** Records in the order of writing. */
  oldest(limit: number): PlacedFrame[];
  /** Records against the order of writing, those before `before`. */
  newest(before: RecordPlace | undefined, limit: number): PlacedFrame[];
  /** Some keys of one identity. */
  indexKeys(identity: Uint8Array, limit: number): Uint8Array[];
  /** All changes in order, in one transaction that is on disk when the promise resolves. Touches no disk meanwhile. */
  commit(changes: readonly Change[]): Promise<void>;
  size(): FileSize;
  close(): Promise<void>;
}

export type OpenFile = (path: string, bytesMax: number) => Promise<DiskFile>;

/**
 * How large a file may become. Free pages wait until no process reads an older state; one that stands still while it
 * reads would let the file grow for ever.
 */
export function fileBytesMax(bytesMax: number): number {
  return Math.max(4 * bytesMax, 64 * 2 ** 20);
}

/** lmdb keeps a byte that is above every place. */
const PLACE_END = new Uint8Array(PLACE_BYTES).fill(0xff);

/** Opens a file that `checkFile` found sound, or makes it. lmdb is loaded here, on first use. */
export const openLmdbFile: OpenFile = async (path, bytesMax) => {
  const { open } = await import('lmdb');
  const tables = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const root = open<Uint8Array, Uint8Array>({
    ...tables,
    path,
    noSubdir: true,
    maxDbs: 2,
    // Address space, not memory; with room to spare it is never remapped under a reader. Windows gives a file the size
    // of its map.
    ...(process.platform === 'win32' ? {} : { mapSize: 2 * fileBytesMax(bytesMax) }),
    // A commit is flushed before it counts. The default flushes after, which gains throughput that decisions do not need
    // and keeps a third head in the file (docs/decisions/0006-disk-tier.md).
    overlappingSync: false,
    noSync: false,
    noMetaSync: false,
    // A write map would turn a full disk into SIGBUS.
    useWritemap: false,
    // Unused parts of pages are zeroed, so that no other memory of the process gets into the file.
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
    // Memory that the next read writes over: no copy for what is only compared.
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
    // A process that was killed while it read keeps freed pages from being used again. lmdb-js looks for the dead every
    // ten minutes, in which a file of 1 MiB can grow by gigabytes.
    this.#root.readerCheck();
    // What is written in one turn of the event loop is one transaction. Each write has a promise, most of them the same.
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

/** lmdb-js rejects with a general error whose `commitError` is a promise that rejects with the one that tells. */
async function commitErrorOf(reason: unknown): Promise<unknown> {
  const commitError = (reason as { commitError?: Promise<unknown> } | undefined)?.commitError;
  if (commitError === undefined) return reason;
  return commitError.then(
    () => reason,
    (error: unknown) => error,
  );
}
