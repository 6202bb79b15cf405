import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { randomIndex, systemRandom } from '../../../shared/random.ts';
import { changesOfClearing, changesOfEviction, changesOfWrites, makeIndexKey } from './batch.ts';
import {
  DISK_BYTES_DEFAULT,
  DISK_BYTES_MIN,
  DISK_QUEUE_MAX,
  DISK_VALUE_BYTES_MAX,
  type DiskTierOptions,
  type DiskTierParts,
  type DiskTierStats,
} from './disk-tier-options.ts';
import { FileAvailability } from './file-availability.ts';
import { type DiskFile, type FileSize, fileBytesMax, openLmdbFile } from './lmdb-file.ts';
import { type DiskRecord, decodeFrame, indexKeyOf, isFrameOf } from './record-frame.ts';
import { IDENTITY_BYTES, KEY_BYTES, ORDER_END, orderOf, type RecordPlace } from './tables.ts';
import { type QueuedWrite, WriteQueue } from './write-queue.ts';

export type { DiskRecord, DiskTierOptions, DiskTierParts, DiskTierStats };
export { DISK_BYTES_DEFAULT, DISK_BYTES_MIN };

/** Number of writes in a batch: preparing it blocks the event loop for less than a millisecond. */
const BATCH_WRITES = 128;
const BATCH_EVICTIONS_MAX = 256;
/** How long a write waits for others to share its flush. A crash may lose this much. */
const BATCH_DELAY_MS = 50;
const CHUNK_RECORDS = 64;

/**
 * Stores decisions on disk by key. `get` reads through the memory map; `put` and `remove` are queued and written behind, in
 * transactions on another thread. Nothing here throws on a failure of the disk or file: the tier turns off and tries again.
 */
export class DiskTier {
  readonly #availability: FileAvailability;
  readonly #bytesMax: number;
  readonly #identity: Uint8Array;
  readonly #clock: Clock;
  /** Keeps the record places of two writers distinct. */
  readonly #writer: number;
  readonly #queue = new WriteQueue(DISK_QUEUE_MAX);
  #order = 0;
  #evictions = 0;
  #fileBytes = 0;
  #isClearing = false;
  #batchTimer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #counts = { written: 0, dropped: 0, damaged: 0, removedBySize: 0, batches: 0 };

  /**
   * Opens the tier. Resolves even if the file cannot be opened: the tier is off then, and tries again. Rejects with
   * ERR_OPTIONS_INVALID if something other than a file of the cache stands at its path.
   */
  static async open(options: DiskTierOptions, parts: DiskTierParts = {}): Promise<DiskTier> {
    const tier = new DiskTier(options, parts);
    await tier.#availability.open();
    return tier;
  }

  private constructor(options: DiskTierOptions, parts: DiskTierParts) {
    this.#bytesMax = options.bytesMax ?? DISK_BYTES_DEFAULT;
    assert(this.#bytesMax >= DISK_BYTES_MIN, `bytesMax must be at least ${DISK_BYTES_MIN}, got ${this.#bytesMax}`);
    this.#identity = createHash('sha256').update(options.identity).digest().subarray(0, IDENTITY_BYTES);
    this.#clock = options.clock;
    this.#writer = randomIndex(parts.random ?? systemRandom, 2 ** 32);
    const place = {
      path: options.path,
      bytesMax: this.#bytesMax,
      openFile: parts.openFile ?? openLmdbFile,
      wallNow: () => this.#clock.wallNow(),
      warn: options.warn,
    };
    this.#availability = new FileAvailability(place, this.#clock, (file) => this.#startOn(file));
  }

  /** Returns the record of a key, expired or not. Includes queued writes. */
  get(key: Uint8Array): DiskRecord | undefined {
    assert.equal(key.length, KEY_BYTES);
    const queued = this.#queue.find(key);
    if (queued !== undefined) return queued.kind === 'put' ? queued : undefined;
    const file = this.#readable();
    return file === undefined ? undefined : this.#guard(() => this.#read(file, key));
  }

  /** Queues a record. The newest write of a key wins. If the queue is full, the oldest write is dropped. */
  put(key: Uint8Array, value: Uint8Array, expiresAtWallMs: number): void {
    assert.equal(key.length, KEY_BYTES);
    if (this.#availability.file === undefined || value.length > DISK_VALUE_BYTES_MAX) {
      this.#counts.dropped++;
      this.remove(key);
      return;
    }
    // Copies, because callers encode into scratch memory. `slice` of a Buffer would not copy.
    this.#add({ kind: 'put', key: new Uint8Array(key), value: new Uint8Array(value), expiresAtWallMs });
  }

  /** Queues a removal, which is kept while the tier is off. */
  remove(key: Uint8Array): void {
    assert.equal(key.length, KEY_BYTES);
    if (!this.#availability.isClosed) this.#add({ kind: 'remove', key: new Uint8Array(key) });
  }

  /** Removes the records of this identity. None is served after the call; resolves when they are gone, or the tier is off. */
  async clear(): Promise<void> {
    this.#queue.clear();
    this.#isClearing = true;
    await this.flush();
  }

  /** Yields the records that `get` would return from the file, most recently written first. Excludes queued writes. */
  *newest(limit: number): Generator<DiskRecord> {
    for (const chunk of this.#chunks(limit)) yield* chunk;
  }

  /** Yields the same records as `newest`, in chunks of a millisecond or two, with a turn of the event loop after each. */
  async *newestInChunks(limit: number): AsyncGenerator<readonly DiskRecord[]> {
    for (const chunk of this.#chunks(limit)) {
      yield chunk;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  stats(): DiskTierStats {
    const file = this.#availability.file;
    const size = file === undefined ? undefined : this.#guard(() => file.size());
    return {
      state: file === undefined ? 'off' : 'on',
      entries: size?.records ?? 0,
      bytes: size?.bytes ?? 0,
      queued: this.#queue.size,
      ...this.#counts,
    };
  }

  /** Resolves when everything queued is on disk, or the tier is off. Waits for an attempt to open that is under way. */
  async flush(): Promise<void> {
    await this.#availability.settled();
    while (this.#availability.file !== undefined && this.#hasWork()) await this.#write();
  }

  /** Writes everything queued and closes the file. */
  async close(): Promise<void> {
    this.#availability.cancelTimers();
    this.#cancelBatch();
    await this.flush();
    this.#cancelBatch();
    await this.#availability.close();
  }

  #readable(): DiskFile | undefined {
    return this.#isClearing ? undefined : this.#availability.file;
  }

  #read(file: DiskFile, key: Uint8Array): DiskRecord | undefined {
    const indexKey = makeIndexKey(this.#identity, key);
    const place = file.placeOf(indexKey);
    const frame = place === undefined ? undefined : file.frameAt(place);
    if (place === undefined || frame === undefined) return undefined;
    const record = isFrameOf(frame, this.#identity, key) ? decodeFrame(frame, place) : undefined;
    if (record !== undefined) return record;
    this.#counts.damaged++;
    this.remove(key);
    return undefined;
  }

  *#chunks(limit: number): Generator<DiskRecord[]> {
    let before: RecordPlace | undefined;
    for (let left = limit; left > 0; ) {
      const file = this.#readable();
      if (file === undefined) return;
      const placed = this.#guard(() => file.newest(before, CHUNK_RECORDS));
      const last = placed?.at(-1);
      if (placed === undefined || last === undefined) return;
      before = last.place;
      const records: DiskRecord[] = [];
      for (const { place, frame } of placed) {
        if (records.length === left) break;
        const record = this.#guard(() => this.#current(file, place, frame));
        if (record !== undefined) records.push(record);
      }
      left -= records.length;
      yield records;
    }
  }

  /** Returns the record in a frame, if it has our identity and the index points to it. */
  #current(file: DiskFile, place: RecordPlace, frame: Uint8Array): DiskRecord | undefined {
    const indexKey = isFrameOf(frame, this.#identity) ? indexKeyOf(frame) : undefined;
    if (indexKey === undefined || !file.leadsTo(indexKey, place)) return undefined;
    const record = decodeFrame(frame, place);
    if (record === undefined) this.#counts.damaged++;
    return record;
  }

  /** Runs a read. If it throws, the tier turns off, because the file must be checked again. */
  #guard<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.#turnOff(error);
      return undefined;
    }
  }

  #add(write: QueuedWrite): void {
    if (this.#queue.add(write)?.kind === 'put') this.#counts.dropped++;
    this.#schedule();
  }

  #hasWork(): boolean {
    return this.#writing !== undefined || this.#queue.size > 0 || this.#evictions > 0 || this.#isClearing;
  }

  #schedule(): void {
    if (this.#availability.file === undefined || this.#writing !== undefined || !this.#hasWork()) return;
    if (this.#queue.size >= BATCH_WRITES) void this.#write();
    else this.#batchTimer ??= this.#clock.setTimer(BATCH_DELAY_MS, () => void this.#write());
  }

  /** Writes batches until nothing is left. Only one run is active at a time. */
  #write(): Promise<void> {
    this.#cancelBatch();
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
      this.#schedule();
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let file = this.#availability.file; file !== undefined; file = this.#availability.file) {
      if (this.#isClearing) await this.#clearSome(file);
      else if (this.#queue.size > 0 || this.#evictions > 0) await this.#writeBatch(file);
      else return;
    }
  }

  async #writeBatch(file: DiskFile): Promise<void> {
    const writes = this.#queue.take(BATCH_WRITES);
    const evictions = this.#evictions;
    try {
      const order = this.#nextOrder(file);
      const evicted = changesOfEviction(file, evictions);
      const changes = changesOfWrites(file, writes, { identity: this.#identity, order, writer: this.#writer });
      this.#order = order + writes.length;
      await file.commit([...evicted, ...changes]);
      this.#queue.settle();
      this.#counts.written += writes.filter(({ kind }) => kind === 'put').length;
      this.#counts.removedBySize += evicted.filter(({ table }) => table === 'records').length;
      this.#wasWritten(file);
    } catch (error) {
      this.#turnOff(error);
    }
  }

  async #clearSome(file: DiskFile): Promise<void> {
    try {
      const changes = changesOfClearing(file, this.#identity, BATCH_EVICTIONS_MAX);
      if (changes.length === 0) this.#isClearing = false;
      else await file.commit(changes);
      this.#wasWritten(file);
    } catch (error) {
      this.#turnOff(error);
    }
  }

  /** Returns an order after the newest record of any process and not before the wall clock, so that orders of two processes are comparable. */
  #nextOrder(file: DiskFile): number {
    const newest = file.newest(undefined, 1)[0];
    const held = newest === undefined ? 0 : orderOf(newest.place) + 1;
    const wall = Math.min(Math.floor(this.#clock.wallNow() * 1_000), ORDER_END / 2);
    return Math.max(this.#order, held, wall);
  }

  #wasWritten(file: DiskFile): void {
    this.#counts.batches++;
    const grownFrom = this.#fileBytes;
    const { fileBytes } = this.#measure(file);
    if (fileBytes > grownFrom && fileBytes > fileBytesMax(this.#bytesMax)) {
      throw new Error(`the file has grown to ${fileBytes} bytes: a process holds an older state of it`);
    }
    this.#availability.wasWritten(file);
  }

  /** Measures the file as it is now, so that no counter can drift from it. */
  #measure(file: DiskFile): FileSize {
    const size = file.size();
    this.#evictions = evictionsFor(size, this.#bytesMax);
    this.#fileBytes = size.fileBytes;
    return size;
  }

  /** Resumes with a file that has just been opened. */
  #startOn(file: DiskFile): void {
    this.#measure(file);
    this.#schedule();
  }

  #turnOff(error: unknown): void {
    this.#counts.dropped += this.#queue.giveUpPuts();
    this.#evictions = 0;
    this.#cancelBatch();
    this.#availability.turnOff(error);
  }

  #cancelBatch(): void {
    this.#batchTimer?.cancel();
    this.#batchTimer = undefined;
  }
}

/** Returns how many records must be removed to keep the file's size limit. */
function evictionsFor({ records, bytes }: FileSize, bytesMax: number): number {
  if (bytes <= bytesMax || records === 0) return 0;
  return Math.min(Math.ceil((bytes - bytesMax) / (bytes / records)), BATCH_EVICTIONS_MAX);
}
