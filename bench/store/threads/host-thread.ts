import { parentPort, workerData } from 'node:worker_threads';
import { wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Decision } from '../../../src/shared/decision.ts';
import { inFlight } from '../../figures.ts';
import { inOrder, keyAt, openReader, readStore, signStates } from '../contestants.ts';
import { playRounds, type Say, type Times } from '../rounds.ts';
import { randomOrder } from '../states.ts';

/** A host thread: reads the store itself, and asks the coordinator to read it. */
export interface HostJob {
  readonly buffer: SharedArrayBuffer;
  readonly entries: number;
  readonly rounds: number;
  readonly quick: boolean;
}

/** What the coordinator exposes. */
export interface Coordinator {
  read(key: Int32Array): Decision;
  say(line: string): void;
  finish(times: readonly Times[]): void;
}

const IN_FLIGHT = 64;

const { buffer, entries, rounds, quick } = workerData as HostJob;
if (parentPort === null) throw new Error('this is the entry of a worker thread');
const coordinator = wrap<Coordinator>(nodeEndpoint(parentPort));
const reads = quick ? 8_000 : 200_000;
const calls = quick ? 200 : 4_000;
const keys = signStates(entries);
const reader = openReader(buffer);
const ordered = inOrder(keys, randomOrder(reads, entries, 1));
const asked = Array.from(randomOrder(calls, entries, 2), (index) => keyAt(keys, index));

let chars = 0;
const call = async (index: number): Promise<void> => {
  chars += (await coordinator.read(asked[index] as Int32Array)).action.length;
};
const throughComlink = (width: number) => async (): Promise<number> => {
  chars = 0;
  await inFlight(calls, width, call);
  return chars;
};
const say: Say = (line) => void coordinator.say(line);
const times = await playRounds(
  [
    { name: 'store', operations: reads, turn: () => readStore(reader, ordered, 0, reads) },
    { name: 'comlink, one call at a time', operations: calls, turn: throughComlink(1) },
    { name: `comlink, ${IN_FLIGHT} calls in flight`, operations: calls, turn: throughComlink(IN_FLIGHT) },
  ],
  rounds,
  quick ? 1 : 4,
  say,
);
await coordinator.finish(times);
