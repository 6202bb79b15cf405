import { type Clock, stampNow, type Timer } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { StatePoint } from '../../../shared/place.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import type { Engine } from '../engine/engine.ts';
import type { PrecedentQueue } from '../evidence/precedent-queue.ts';
import { type BatchHead, CLEAR_FRAME, encodeDecided, encodeHead, precedentFrame } from './batch-codec.ts';
import type { EngineTime } from './engine-time.ts';
import { compareClears, type EntryId, entryId, entryText } from './entry-id.ts';

/** Time between two calls, in milliseconds: what comes sooner waits for it, and what comes later is sent in the same turn. */
const COALESCE_MS = 10;
/** How long acts of agents wait for others, in milliseconds, if nothing else is sent. */
const ACTS_MS = 20;
/** With this many records waiting, they are sent at once. */
const RECORDS_ENOUGH = 16;
const BATCH_BYTES_MAX = 8_192;
/** Bytes of a batch that precedents may have in any case. */
const PRECEDENT_BYTES_MIN = 2_048;
/** Maximum number of records that wait while the engine is away. */
const RECORDS_MAX = 4_096;
/** Maximum number of ended claims that wait, and that are sent in one batch. */
const CLAIMS_MAX = 1_024;
const CLAIMS_PER_BATCH = 64;
/** Bounds of the stream. */
const STREAM_BYTES = 32 * 2 ** 20;
const STREAM_ENTRIES = { min: 256, max: 16_384 } as const;
/** A stream that nobody appends to is removed after this time, in milliseconds. It is set anew after `RENEW_MS`. */
const STREAM_LIFE_MS = 7 * 86_400_000;
const RENEW_MS = 3_600_000;
const CALL_MS = 500;
/** Pause after a failed call, in milliseconds. */
const PAUSE_MS = 200;
/** Weight of the newest batch in the mean size. */
const MEAN_WEIGHT = 0.05;

/** A decision that is to be sent. */
export interface Outgoing {
  readonly signature: Signature;
  readonly place: StatePoint | undefined;
  readonly decision: Decision;
  /** Time of the steady clock, in milliseconds. */
  readonly expiresAtMs: number;
  readonly isAmended: boolean;
}

/** A claim that has ended: with what was made, or without. */
export interface EndedClaim {
  readonly key: string;
  readonly token: string;
  readonly made: Buffer | undefined;
  /** How long what was made is kept at the engine, in milliseconds. */
  readonly keptMs: number;
}

export interface LogSenderParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly time: EngineTime;
  readonly stream: string;
  readonly channel: string;
  /** Returns the messages without a place in the log that go with a batch: those that only live nodes need. */
  readonly takeTail: () => Buffer;
  readonly precedents: PrecedentQueue;
  /** The last clear that this node has seen is now this one. */
  readonly onClearNoted: (id: EntryId) => void;
}

/** What is sent in one call. */
interface Batch {
  readonly number: number;
  readonly hasClear: boolean;
  readonly records: readonly [state: string, record: Outgoing][];
  readonly claims: readonly EndedClaim[];
  readonly bytes: Buffer;
}

/** A batch of this node that it has not read in the log yet: the states of its records. */
interface Unread {
  readonly number: number;
  readonly states: ReadonlySet<string>;
  isInLog: boolean;
}

/** Stands for no clear: before every id. */
const NO_CLEAR: EntryId = { epoch: 0, number: 0 };

/**
 * Collects what this node tells the others, and sends it in one call every `COALESCE_MS`: one record for each signature, the newest; a
 * clear, which removes the records before it; ended claims; and the tail. One call is under way at a time, so that batches arrive in
 * their order. What a failed call contained is sent again: it may be in the log twice, which changes nothing.
 */
export class LogSender {
  readonly #parts: LogSenderParts;
  readonly #records = new Map<string, Outgoing>();
  #unread: Unread[] = [];
  #claims: EndedClaim[] = [];
  #hasTail = false;
  /** Clears so far: what was under way at one is not taken back. */
  #clears = 0;
  #hasClear = false;
  /** Clears of this node that were sent, and that it has not read in the log yet. */
  #unreadClears = 0;
  #clearedAt: EntryId | undefined;
  #timer: Timer | undefined;
  /** When the timer fires. */
  #dueMs = 0;
  /** When the last call was sent. */
  #sentMs = Number.NEGATIVE_INFINITY;
  #isSending = false;
  /** The last call. Never rejects. */
  #sending: Promise<void> | undefined;
  /** Whether this node has read the log since the engine came up: before, it knows neither the engine's time nor the last clear. */
  #isReady = false;
  #isClosed = false;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #nextNumber = 1;
  /** The last batch of its own that this node has read in the log. */
  #landed = 0;
  /** The last batch whose call failed. */
  #returned: Batch | undefined;
  #epoch: string | undefined;
  #renewMs = 0;
  #meanBytes = 1_024;
  readonly counts = { sent: 0, batches: 0, full: 0, failed: 0 };

  constructor(parts: LogSenderParts) {
    this.#parts = parts;
  }

  get queued(): number {
    return this.#records.size;
  }

  /** The last clear that this node has seen, its own included; undefined until it has read the log. */
  get clearedAt(): EntryId | undefined {
    return this.#clearedAt;
  }

  /** `epoch` is that of the log that told of the clear. */
  noteClear(id: EntryId, epoch = id.epoch): void {
    if (this.#clearedAt !== undefined && compareClears(id, this.#clearedAt, epoch) <= 0) return;
    this.#clearedAt = id;
    this.#parts.onClearNoted(id);
  }

  /** Whether a clear of this node is not yet in the log where this node reads: what others have put there before is cleared by it. */
  get isClearing(): boolean {
    return this.#hasClear || this.#unreadClears > 0;
  }

  /** Whether a record of this node comes later in the log than what it has read, and thus wins. */
  overrides(signature: Signature): boolean {
    if (this.#records.size === 0 && this.#unread.length === 0) return false;
    const state = signatureText(signature);
    return this.#records.has(state) || this.#unread.some(({ states }) => states.has(state));
  }

  add(record: Outgoing): void {
    const state = signatureText(record.signature);
    // Last in order, because it is the newest.
    this.#records.delete(state);
    this.#records.set(state, record);
    if (this.#records.size > RECORDS_MAX) this.#dropOldest();
    this.#sendSoon();
  }

  #dropOldest(): void {
    const [oldest] = this.#records.keys();
    this.#records.delete(oldest as string);
    this.counts.full++;
  }

  /** Everything was cleared here: all nodes are to clear. */
  clear(): void {
    this.forget();
    this.#hasClear = true;
    this.#sendSoon();
  }

  /** Drops the records of this node that wait or are under way: another node has cleared everything. */
  forget(): void {
    this.#records.clear();
    this.#parts.precedents.forget();
    this.#unread = [];
    this.#clears++;
  }

  end(claim: EndedClaim): void {
    this.#claims.push(claim);
    if (this.#claims.length > CLAIMS_MAX) this.#claims.shift();
    this.#sendSoon();
  }

  /** There is a precedent to send: with the decision of the same turn, if it is remembered. */
  notePrecedent(): void {
    this.#sendSoon(ACTS_MS);
  }

  /** There are acts for the tail. */
  noteTail(): void {
    this.#hasTail = true;
    this.#sendSoon(ACTS_MS);
  }

  /** This node has read a batch of its own in the log. */
  readOwn(id: EntryId, { number, hasClear }: BatchHead): void {
    this.#unread = this.#unread.filter((batch) => batch.number > number);
    this.#landed = number;
    if (this.#returned?.number === number) this.#unreturn(this.#returned);
    if (!hasClear) return;
    this.#unreadClears = Math.max(0, this.#unreadClears - 1);
    this.noteClear(id);
  }

  /** A batch whose call had failed is in the log after all: sent again, it would undo what others have decided since. */
  #unreturn({ records, claims }: Batch): void {
    for (const [state, record] of records) if (this.#records.get(state) === record) this.#records.delete(state);
    this.#claims = this.#claims.filter((claim) => !claims.includes(claim));
  }

  /** The log was lost, or trimmed beyond the place of this node: what it has put there before counts as read. */
  restart(): void {
    this.#epoch = undefined;
    this.#unread = this.#unread.filter(({ isInLog }) => !isInLog);
    if (this.#isSending || this.#unreadClears === 0) return;
    this.#unreadClears = 0;
    this.#hasClear = true;
  }

  /** The engine is away, or back: nothing is sent until this node has read the log. */
  sleep(): void {
    this.#isReady = false;
    this.#epoch = undefined;
  }

  /** This node has read the log: what waits is sent. */
  wake(): void {
    this.#isReady = true;
    if (this.#clearedAt === undefined) this.noteClear(NO_CLEAR);
    if (this.#hasWork) this.#sendSoon();
  }

  /** Sends what waits, as far as one call takes it and the engine answers. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#sending;
    if (this.#isReady && this.#parts.engine.isUp && this.#hasWork) await this.#send();
  }

  get #hasWork(): boolean {
    return this.#isUrgent || this.#hasTail || !this.#parts.precedents.isEmpty;
  }

  get #isUrgent(): boolean {
    return this.#records.size > 0 || this.#claims.length > 0 || this.#hasClear;
  }

  #sendSoon(waitMs = 0): void {
    const { clock, engine } = this.#parts;
    if (this.#isClosed || this.#isSending || !this.#isReady) return;
    const nowMs = clock.now();
    const isEnough = this.#records.size >= RECORDS_ENOUGH;
    const fromMs = isEnough ? nowMs : Math.max(nowMs + waitMs, this.#sentMs + COALESCE_MS);
    const dueMs = Math.max(fromMs, this.#pausedUntilMs);
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.setTimer(dueMs - nowMs, () => {
      this.#timer = undefined;
      if (this.#isReady && engine.isUp && !this.#isSending) this.#sending = this.#send();
    });
  }

  async #send(): Promise<void> {
    const { clock } = this.#parts;
    const batch = this.#nextBatch();
    const states = new Set(batch.records.map(([state]) => state));
    const unread: Unread = { number: batch.number, states, isInLog: false };
    const clears = this.#clears;
    this.#isSending = true;
    this.#sentMs = clock.now();
    if (batch.records.length > 0) this.#unread.push(unread);
    try {
      this.#sent(batch, entryId(await this.#append(batch)));
      unread.isInLog = true;
      this.#parts.precedents.settled(true);
    } catch {
      this.#parts.precedents.settled(false);
      this.counts.failed++;
      this.#unread = this.#unread.filter((each) => each !== unread);
      if (this.#landed !== batch.number) this.#takeBack(batch, clears === this.#clears);
      this.#pausedUntilMs = clock.now() + PAUSE_MS;
    } finally {
      this.#isSending = false;
      if (this.#hasWork) this.#sendSoon(this.#isUrgent ? 0 : ACTS_MS);
    }
  }

  #nextBatch(): Batch {
    const { engine, time, clock } = this.#parts;
    const number = this.#nextNumber++;
    const hasClear = this.#hasClear;
    this.#hasClear = false;
    if (hasClear) this.#unreadClears++;
    const clearId = this.#clearedAt === undefined ? '' : entryText(this.#clearedAt);
    const frames = [encodeHead({ node: engine.node, number, hasClear, clearId, sentMs: time.now() })];
    if (hasClear) frames.push(CLEAR_FRAME);
    const records: [string, Outgoing][] = [];
    let bytes = 0;
    for (const [state, record] of this.#records) {
      if (bytes >= BATCH_BYTES_MAX) break;
      const frame = encodeDecided(recordAt(record, clock));
      bytes += frame.length;
      frames.push(frame);
      records.push([state, record]);
      this.#records.delete(state);
    }
    const precedents = this.#parts.precedents.take(Math.max(PRECEDENT_BYTES_MIN, BATCH_BYTES_MAX - bytes));
    frames.push(...precedents.map(precedentFrame));
    const isEmpty = !hasClear && records.length + precedents.length === 0;
    const claims = this.#claims.splice(0, CLAIMS_PER_BATCH);
    return { number, hasClear, records, claims, bytes: isEmpty ? Buffer.alloc(0) : Buffer.concat(frames) };
  }

  async #append({ bytes, claims }: Batch): Promise<string> {
    const { engine, clock, stream, channel, takeTail } = this.#parts;
    this.#hasTail = false;
    if (clock.now() > this.#renewMs) this.#epoch = undefined;
    const keys = [stream, ...claims.map(({ key }) => key)];
    const ends = claims.flatMap(({ token, made, keptMs }) => [token, made ?? '', String(keptMs)]);
    const most = String(this.#entriesMax(bytes.length));
    const args = [channel, this.#epoch ?? '', most, String(STREAM_LIFE_MS), bytes, takeTail(), ...ends];
    const isRenewal = this.#epoch === undefined && bytes.length > 0;
    const id = String(await engine.call('log_append', keys, args, { timeoutMs: CALL_MS }));
    if (isRenewal) this.#renewMs = clock.now() + RENEW_MS;
    return id;
  }

  /** As many entries as fit in the bytes of the stream. */
  #entriesMax(bytes: number): number {
    if (bytes > 0) this.#meanBytes += MEAN_WEIGHT * (bytes - this.#meanBytes);
    const fitting = Math.floor(STREAM_BYTES / this.#meanBytes);
    return Math.min(STREAM_ENTRIES.max, Math.max(STREAM_ENTRIES.min, fitting));
  }

  #sent({ records, hasClear }: Batch, id: EntryId | undefined): void {
    if (id === undefined) return;
    this.#epoch = String(id.epoch);
    this.counts.batches++;
    this.counts.sent += records.length;
    if (hasClear) this.noteClear(id);
  }

  /** Newer records of the same states stay. */
  #takeBack(batch: Batch, isCurrent: boolean): void {
    const { records, claims, hasClear } = batch;
    this.#returned = batch;
    this.#claims.unshift(...claims.slice(0, CLAIMS_MAX - this.#claims.length));
    this.#hasClear ||= hasClear;
    if (hasClear) this.#unreadClears--;
    if (!isCurrent) return;
    const newer = [...this.#records];
    this.#records.clear();
    for (const [state, record] of [...records, ...newer]) this.#records.set(state, record);
    while (this.#records.size > RECORDS_MAX) this.#dropOldest();
  }
}

function recordAt({ isAmended, expiresAtMs, ...record }: Outgoing, clock: Clock) {
  const leftMs = Math.max(0, expiresAtMs - clock.now());
  const ageMs = Math.max(0, stampNow(clock) - record.decision.decidedAtMs);
  return { ...record, kind: isAmended ? ('amended' as const) : ('decided' as const), leftMs, ageMs };
}
