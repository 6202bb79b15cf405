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

const threads: Worker[] = [];

afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.terminate();
});

/** Starts threads that read `writer`'s store, and resolves when all of them stand at the start. */
async function startReaders(writer: StoreWriter, keys: number, count: number) {
  const meeting = new Int32Array(new SharedArrayBuffer(MEETING.WORDS * 4));
  const reports = Array.from({ length: count }, (_, i) => {
    const job: ReadingJob = { buffer: writer.buffer, meeting: meeting.buffer, keys, seed: 100 + i, nowMs: NOW_MS };
    const thread = new Worker(new URL('../support/store-reading-thread.ts', import.meta.url), { workerData: job });
    threads.push(thread);
    return new Promise<ReadingReport>((resolve, reject) => thread.once('message', resolve).once('error', reject));
  });
  for (let ready = 0; ready < count; ready = Atomics.load(meeting, MEETING.READY)) {
    const { value } = Atomics.waitAsync(meeting, MEETING.READY, ready, READY_WAIT_MS);
    if ((await value) === 'timed-out') throw new Error(`only ${ready} of ${count} threads are ready`);
  }
  return { meeting, reports: Promise.all(reports) };
}

/** Random writes, removals and, seldom, a clearing: expiry, lengths and versions change with every write. */
function writeAtFullSpeed(writer: StoreWriter, keys: number, operations: number, seed: number): void {
  const random = seededRandom(seed);
  for (let version = 0; version < operations; version++) {
    const signature = signatureOf(randomIndex(random, keys));
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
}

// Schedule: the coordinator writes without a pause, and two threads read all the while. More keys than slots, so that
// slots go from key to key under the readers' eyes; in the second store every slot is fought for.
test.each([
  { slots: 64, keys: 96, operations: 150_000 },
  { slots: 2, keys: 3, operations: 150_000 },
])(
  'threads that read $slots slots during $operations writes see no torn decision and none of another key',
  async ({ slots, keys, operations }) => {
    const writer = new StoreWriter(slots);
    const { meeting, reports } = await startReaders(writer, keys, 2);
    Atomics.store(meeting, MEETING.GO, 1);
    Atomics.notify(meeting, MEETING.GO);
    writeAtFullSpeed(writer, keys, operations, 7);
    Atomics.store(meeting, MEETING.DONE, 1);

    const all = await reports;
    const sum = (name: keyof ReadingReport): number => all.reduce((total, report) => total + report[name], 0);
    expect({ torn: sum('torn'), wrongKey: sum('wrongKey') }).toEqual({ torn: 0, wrongKey: 0 });
    expect(readStoreCounts(writer.buffer)).toEqual({ hits: sum('hits'), stale: sum('stale'), misses: sum('misses') });
    // The race took place: the threads saw the store change while they read.
    expect(sum('changes')).toBeGreaterThan(100);
    assertStoreValid(writer.buffer, writer.size);
  },
);
