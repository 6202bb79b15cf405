import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { signatureText } from '../../src/shared/signature.ts';
import { StoreReader } from '../../src/shared/store/store-reader.ts';
import { signatureOf } from './decisions.ts';

/** A thread that looks up random keys in a store for as long as another one writes it, and judges what it gets. */
export interface ReadingJob {
  readonly buffer: SharedArrayBuffer;
  /** One word a `MEETING`. */
  readonly meeting: SharedArrayBuffer;
  readonly keys: number;
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
  /** Lookups that gave something another lookup of this thread had not given: the writer was at work. */
  readonly changes: number;
}

/** READY counts the threads that stand at the start; the writer sets GO, and DONE when it has written everything. */
export const MEETING = { READY: 0, GO: 1, DONE: 2, WORDS: 3 } as const;
const GO_WAIT_MS = 10_000;
/** Far more than a thread gets to while the writer works. */
const LOOKUPS_MAX = 50_000_000;

/** The reason of the nth decision of a key: both, some filling, and the checksum over all of it. */
export function sealedReason(key: string, version: number, filling: string): string {
  const text = `${key} ${version} ${filling}`;
  return `${text} ${checksum(text)}`;
}

function checksum(text: string): string {
  return createHash('md5').update(text).digest('hex').slice(0, 8);
}

function read({ buffer, meeting, keys, seed, nowMs }: ReadingJob): ReadingReport {
  const words = new Int32Array(meeting);
  const reader = new StoreReader(buffer);
  const random = seededRandom(seed);
  const report = { hits: 0, stale: 0, misses: 0, torn: 0, wrongKey: 0, changes: 0 };
  const last = new Map<string, string>();
  Atomics.add(words, MEETING.READY, 1);
  Atomics.notify(words, MEETING.READY);
  if (Atomics.wait(words, MEETING.GO, 0, GO_WAIT_MS) === 'timed-out') throw new Error('the writer never began');
  for (let lookups = 0; lookups < LOOKUPS_MAX && Atomics.load(words, MEETING.DONE) === 0; lookups++) {
    const signature = signatureOf(randomIndex(random, keys));
    const key = signatureText(signature);
    try {
      const lookup = reader.lookup(signature, nowMs);
      if (lookup.kind === 'miss') {
        report.misses++;
        continue;
      }
      if (lookup.kind === 'hit') report.hits++;
      else report.stale++;
      const { reason, action, model } = lookup.entry.decision;
      const end = reason.lastIndexOf(' ');
      const text = reason.slice(0, end);
      const whole =
        checksum(text) === reason.slice(end + 1) && action === `do ${text.split(' ')[1]}` && model === action;
      const isFresh = lookup.entry.expiresAtMs > nowMs;
      // An even version is written fresh, an odd one expired: the expiry belongs to the payload too.
      if (!whole || isFresh !== (Number(text.split(' ')[1]) % 2 === 0)) report.torn++;
      else if (!text.startsWith(`${key} `)) report.wrongKey++;
      if (last.get(key) !== text) report.changes++;
      last.set(key, text);
    } catch {
      report.torn++;
    }
  }
  return report;
}

// The test imports this file too, for what both sides agree on; there it is no worker's entry.
if (isReadingJob(workerData)) parentPort?.postMessage(read(workerData));

function isReadingJob(data: unknown): data is ReadingJob {
  return data !== null && typeof data === 'object' && 'meeting' in data;
}
