import { type Clock, stampNow } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { StatePoint } from '../../../shared/place.ts';
import type { Random } from '../../../shared/random.ts';
import type { Signature } from '../../../shared/signature.ts';
import { type AdoptedDecision, ForeignDecision } from '../../cache/adopted-decision.ts';
import type { DecisionJournal } from '../../cache/decision-journal.ts';
import type { Precedent } from '../../cache/exchange/precedent.ts';
import { DurationHistogram, type Durations } from '../../measure/durations.ts';
import type { ClusterNames, Engine } from '../engine/engine.ts';
import { PrecedentQueue } from '../evidence/precedent-queue.ts';
import { type BatchHead, type DecidedRecord, decodeHead, decodeLogRecord, encodedOf } from './batch-codec.ts';
import { EngineTime } from './engine-time.ts';
import { compareClears, type EntryId, entryId } from './entry-id.ts';
import { framesOf } from './frames.ts';
import { type LogEntry, LogFollower } from './log-follower.ts';
import { type EndedClaim, LogSender } from './log-sender.ts';
import { decodeMessage, encodeTail, readTail } from './message.ts';

/** Where the node keeps decisions: its cache. */
export interface LoggedMemory {
  /** Remembers what another node has decided, in place of what is remembered. */
  adopt(adopted: AdoptedDecision, isAmended: boolean): void;
  /** Whether the disk has a decision for a state that was made later than this, by the stamps of the node's clock. */
  hasNewer(signature: Signature, decidedAtMs: number): boolean;
  /** Whether a place can be one of this domain. */
  fits(place: StatePoint): boolean;
}

export interface DecisionLogParts {
  readonly engine: Engine;
  readonly names: ClusterNames;
  /** Of `fingerprintOf`. */
  readonly fingerprint: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The last clear of this log that is part of what this node remembers from disk. */
  readonly clearedAt?: EntryId | undefined;
  /** Undefined without a cache: then only claims and acts travel. */
  readonly memory: LoggedMemory | undefined;
  /** The longest time that a decision is fresh, whatever a record says. */
  readonly ttlMaxMs: number;
  /** Another node has cleared its cache: this one does the same. */
  readonly onCleared: () => void;
  /** Called for each entry or message that is damaged, or that no node would send. */
  readonly onPoisoned?: () => void;
}

export interface LogStats {
  /** Whether this node follows the log without a gap. */
  readonly isLive: boolean;
  /** Records of this node that wait. */
  readonly queued: number;
  readonly sent: number;
  readonly batches: number;
  /** Records of other nodes that were taken over. */
  readonly received: number;
  /** Records that serve nobody, by reason: damaged; expired when they came; decided before a clear; older than this node's own; too many waited. */
  readonly dropped: Readonly<Record<'poisoned' | 'expired' | 'cleared' | 'overridden' | 'full', number>>;
  /** Clears of other nodes. */
  readonly clears: number;
  readonly gaps: number;
  /** Reads of the log. */
  readonly reads: number;
  /** How often the whole log was read, because the node's place was not in it any more. */
  readonly restarts: number;
  /** Calls to the engine that failed. */
  readonly failed: number;
  /** Age of the entry received last when it was applied, in milliseconds. */
  readonly lagMs: number;
  /** The same for pushes, all together. */
  readonly lagsMs: Durations;
}

/**
 * Shares decisions with the other nodes of a cluster: what this node's cache remembers goes to the log, and what others have decided comes
 * into the cache. The protocol is in docs/concurrency.md. Nothing is thrown, and nothing waits for it.
 */
export class DecisionLog implements DecisionJournal {
  readonly #parts: DecisionLogParts;
  readonly #time: EngineTime;
  readonly #sender: LogSender;
  readonly #follower: LogFollower;
  readonly precedents: PrecedentQueue;
  readonly #channel: string;
  readonly #ends: (() => void)[] = [];
  readonly #lags = new DurationHistogram();
  readonly #dropped = { poisoned: 0, expired: 0, cleared: 0, overridden: 0 };
  #received = 0;
  #clears = 0;
  #lagMs = 0;
  #isClearing = false;
  /** Until then, the log may have what is older than the decisions of this node's earlier runs. */
  #wasLive = false;
  #changedStates: string[] = [];
  /** Takes the acts of agents that other nodes are to hear of. */
  takeActs: () => readonly Buffer[] = () => [];
  onAct: (act: Buffer) => void = () => {};
  /** The claim of a state has ended at another node. */
  onState: (state: string) => void = () => {};
  /** Another node has learned this, and told by a batch that was sent at this time, at the earliest. */
  onPrecedent: (node: string, precedent: Buffer, sentMs: number) => void = () => {};
  /** The last clear that this node has seen is now this one. */
  onClearNoted: (id: EntryId) => void = () => {};
  /** This node has read all of the log. */
  onLive: () => void = () => {};
  /** This node has cleared its cache, by itself or because another has. */
  onClear: () => void = () => {};

  constructor(parts: DecisionLogParts) {
    this.#parts = parts;
    const { engine, names, fingerprint, clock, random } = parts;
    const stream = names.key('log', fingerprint);
    this.#channel = names.key('news', fingerprint);
    this.#time = new EngineTime(clock);
    const shared = { engine, clock, random, time: this.#time, stream, channel: this.#channel };
    this.precedents = new PrecedentQueue(clock);
    this.#sender = new LogSender({
      ...shared,
      takeTail: () => this.#takeTail(),
      precedents: this.precedents,
      onClearNoted: (id) => this.onClearNoted(id),
    });
    if (parts.clearedAt !== undefined) this.#sender.noteClear(parts.clearedAt);
    this.#follower = new LogFollower({
      ...shared,
      apply: (entry) => this.#apply(entry),
      onRestart: () => this.#sender.restart(),
      onLive: () => this.#wentLive(),
    });
  }

  /** Follows the log from now on. */
  start(): void {
    const { engine } = this.#parts;
    this.#ends.push(
      engine.listen(this.#channel, (message) => this.#heard(message)),
      engine.onChange((isUp) => this.#changed(isUp)),
    );
    if (engine.isUp) this.#follower.wake();
  }

  #changed(isUp: boolean): void {
    this.#sender.sleep();
    if (isUp) this.#follower.wake();
    else this.#follower.sleep();
  }

  /** Sends what waits. Never rejects. */
  async close(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    this.#follower.close();
    await this.#sender.close();
  }

  decided(
    signature: Signature,
    place: StatePoint | undefined,
    decision: Decision,
    expiresAtMs: number,
    isAmended: boolean,
  ): void {
    this.#sender.add({ signature: signature.slice(), place, decision, expiresAtMs, isAmended });
  }

  learned(precedent: Precedent): void {
    this.precedents.add(precedent);
    this.#sender.notePrecedent();
  }

  /** The last clear that this node has seen; undefined until it has read the log. */
  get clearedAt(): EntryId | undefined {
    return this.#sender.isClearing ? undefined : this.#sender.clearedAt;
  }

  #wentLive(): void {
    this.#wasLive = true;
    this.#sender.wake();
    this.onLive();
  }

  cleared(): void {
    this.onClear();
    if (!this.#isClearing) this.#sender.clear();
  }

  /** Ends a claim, in the same call as what was decided in the same turn. */
  endClaim(claim: EndedClaim, state: string): void {
    if (this.#changedStates.push(state) > CHANGED_MAX) this.#changedStates.shift();
    this.#sender.noteTail();
    this.#sender.end(claim);
  }

  /** There are acts to take. */
  noteActs(): void {
    this.#sender.noteTail();
  }

  stats(): LogStats {
    const { gaps, reads, restarts } = this.#follower.counts;
    const { sent, batches, full, failed } = this.#sender.counts;
    return {
      isLive: this.#follower.isLive,
      queued: this.#sender.queued,
      sent,
      batches,
      received: this.#received,
      dropped: { ...this.#dropped, full },
      clears: this.#clears,
      gaps,
      reads,
      restarts,
      failed,
      lagMs: this.#lagMs,
      lagsMs: this.#lags.summary(),
    };
  }

  #takeTail(): Buffer {
    return encodeTail(this.#parts.engine.node, this.#changedStates.splice(0), this.takeActs());
  }

  #heard(message: Buffer): void {
    const decoded = decodeMessage(message);
    if (decoded === undefined) return this.#poisoned();
    const { entry, tail } = decoded;
    if (entry !== undefined) this.#follower.pushed(entry.id, entry.bytes);
    const { node } = this.#parts.engine;
    readTail(tail, { node, onState: this.onState, onAct: this.onAct, onDamaged: () => this.#poisoned() });
  }

  #poisoned(): void {
    this.#dropped.poisoned++;
    this.#parts.onPoisoned?.();
  }

  /** Applies the records of an entry, one at each step. */
  *#apply(entry: LogEntry): Generator<void, void, undefined> {
    const frames = framesOf(entry.bytes);
    const first = frames.next().value;
    const head = first && decodeHead(first);
    if (head === undefined) return this.#poisoned();
    if (head.node === this.#parts.engine.node) return this.#sender.readOwn(entry.id, head);
    const sentMs = this.#noteLag(entry, head);
    let isCleared = this.#isBeforeClear(head, entry.id.epoch);
    for (const frame of frames) {
      const record = frame && decodeLogRecord(frame);
      if (record === undefined) this.#poisoned();
      else if (record.kind === 'clear') isCleared = this.#clear(entry.id, entry.id.epoch);
      else if (isCleared || this.#sender.isClearing) this.#dropped.cleared++;
      else if (record.kind === 'precedent') this.onPrecedent(head.node, record.bytes, sentMs);
      else this.#adopt(record, frame as Buffer, sentMs);
      yield;
    }
  }

  /** Whether a batch was sent by a node that had not yet seen the last clear. If it had seen one that this node missed, that is made up for. */
  #isBeforeClear({ clearId }: BatchHead, epoch: number): boolean {
    const seen = entryId(clearId);
    if (seen === undefined) return true;
    const known = this.#sender.clearedAt;
    if (known === undefined) this.#sender.noteClear(seen, epoch);
    else if (compareClears(seen, known, epoch) > 0) this.#clear(seen, epoch);
    else return compareClears(seen, known, epoch) < 0;
    return false;
  }

  /** Another node has cleared everything, unless this one knows that from disk. Returns false: what follows was decided after it. */
  #clear(id: EntryId, epoch: number): boolean {
    const known = this.#sender.clearedAt;
    if (known !== undefined && compareClears(id, known, epoch) <= 0) return false;
    this.#clears++;
    this.#sender.noteClear(id, epoch);
    // Its own clear comes later in the log, and what it decided since even later.
    if (this.#sender.isClearing) return false;
    this.#sender.forget();
    this.#isClearing = true;
    try {
      this.#parts.onCleared();
    } finally {
      this.#isClearing = false;
    }
    return false;
  }

  /** Returns when the batch was sent, at the earliest, in milliseconds of the steady clock; NaN if it cannot be known. */
  #noteLag({ receivedMs }: LogEntry, { sentMs }: BatchHead): number {
    const nowMs = this.#parts.clock.now();
    const isOfFuture = sentMs > this.#time.now() + CLOCK_STEP_MS;
    if (Number.isNaN(sentMs) || isOfFuture) return Number.NaN;
    const ownMs = Math.min(receivedMs, this.#time.earliest(sentMs));
    this.#lagMs = nowMs - ownMs;
    this.#lags.record(this.#lagMs);
    return ownMs;
  }

  /** An expired record is adopted too: it replaces what was decided before it, and is there for the rung of stale answers. */
  #adopt(record: DecidedRecord, bytes: Buffer, sentMs: number): void {
    const { clock, memory, ttlMaxMs } = this.#parts;
    if (this.#sender.overrides(record.signature)) return void this.#dropped.overridden++;
    const nowMs = clock.now();
    const isTimeKnown = !Number.isNaN(sentMs);
    const onTheWayMs = isTimeKnown ? nowMs - sentMs : 0;
    const leftMs = isTimeKnown ? Math.min(record.leftMs, ttlMaxMs - record.ageMs) - onTheWayMs : 0;
    const decidedAtMs = stampNow(clock) - record.ageMs - onTheWayMs;
    const { signature } = record;
    if (!this.#wasLive && memory?.hasNewer(signature, isTimeKnown ? decidedAtMs : Number.NEGATIVE_INFINITY)) {
      return void this.#dropped.overridden++;
    }
    if (leftMs > 0) this.#received++;
    else this.#dropped.expired++;
    const place = record.place && memory?.fits(record.place) ? record.place : undefined;
    const expiresAtMs = Math.max(0, nowMs + leftMs);
    const asStored = { bytes: encodedOf(bytes), decidedAtMs };
    memory?.adopt(new ForeignDecision(signature, place, asStored, expiresAtMs), record.kind === 'amended');
  }
}

/** Maximum number of states with a changed claim that wait to be sent. Flights that wait for others ask again by themselves. */
const CHANGED_MAX = 1_024;
/** A batch that was sent this much later than now shows that the engine's clock was set back, in milliseconds. */
const CLOCK_STEP_MS = 1_000;
