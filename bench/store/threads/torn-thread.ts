import { parentPort, workerData } from 'node:worker_threads';
import { randomIndex, seededRandom } from '../../../src/shared/random.ts';
import { type Keys, SealedReader } from '../contestants.ts';
import { awaitStart, MEETING } from '../meeting.ts';

/** A thread that reads sealed decisions while a writer changes them, and counts those that are not whole. */
export interface TornJob {
  readonly buffer: SharedArrayBuffer;
  readonly meeting: Int32Array;
  readonly keys: Keys;
  readonly keyCount: number;
  readonly reads: number;
  readonly seed: number;
}

const { buffer, meeting, keys, keyCount, reads, seed } = workerData as TornJob;
const reader = new SealedReader(buffer, keys);
const random = seededRandom(seed);

awaitStart(meeting, 1);
for (let i = 1; i <= reads; i++) {
  reader.read(randomIndex(random, keyCount));
  if (i % 1_000_000 === 0) Atomics.add(meeting, MEETING.READS_MILLION, 1);
}
Atomics.add(meeting, MEETING.DONE, 1);
parentPort?.postMessage(reader.counts);
