import { parentPort, workerData } from 'node:worker_threads';
import { inOrder, openReader, readStore, signStates } from '../contestants.ts';
import { awaitStart } from '../meeting.ts';
import { randomOrder } from '../states.ts';

/** A thread that reads random keys of a store for a while, whenever it is told to. */
export interface ReadingJob {
  readonly buffer: SharedArrayBuffer;
  readonly meeting: Int32Array;
  readonly entries: number;
  readonly seed: number;
}

export interface ReadingOrder {
  /** The number of the start to wait for. */
  readonly nth: number;
  readonly durationMs: number;
}

/** Reads between two looks at the clock. */
const BATCH = 4_096;
const BATCHES = 64;

const { buffer, meeting, entries, seed } = workerData as ReadingJob;
const reader = openReader(buffer);
const ordered = inOrder(signStates(entries), randomOrder(BATCH * BATCHES, entries, seed));

/** Reads a second. */
function read({ nth, durationMs }: ReadingOrder): number {
  awaitStart(meeting, nth);
  const startedAtMs = performance.now();
  let elapsedMs = 0;
  let batches = 0;
  do {
    const from = (batches++ % BATCHES) * BATCH;
    readStore(reader, ordered, from, from + BATCH);
    elapsedMs = performance.now() - startedAtMs;
  } while (elapsedMs < durationMs);
  return (batches * BATCH * 1000) / elapsedMs;
}

parentPort?.on('message', (order: ReadingOrder) => parentPort?.postMessage(read(order)));
