import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { StoreWriter } from '../../src/main/cache/store-writer.ts';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { signatureText } from '../../src/shared/signature.ts';
import { readStoreCounts } from '../../src/shared/store/store-reader.ts';
import { assertStoreValid } from '../support/assert-store-valid.ts';
import { decision, signatureOf } from '../support/decisions.ts';
import { MEETING, type ReadingJob, type ReadingReport, sealedReason } from '../support/store-reading-thread.ts';

const NOW_MS = 1_000;
const READY_WAIT_MS = 10_000;
const READERS = 2;
const LOOKUPS_MIN = 500_000;
/** The threads may have read that often before the writer has its first turn, on a machine with other work. */
const LOOKUPS_MAX = 200_000_000;
const CHANGES_MIN = 1_000;
/** Far more than the writer gets to while the threads read: only a thread that died lets it come to that. */
const WRITES_MAX = 20_000_000;
const WRITES_PER_LOOK = 64;

const threads: Worker[] = [];

afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.terminate();
});

/** Starts threads that read `writer`'s store, and resolves when all of them stand at the start. */
async function startReaders(writer: StoreWriter, keys: number) {
  const meeting = new Int32Array(new SharedArrayBuffer(MEETING.WORDS * 4));
  const reports = Array.from({ length: READERS }, (_, i) => {
    const workerData: ReadingJob = {
      buffer: writer.buffer,
      meeting: meeting.buffer,
      keys,
      lookupsMin: LOOKUPS_MIN,
      lookupsMax: LOOKUPS_MAX,
      changesMin: CHANGES_MIN,
      seed: 100 + i,
      nowMs: NOW_MS,
    };
    const thread = new Worker(new URL('../support/store-reading-thread.ts', import.meta.url), { workerData });
    threads.push(thread);
    return new Promise<ReadingReport>((resolve, reject) => thread.once('message', resolve).once('error', reject));
  });
  for (let ready = 0; ready < READERS; ready = Atomics.load(meeting, MEETING.READY)) {
    const { value } = Atomics.waitAsync(meeting, MEETING.READY, ready, READY_WAIT_MS);
    if ((await value) === 'timed-out') throw new Error(`only ${ready} of ${READERS} threads are ready`);
  }
  return { meeting, reports: Promise.all(reports) };
}

/**
 * Random writes, removals and, seldom, a clearing, until all threads have read: expiry, lengths and versions change with
 * every write.
 */
function writeUntilAllHaveRead(writer: StoreWriter, keys: number, meeting: Int32Array): void {
  const random = seededRandom(7);
  const signatures = Array.from({ length: keys }, (_, id) => signatureOf(id));
  for (let version = 0; version < WRITES_MAX; version++) {
    if (version % WRITES_PER_LOOK === 0 && Atomics.load(meeting, MEETING.DONE) === READERS) return;
    const signature = signatures[randomIndex(random, keys)] as Int32Array;
    const choice = random.next();
    if (choice < 0.95) {
      const action = `do ${version}`;
      const filling = 'x'.repeat(randomIndex(random, 220));
      const reason = sealedReason(signatureText(signature), version, filling);
      const expiresAtMs = version % 2 === 0 ? NOW_MS + 1 : NOW_MS;
      writer.write(signature, decision({ action, model: action, reason, tally: [] }), expiresAtMs);
    } else if (choice < 0.9999) writer.remove(signature);
    else writer.clear();
  }
  throw new Error(`the threads have not read enough in ${WRITES_MAX} writes`);
}

// Schedule: the coordinator writes without a pause, and two threads read all the while. More keys than slots, so that
// slots go from key to key under the readers' eyes; in the second store every slot is fought for, in the third there is
// nothing but one slot that is written over.
test.each([
  { slots: 64, keys: 96 },
  { slots: 2, keys: 3 },
  { slots: 1, keys: 1 },
])(
  'threads that look $keys keys up in $slots slots, while these are written, see no torn, strange or older decision',
  async ({ slots, keys }) => {
    const writer = new StoreWriter(slots);
    const { meeting, reports } = await startReaders(writer, keys);
    Atomics.store(meeting, MEETING.GO, 1);
    Atomics.notify(meeting, MEETING.GO);
    writeUntilAllHaveRead(writer, keys, meeting);

    const all = await reports;
    const sum = (name: keyof ReadingReport): number => all.reduce((total, report) => total + report[name], 0);
    const bad = { torn: sum('torn'), wrongKey: sum('wrongKey'), older: sum('older') };
    expect(bad).toEqual({ torn: 0, wrongKey: 0, older: 0 });
    expect(readStoreCounts(writer.buffer)).toEqual({ hits: sum('hits'), stale: sum('stale'), misses: sum('misses') });
    expect(sum('hits') + sum('stale') + sum('misses')).toBeGreaterThanOrEqual(READERS * LOOKUPS_MIN);
    // The race took place: the threads saw the store change while they read.
    for (const { changes } of all) expect(changes).toBeGreaterThanOrEqual(CHANGES_MIN);
    assertStoreValid(writer.buffer, writer.size);
  },
);
