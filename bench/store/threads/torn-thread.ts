import { parentPort, workerData } from 'node:worker_threads';
import { randomIndex, seededRandom } from '../../../src/shared/random.ts';
import { type Keys, SealedReader } from '../contestants.ts';
import { awaitStart, MEETING } from '../meeting.ts';

/** A thread that reads sealed decisions while a writer changes them, and counts those that are not whole. */
export interface TornJob {
  readonly buffer: SharedArrayBuffer;
  readonly meeting: Int32Array;
  readonly keys: Keys;
  /** The keys in the order in which they are written, over and over. */
  readonly path: Int32Array;
  readonly reads: number;
  /** The number of this thread, from 0. */
  readonly index: number;
}

/** Reads of one thread by write. With more of them, most reads would find what the read before has found. */
const READS_PER_WRITE = 2;
/** Reads between two looks at how far the writer is. */
const BATCH = 16;
/** Writes made while this thread had no core count up to this number: they cannot be met any more. */
const WRITES_OWED_MAX = 64;
/** How far behind the writer a read may be: 0 is the slot being written now. */
const BEHIND_MAX = 8;
/** Looks at the writer's count, some microseconds of them, before this thread leaves its core to it. */
const SPINS_MAX = 2_000;
const WAIT_MS = 1;

const { buffer, meeting, keys, path, reads, index } = workerData as TornJob;
const reader = new SealedReader(buffer, keys);
const random = seededRandom(index);

/** The writer's count once it is no longer `seen`. */
function nextCount(seen: number): number {
  for (let spins = 0; spins < SPINS_MAX; spins++) {
    const count = Atomics.load(meeting, MEETING.WRITES);
    if (count !== seen) return count;
  }
  // Nobody notifies: the writer is to be slowed by nothing.
  Atomics.wait(meeting, MEETING.WRITES, seen, WAIT_MS);
  return Atomics.load(meeting, MEETING.WRITES);
}

function readAlong(): void {
  let allowed = 0;
  let seen = 0;
  for (let done = 0; done < reads; ) {
    const writes = nextCount(seen);
    allowed = Math.min(allowed + (writes - seen) * READS_PER_WRITE, WRITES_OWED_MAX * READS_PER_WRITE);
    seen = writes;
    for (; allowed >= BATCH && done < reads; allowed -= BATCH) {
      for (let i = 0; i < BATCH; i++) {
        const at = Atomics.load(meeting, MEETING.WRITES) - randomIndex(random, BEHIND_MAX);
        reader.read(path[at & (path.length - 1)] as number);
      }
      done += BATCH;
    }
    Atomics.store(meeting, MEETING.READS + index, done);
  }
}

awaitStart(meeting, 1);
readAlong();
Atomics.add(meeting, MEETING.DONE, 1);
parentPort?.postMessage(reader.counts);
