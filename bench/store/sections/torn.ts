import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { rounded } from '../../figures.ts';
import { type SealedCounts, SealedWriter, signStates } from '../contestants.ts';
import { giveStart, MEETING, newMeeting } from '../meeting.ts';
import { Progress, type Say } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';
import { randomOrder } from '../states.ts';
import type { TornJob } from '../threads/torn-thread.ts';

/**
 * Readers against a writer at full speed. They follow it: most reads go to the slot that it is in, or to those that it
 * has just left. Fewer slots than keys, so that slots change hands. With three threads on two cores the writer is also
 * stopped in the middle.
 */
const KEYS = 64;
const SLOTS = 60;
const READERS = 2;
/** Keys in the order in which they are written, over and over. A power of two. */
const PATH_LENGTH = 4_096;
const WRITES_PER_LOOK = 1_024;

export async function run({ tornReads }: Settings, say: Say): Promise<Figures> {
  say(`torn: ${tornReads} reads by ${READERS} threads of ${KEYS} keys in ${SLOTS} slots, one writer at full speed`);
  const keys = signStates(KEYS);
  const writer = new SealedWriter(SLOTS, keys);
  const path = randomOrder(PATH_LENGTH, KEYS, 3);
  for (let key = 0; key < KEYS; key++) writer.write(key);
  const meeting = newMeeting();
  const threads = Array.from({ length: READERS }, (_, i) => {
    const share = Math.floor(tornReads / READERS);
    const reads = i === 0 ? tornReads - share * (READERS - 1) : share;
    const workerData: TornJob = { buffer: writer.buffer, meeting, keys, path, reads, index: i };
    return new Worker(new URL('../threads/torn-thread.ts', import.meta.url), { workerData });
  });
  const reports = threads.map((thread) => once(thread, 'message') as Promise<[SealedCounts]>);
  await giveStart(meeting, 1, READERS);
  const startedAtMs = performance.now();
  const progress = new Progress(say);
  let writes = 0;
  while (Atomics.load(meeting, MEETING.DONE) < READERS) {
    for (let i = 0; i < WRITES_PER_LOOK; i++) {
      Atomics.store(meeting, MEETING.WRITES, writes);
      writer.write(path[writes++ % PATH_LENGTH] as number);
    }
    progress.at(() => `${readsSoFar(meeting)} reads, ${writes} writes`);
  }
  const elapsedMs = performance.now() - startedAtMs;
  const counts = (await Promise.all(reports)).map(([count]) => count);
  const sum = (of: keyof SealedCounts): number => counts.reduce((total, count) => total + count[of], 0);
  const [reads, misses, changed, torn] = [sum('reads'), sum('misses'), sum('changed'), sum('torn')];
  const share = (part: number): string => `${((100 * part) / reads).toFixed(1)} %`;
  say(`  ${reads} reads and ${writes} writes in ${(elapsedMs / 1000).toFixed(1)} s`);
  say(`  of the reads ${share(changed)} met a changed slot, ${share(misses)} missed; ${torn} were torn`);
  return {
    torn,
    tornReads: reads,
    tornReadsChanged: changed,
    tornReadsMissed: misses,
    tornWrites: writes,
    tornWritesPerSecond: rounded((writes * 1000) / elapsedMs),
  };
}

function readsSoFar(meeting: Int32Array): number {
  return Atomics.load(meeting, MEETING.READS) + Atomics.load(meeting, MEETING.READS + 1);
}
