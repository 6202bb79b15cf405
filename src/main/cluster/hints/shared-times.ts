import { crc32 } from 'node:zlib';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { jsonIn } from '../../cache/learned/sealed-text.ts';
import type { ClusterNames, Engine, EngineReply } from '../engine/engine.ts';
import { takeFields } from '../engine/field-turns.ts';
import { framed, framesOf } from '../log/frames.ts';

/** Nodes look at the times of others, and tell theirs, at this interval, in milliseconds. */
const TELL_MS = 10_000;
/** Times are told when this many further answers have come, or this share of those told before. */
const ANSWERS_MIN = 5;
const ANSWERS_SHARE = 0.2;
/** What is told at once, in bytes. The rest follows at the next time. */
const BYTES_MAX = 32_768;
/** Times that nobody has told again for a day are left out. */
const LIFE_MS = 86_400_000;
const FIELDS_MAX = 2_048;
const CALL_MS = 500;
/** Changes when the meaning of the times does. */
const VERSION = 1;

/** The times of one model at one server. */
export interface OwnTimes {
  /** The same at all nodes. */
  readonly name: string;
  /** Number of answers that this node has measured itself. */
  readonly answers: number;
  save(): unknown;
}

/** Where the times of models are known: the endpoints. */
export interface TimesMemory {
  measured(): Iterable<OwnTimes>;
  /** Takes the times of another node as a start, if nothing is known here. */
  adopt(name: string, saved: unknown): 'adopted' | 'known' | 'poisoned';
}

export interface SharedTimesParts {
  readonly engine: Engine;
  readonly names: ClusterNames;
  readonly clock: Clock;
  readonly memory: TimesMemory;
}

export interface TimesStats {
  /** Times of models that this node told. */
  readonly sent: number;
  /** Times of other nodes with which this one started to plan for a model. */
  readonly adopted: number;
  readonly poisoned: number;
  /** Calls to the engine that failed. */
  readonly failed: number;
}

/**
 * Shares the times of models at their servers as hints: a node that has measured nothing of a model starts with those of a neighbour, which count as a
 * few calls. What a node passes on it has measured itself. Nothing is thrown, and nothing waits for it.
 */
export class SharedTimes {
  readonly #parts: SharedTimesParts;
  readonly #hash: string;
  readonly #channel: string;
  readonly #end: () => void;
  /** Number of answers when the times of a name were told last. */
  readonly #told = new Map<string, number>();
  readonly #counts = { sent: 0, adopted: 0, poisoned: 0, failed: 0 };
  /** Checksums of the damaged times of the last reading, by name: each counts once. */
  #poisoned: ReadonlyMap<string, number> = new Map();
  #timer: Timer | undefined;

  constructor(parts: SharedTimesParts) {
    this.#parts = parts;
    const { engine, names } = parts;
    this.#hash = names.key('times');
    this.#channel = names.key('times', 'told');
    this.#end = engine.onChange((isUp) => void (isUp && this.#read()));
    void this.#read();
    this.#tickLater();
  }

  stats(): TimesStats {
    return { ...this.#counts };
  }

  close(): void {
    this.#end();
    this.#timer?.cancel();
  }

  #tickLater(): void {
    this.#timer = this.#parts.clock.setTimer(TELL_MS, () => {
      void this.#read();
      void this.#tell();
      this.#tickLater();
    });
  }

  async #tell(): Promise<void> {
    const { engine } = this.#parts;
    const due = this.#due();
    if (!engine.isUp || due.length === 0) return;
    const fields = due.flatMap(({ name, bytes }) => [name, bytes]);
    const args = [this.#channel, String(LIFE_MS), String(FIELDS_MAX), '', ...fields];
    try {
      await engine.call('fields_put', [this.#hash], args, { timeoutMs: CALL_MS });
      for (const { name, answers } of due) this.#told.set(name, answers);
      this.#counts.sent += due.length;
    } catch {
      this.#counts.failed++;
    }
  }

  #due(): { readonly name: string; readonly answers: number; readonly bytes: Buffer }[] {
    const due = [];
    let bytesLeft = BYTES_MAX;
    for (const { name, answers, save } of this.#parts.memory.measured()) {
      const told = this.#told.get(name) ?? 0;
      if (bytesLeft <= 0 || answers - told < Math.max(ANSWERS_MIN, ANSWERS_SHARE * told)) continue;
      const bytes = framed(Buffer.from(JSON.stringify([VERSION, save()])));
      bytesLeft -= bytes.length;
      due.push({ name, answers, bytes });
    }
    return due;
  }

  async #read(): Promise<void> {
    const { engine, clock } = this.#parts;
    if (!engine.isUp) return;
    try {
      const listed = await engine.call('fields_read', [this.#hash], [String(LIFE_MS)], { timeoutMs: CALL_MS });
      const poisoned = new Map<string, number>();
      await takeFields(listed as readonly EngineReply[], clock, (...field) => this.#take(...field, poisoned));
      this.#poisoned = poisoned;
    } catch {
      this.#counts.failed++;
    }
  }

  #take(name: string, bytes: Buffer, poisoned: Map<string, number>): void {
    const [frame] = framesOf(bytes);
    const [version, saved] = (frame === undefined ? [] : (jsonIn(frame.toString()) ?? [])) as unknown[];
    const outcome = version === VERSION ? this.#parts.memory.adopt(name, saved) : 'poisoned';
    if (outcome === 'adopted') this.#counts.adopted++;
    if (outcome !== 'poisoned') return;
    poisoned.set(name, crc32(bytes));
    if (this.#poisoned.get(name) !== poisoned.get(name)) this.#counts.poisoned++;
  }
}
