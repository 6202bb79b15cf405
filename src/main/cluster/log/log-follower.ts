import type { Clock, Timer } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';
import type { Engine, EngineReply } from '../engine/engine.ts';
import type { EngineTime } from './engine-time.ts';
import { compareEntries, type EntryId, entryId, entryText, follows } from './entry-id.ts';

/** Entries that are read at once. */
const PAGE_ENTRIES = 32;
/** Pushes that are kept while a node reads what it missed. With more, it reads on. */
const PUSHES_MAX = 256;
/** Records that are applied in one turn of the event loop: in less than a millisecond. */
const RECORDS_AT_ONCE = 24;
/** A live node looks at the log at this interval, in milliseconds, up to a quarter earlier. */
const LOOK_MS = 2_000;
/** The checksum of an entry's head, which names its sender, number and time, is among its first bytes: they tell it from others of the same id. */
const BEGIN_BYTES = 16;
/** Pause after a failed read, in milliseconds. */
const PAUSE_MS = 300;
const CALL_MS = 1_000;

export interface LogEntry {
  readonly id: EntryId;
  readonly bytes: Buffer;
  readonly receivedMs: number;
}

export interface LogFollowerParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly time: EngineTime;
  readonly stream: string;
  /** Applies an entry, one record at each step. */
  readonly apply: (entry: LogEntry) => Iterator<unknown>;
  /** The place of this node is not in the log any more: all of the log follows. */
  readonly onRestart: () => void;
  /** This node has read all of the log, and follows it from now on. */
  readonly onLive: () => void;
}

/** Reads the log in its order, without a gap: from pushes while live, else in pages. The protocol is in docs/concurrency.md. */
export class LogFollower {
  readonly #parts: LogFollowerParts;
  /** The last entry that was taken over. */
  #place: EntryId | undefined;
  /** How that entry begins. */
  #begin: Buffer = Buffer.alloc(0);
  #isLive = false;
  #isReading = false;
  #isClosed = false;
  #pushes: LogEntry[] = [];
  #hasLostPushes = false;
  /** When the last page was asked for. */
  #readMs = 0;
  #queue: LogEntry[] = [];
  #current: Iterator<unknown> | undefined;
  #isApplying = false;
  #onApplied: (() => void)[] = [];
  #timer: Timer | undefined;
  readonly counts = { gaps: 0, reads: 0, restarts: 0, entries: 0 };

  constructor(parts: LogFollowerParts) {
    this.#parts = parts;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** The engine is there, or is back. */
  wake(): void {
    this.#isLive = false;
    this.#lookLater(0);
  }

  /** The engine is away. */
  sleep(): void {
    this.#isLive = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.sleep();
    this.#queue = [];
    this.#current = undefined;
  }

  /** An entry was pushed. */
  pushed(id: EntryId, bytes: Buffer): void {
    this.#arrived({ id, bytes, receivedMs: this.#parts.clock.now() });
  }

  #arrived(entry: LogEntry): void {
    if (this.#hasTaken(entry.id)) return;
    const isNext = follows(entry.id, this.#place);
    const isInTime = this.#parts.time.isKnown && this.#queue.length < PUSHES_MAX;
    if (this.#isLive && isNext && isInTime) return this.#take(entry);
    this.#keep(entry);
    if (!this.#isLive) return;
    if (!isNext) this.counts.gaps++;
    this.wake();
  }

  #hasTaken(id: EntryId): boolean {
    return this.#place?.epoch === id.epoch && compareEntries(id, this.#place) <= 0;
  }

  #keep(entry: LogEntry): void {
    this.#pushes.push(entry);
    if (this.#pushes.length <= PUSHES_MAX) return;
    this.#pushes.shift();
    this.#hasLostPushes = true;
  }

  #lookLater(afterMs: number): void {
    const { clock } = this.#parts;
    this.#timer?.cancel();
    this.#timer = this.#isClosed ? undefined : clock.setTimer(afterMs, () => void this.#look());
  }

  /** Reads what follows on the place of this node, until there is no more. */
  async #look(): Promise<void> {
    const { engine, random } = this.#parts;
    this.#timer = undefined;
    if (this.#isReading || !engine.isUp) return;
    this.#isReading = true;
    let afterMs = PAUSE_MS;
    try {
      let hasMore = true;
      while (hasMore) {
        hasMore = await this.#readPage();
        await this.#applied();
      }
      this.#goLive();
      afterMs = this.#isLive ? LOOK_MS * (1 - random.next() / 4) : 0;
    } catch {
      // Away, or refused. If it comes back, this node is woken.
    } finally {
      this.#isReading = false;
      if (engine.isUp) this.#lookLater(afterMs);
    }
  }

  /** Returns whether there may be more. */
  async #readPage(): Promise<boolean> {
    const { engine, clock, stream, time } = this.#parts;
    const sentMs = clock.now();
    const after = this.#place === undefined ? '' : entryText(this.#place);
    this.#readMs = sentMs;
    this.#hasLostPushes = false;
    this.counts.reads++;
    const reply = await engine.call('log_read', [stream], [after, String(PAGE_ENTRIES), this.#begin], {
      timeoutMs: CALL_MS,
    });
    const { nowMs, isKnown, listed } = readReply(reply);
    time.sample(sentMs, nowMs);
    if (!isKnown && this.#place !== undefined) this.#restart();
    const before = this.#place;
    for (const one of listed) this.#takeListed(one);
    // A page of which nothing could be taken would be read again and again.
    const hasMoved = this.#place !== before;
    return (listed.length === PAGE_ENTRIES && hasMoved) || this.#hasLostPushes;
  }

  #restart(): void {
    this.counts.restarts++;
    this.#place = undefined;
    this.#parts.onRestart();
  }

  #takeListed(listed: EngineReply): void {
    const [idText, fields] = Array.isArray(listed) ? (listed as readonly EngineReply[]) : [];
    const id = entryId(String(idText));
    // Pushes may have come first.
    if (id === undefined || this.#hasTaken(id)) return;
    const bytes = Array.isArray(fields) && Buffer.isBuffer(fields[1]) ? fields[1] : Buffer.alloc(0);
    this.#take({ id, bytes, receivedMs: this.#parts.clock.now() });
  }

  /**
   * Takes over the pushes that arrived since the last read; those before are in the log, or in one that was lost. If there is a gap among
   * them, the rest has to be read.
   */
  #goLive(): void {
    this.#isLive = true;
    this.#parts.onLive();
    const pushes = this.#pushes.filter(({ receivedMs }) => receivedMs >= this.#readMs);
    this.#pushes = [];
    for (const push of pushes) this.#arrived(push);
  }

  #take(entry: LogEntry): void {
    this.#place = entry.id;
    this.#begin = entry.bytes.subarray(0, BEGIN_BYTES);
    this.counts.entries++;
    this.#queue.push(entry);
    if (!this.#isApplying) this.#apply();
  }

  #apply(): void {
    this.#isApplying = true;
    for (let records = 0; records < RECORDS_AT_ONCE; records++) {
      if (this.#step()) continue;
      this.#isApplying = false;
      for (const resolve of this.#onApplied.splice(0)) resolve();
      return;
    }
    this.#parts.clock.nextTurn(() => this.#apply());
  }

  /** Applies one record. Returns false if none is left. */
  #step(): boolean {
    if (this.#current === undefined) {
      const entry = this.#queue.shift();
      if (entry === undefined) return false;
      this.#current = this.#parts.apply(entry);
    }
    if (this.#current.next().done === true) this.#current = undefined;
    return true;
  }

  /** Resolves when all entries that were taken over are applied. */
  #applied(): Promise<void> {
    if (!this.#isApplying) return Promise.resolve();
    return new Promise((resolve) => void this.#onApplied.push(resolve));
  }
}

/** Throws for a reply that the function would not give. */
function readReply(reply: EngineReply): { nowMs: number; isKnown: boolean; listed: readonly EngineReply[] } {
  const [nowMs, isKnown, listed] = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
  if (!Number.isSafeInteger(nowMs) || !Array.isArray(listed)) throw new Error('not a page of the log');
  return { nowMs: nowMs as number, isKnown: isKnown === 1, listed };
}
