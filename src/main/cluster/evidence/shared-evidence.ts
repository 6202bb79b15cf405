import type { Clock, Timer } from '../../../shared/clock.ts';
import type { Exchange } from '../../cache/exchange/exchange.ts';
import type { Precedent } from '../../cache/exchange/precedent.ts';
import type { LearnedPart } from '../../cache/learned/learned-part.ts';
import type { ClusterNames, Engine, EngineReply } from '../engine/engine.ts';
import { takeFields } from '../engine/field-turns.ts';
import { framesOf } from '../log/frames.ts';
import { decodePrecedent } from './precedent-codec.ts';
import type { PrecedentQueue } from './precedent-queue.ts';
import { decodeTotal, decodeWhole, encodeTotal, encodeWhole, type GroupTotal, NAME_CHARS_MAX } from './totals-codec.ts';

/** A node sends what has changed of its totals at this interval, in milliseconds. */
const SEND_MS = 1_000;
/** What is sent at once, in bytes. The rest follows a second later. */
const SEND_BYTES_MAX = 8_192;
/** All totals are read again at this interval, in case a message was lost, in milliseconds. */
const READ_MS = 60_000;
/** One node at a time writes the evidence as a whole at this interval, in milliseconds, if it fits in these bytes. */
const WHOLE_MS = 10_000;
const WHOLE_BYTES_MAX = 131_072;
const WHOLE_FIELD = 'whole';
/** The totals of a node that ended are kept for a week, as the log is, and for at most this many groups. */
const LIFE_MS = 7 * 86_400_000;
const FIELDS_MAX = 4_096;
const CALL_MS = 500;

/** Where the evidence of this node is: its cache. */
export interface EvidenceMemory {
  readonly exchange: Exchange;
  /** Returns false if it cannot be from a node. */
  hearPrecedent(precedent: Precedent): boolean;
  /** What of the evidence consists of sums, with the totals that are part of it: for a node that has none. */
  summedParts(): readonly LearnedPart[];
}

export interface SharedEvidenceParts {
  readonly engine: Engine;
  readonly names: ClusterNames;
  readonly fingerprint: string;
  readonly clock: Clock;
  readonly memory: EvidenceMemory;
  /** The last clear that this node has seen, as text; undefined while it does not know. */
  readonly clearedAt: () => string | undefined;
  /** What this node has learned, on its way to the log. */
  readonly precedents: Pick<PrecedentQueue, 'counts'>;
}

export interface EvidenceStats {
  /** Earlier and present runs of other nodes whose totals are counted here. */
  readonly nodes: number;
  /** Groups of totals: sent, and taken over. */
  readonly totalsSent: number;
  readonly totalsReceived: number;
  readonly precedentsSent: number;
  /** Precedents of other nodes that were learned. */
  readonly precedentsReceived: number;
  /** What was not taken over, by reason: damaged; from before a clear, or after one that this node has not seen yet. And what was not sent, because too many waited. */
  readonly dropped: Readonly<Record<'poisoned' | 'cleared' | 'full', number>>;
  readonly failed: number;
}

/**
 * Shares the evidence of the cache with the other nodes: precedents, which come with the log of decisions, and totals, which have a hash at
 * the engine. The protocol is in docs/concurrency.md. Nothing is thrown, and nothing waits for it.
 */
export class SharedEvidence {
  readonly #parts: SharedEvidenceParts;
  readonly #hash: string;
  readonly #channel: string;
  /** The text of each group as the engine has it. */
  readonly #told = new Map<string, string>();
  #toldClear: string | undefined;
  #timer: Timer | undefined;
  #end: () => void = () => {};
  #readMs = Number.NEGATIVE_INFINITY;
  #wholeMs = Number.NEGATIVE_INFINITY;
  #hasLearned = false;
  #isClosed = false;
  readonly #counts = { totalsSent: 0, totalsReceived: 0, precedentsReceived: 0, failed: 0 };
  readonly #dropped = { poisoned: 0, cleared: 0 };

  constructor(parts: SharedEvidenceParts) {
    this.#parts = parts;
    this.#hash = parts.names.key('totals', parts.fingerprint);
    this.#channel = parts.names.key('counted', parts.fingerprint);
    parts.memory.exchange.totals.node = parts.engine.node;
  }

  start(): void {
    this.#end = this.#parts.engine.listen(this.#channel, (message) => this.#heard(message));
    this.#tickLater();
  }

  /** This node has read the log: what it missed of the totals is read. */
  wake(): void {
    this.#readMs = Number.NEGATIVE_INFINITY;
    void this.#read();
  }

  /** Another node has learned something. */
  learned(node: string, bytes: Buffer, sentMs: number): void {
    const { memory } = this.#parts;
    const decoded = decodePrecedent(bytes, sentMs);
    if (decoded === undefined) return void this.#dropped.poisoned++;
    if (!memory.exchange.isNew(node, decoded.number)) return;
    if (!memory.hearPrecedent(decoded.precedent)) return void this.#dropped.poisoned++;
    this.#counts.precedentsReceived++;
  }

  stats(): EvidenceStats {
    const { memory, precedents } = this.#parts;
    const { sent: precedentsSent, full } = precedents.counts;
    const { nodes } = memory.exchange.totals;
    return { nodes, ...this.#counts, precedentsSent, dropped: { ...this.#dropped, full } };
  }

  /** Sends what waits. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end();
    this.#timer?.cancel();
    await this.#send();
  }

  #tickLater(): void {
    this.#timer = this.#parts.clock.setTimer(SEND_MS, () => {
      void this.#read().then(() => this.#send());
      this.#tickLater();
    });
  }

  async #send(): Promise<void> {
    const { engine } = this.#parts;
    const clear = this.#parts.clearedAt();
    if (!engine.isUp || clear === undefined) return;
    if (clear !== this.#toldClear) this.#told.clear();
    this.#toldClear = clear;
    const groups = this.#changedGroups(clear);
    const whole = groups.size > 0 || this.#hasLearned ? this.#whole(clear) : undefined;
    if (groups.size === 0 && whole === undefined) return;
    const frames = [...groups].map(([group, { bytes }]): [string, Buffer] => [`${engine.node} ${group}`, bytes]);
    const fields = [...frames, ...(whole === undefined ? [] : [[WHOLE_FIELD, whole] as const])].flat();
    const pushed = Buffer.concat(frames.map(([, bytes]) => bytes));
    const args = [this.#channel, String(LIFE_MS), String(FIELDS_MAX), pushed, ...fields];
    try {
      await engine.call('fields_put', [this.#hash], args, { timeoutMs: CALL_MS });
      for (const [group, { text }] of groups) this.#told.set(group, text);
      this.#counts.totalsSent += groups.size;
    } catch {
      this.#counts.failed++;
    }
  }

  #changedGroups(clear: string): Map<string, { readonly text: string; readonly bytes: Buffer }> {
    const { node } = this.#parts.engine;
    const changed = new Map<string, { text: string; bytes: Buffer }>();
    let bytesLeft = SEND_BYTES_MAX;
    for (const [group, rows] of this.#parts.memory.exchange.totals.own()) {
      const text = JSON.stringify(rows);
      if (this.#told.get(group) === text || group.length > NAME_CHARS_MAX || bytesLeft <= 0) continue;
      const bytes = encodeTotal({ node, clear, group, rows });
      bytesLeft -= bytes.length;
      changed.set(group, { text, bytes });
    }
    return changed;
  }

  /** All sums at one moment. Undefined if they are not due, or too large. */
  #whole(clear: string): Buffer | undefined {
    const { clock, memory } = this.#parts;
    if (clock.now() - this.#wholeMs < WHOLE_MS) return undefined;
    this.#wholeMs = clock.now();
    this.#hasLearned = false;
    return encodeWhole(clear, valuesOf(memory.summedParts()), WHOLE_BYTES_MAX);
  }

  async #read(): Promise<void> {
    const { engine, clock } = this.#parts;
    if (this.#isClosed || !engine.isUp || this.#parts.clearedAt() === undefined) return;
    if (clock.now() - this.#readMs < READ_MS) return;
    this.#readMs = clock.now();
    try {
      const listed = await engine.call('fields_read', [this.#hash], [String(LIFE_MS)], { timeoutMs: CALL_MS });
      await this.#takeAll(listed as readonly EngineReply[]);
    } catch {
      this.#readMs = Number.NEGATIVE_INFINITY;
      this.#counts.failed++;
    }
  }

  /** A node that has no evidence first takes over what another one has as a whole, of which totals are a part. */
  async #takeAll(listed: readonly EngineReply[]): Promise<void> {
    const wholeAt = listed.findIndex((field, i) => i % 2 === 0 && String(field) === WHOLE_FIELD);
    if (wholeAt >= 0) this.#takeWhole(listed[wholeAt + 1] as Buffer);
    const fields = new Set<string>();
    await takeFields(listed, this.#parts.clock, (field, value) => {
      fields.add(field);
      if (field !== WHOLE_FIELD) this.#heard(value);
    });
    this.#sendLost(fields);
  }

  /** Sends again what the engine had and has no more: it may have lost its memory. */
  #sendLost(fields: ReadonlySet<string>): void {
    const { memory, engine } = this.#parts;
    for (const group of this.#told.keys()) if (!fields.has(`${engine.node} ${group}`)) this.#told.delete(group);
    if (!fields.has(WHOLE_FIELD) && !memory.exchange.isBlank) this.#hasLearned = true;
  }

  #takeWhole(bytes: Buffer): void {
    const { memory } = this.#parts;
    if (!memory.exchange.isBlank) return;
    const [frame] = framesOf(bytes);
    const whole = frame && decodeWhole(frame);
    if (whole === undefined) return void this.#dropped.poisoned++;
    if (whole.clear !== this.#parts.clearedAt()) return void this.#dropped.cleared++;
    const byName = new Map(memory.summedParts().map((part) => [part.name, part]));
    for (const [name, value] of whole.parts) {
      if (byName.get(name)?.restore(value) === false) this.#dropped.poisoned++;
    }
  }

  #heard(message: Buffer): void {
    for (const frame of framesOf(message)) {
      const total = frame && decodeTotal(frame);
      if (total === undefined) this.#dropped.poisoned++;
      else this.#take(total);
    }
  }

  #take({ node, clear, group, rows }: GroupTotal): void {
    const { memory, engine } = this.#parts;
    if (node === engine.node) return;
    if (clear !== this.#parts.clearedAt()) return void this.#dropped.cleared++;
    const hearing = memory.exchange.totals.hear(node, group, rows);
    if (hearing === 'poisoned') this.#dropped.poisoned++;
    if (hearing !== 'taken') return;
    this.#hasLearned = true;
    this.#counts.totalsReceived++;
    memory.exchange.onLearned();
  }
}

function* valuesOf(parts: readonly LearnedPart[]): Generator<readonly [name: string, value: unknown]> {
  for (const { name, saved } of parts) for (const value of saved()) yield [name, value];
}
