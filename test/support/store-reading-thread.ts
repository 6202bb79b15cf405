import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { Decision } from '../../src/shared/decision.ts';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { type Signature, signatureText } from '../../src/shared/signature.ts';
import { type StoreEntry, StoreReader } from '../../src/shared/store/store-reader.ts';
import { signatureOf } from './decisions.ts';

/** A thread that looks up random keys in a store while another one writes it, and judges what it gets. */
export interface ReadingJob {
  readonly buffer: SharedArrayBuffer;
  /** One word a `MEETING`. */
  readonly meeting: SharedArrayBuffer;
  readonly keys: number;
  /** How often it looks at least. It goes on, up to `lookupsMax`, until it has seen `changesMin` changes. */
  readonly lookupsMin: number;
  readonly lookupsMax: number;
  readonly changesMin: number;
  readonly seed: number;
  /** Expiries are above or below it. */
  readonly nowMs: number;
}

export interface ReadingReport {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
  /** Decisions whose checksum is not theirs, or that could not be decoded. */
  readonly torn: number;
  /** Whole decisions of another key. */
  readonly wrongKey: number;
  /** Decisions that are older than one of the same key that this thread had before. */
  readonly older: number;
  /** Lookups that gave something another lookup of this thread had not given: the writer was at work. */
  readonly changes: number;
}

/** READY counts the threads that stand at the start; the writer sets GO; DONE counts those that have read all. */
export const MEETING = { READY: 0, GO: 1, DONE: 2, WORDS: 3 } as const;
const GO_WAIT_MS = 10_000;

/** The reason of the nth decision of a key: both, some filling, and the checksum over all of it. */
export function sealedReason(key: string, version: number, filling: string): string {
  const text = `${key} ${version} ${filling}`;
  return `${text} ${checksum(text)}`;
}

function checksum(text: string): string {
  return createHash('md5').update(text).digest('hex').slice(0, 8);
}

class Judge {
  readonly counts = { hits: 0, stale: 0, misses: 0, torn: 0, wrongKey: 0, older: 0, changes: 0 };
  readonly #nowMs: number;
  /** By key: the last decision, and its version. */
  readonly #last = new Map<Signature, { decision: Decision; version: number }>();

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  /** A decision is judged once, however often it is given. */
  see(signature: Signature, entry: StoreEntry): void {
    const last = this.#last.get(signature);
    if (entry.decision === last?.decision) return;
    const { reason, action, model } = entry.decision;
    const end = reason.lastIndexOf(' ');
    const text = reason.slice(0, end);
    const [key, version] = text.split(' ');
    const isFresh = entry.expiresAtMs > this.#nowMs;
    // An even version is written fresh, an odd one expired: the expiry belongs to the payload too.
    const isWhole =
      checksum(text) === reason.slice(end + 1) &&
      action === `do ${version}` &&
      model === action &&
      isFresh === (Number(version) % 2 === 0);
    if (!isWhole) this.counts.torn++;
    else if (key !== signatureText(signature)) this.counts.wrongKey++;
    else if (last !== undefined && Number(version) < last.version) this.counts.older++;
    if (Number(version) !== last?.version) this.counts.changes++;
    this.#last.set(signature, { decision: entry.decision, version: Number(version) });
  }
}

function read({ buffer, meeting, keys, seed, nowMs, lookupsMin, lookupsMax, changesMin }: ReadingJob): ReadingReport {
  const words = new Int32Array(meeting);
  const reader = new StoreReader(buffer);
  const random = seededRandom(seed);
  const signatures = Array.from({ length: keys }, (_, id) => signatureOf(id));
  const judge = new Judge(nowMs);
  const { counts } = judge;
  Atomics.add(words, MEETING.READY, 1);
  Atomics.notify(words, MEETING.READY);
  if (Atomics.wait(words, MEETING.GO, 0, GO_WAIT_MS) === 'timed-out') throw new Error('the writer never began');
  for (let i = 0; i < lookupsMin || (i < lookupsMax && counts.changes < changesMin); i++) {
    const signature = signatures[randomIndex(random, keys)] as Signature;
    try {
      const lookup = reader.lookup(signature, nowMs);
      if (lookup.kind === 'hit') counts.hits++;
      else if (lookup.kind === 'stale') counts.stale++;
      else counts.misses++;
      if (lookup.kind !== 'miss') judge.see(signature, lookup.entry);
    } catch {
      counts.torn++;
    }
  }
  Atomics.add(words, MEETING.DONE, 1);
  return counts;
}

// The test imports this file too, for what both sides agree on; there it is no worker's entry.
if (isReadingJob(workerData)) parentPort?.postMessage(read(workerData));

function isReadingJob(data: unknown): data is ReadingJob {
  return data !== null && typeof data === 'object' && 'meeting' in data;
}
