import { Worker } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { fillStore, openReader, readAction, signStates } from '../contestants.ts';
import { ratioFigure, type Say, sayTimes, speedRatios, type Times } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';
import type { Coordinator, HostJob } from '../threads/host-thread.ts';

/** A host thread reads the store itself, against asking the coordinator through comlink for the same decision. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const entries = quick ? 1_000 : 10_000;
  say(`host-read: ${entries} entries, random keys, from a host thread`);
  const { buffer } = fillStore(signStates(entries));
  const reader = openReader(buffer);
  const workerData: HostJob = { buffer, entries, rounds, quick };
  const thread = new Worker(new URL('../threads/host-thread.ts', import.meta.url), { workerData });
  const { promise, resolve, reject } = Promise.withResolvers<readonly Times[]>();
  const coordinator: Coordinator = { read: (key) => readAction(reader, key), say, finish: resolve };
  expose(coordinator, nodeEndpoint(thread));
  thread.once('error', reject);
  const times = await promise;
  await thread.terminate();
  sayTimes(say, times);
  const [store, alone, inFlight] = times as [Times, Times, Times];
  const againstAlone = ratioFigure(say, `speed of the store / ${alone.name}`, speedRatios(store, alone));
  const againstInFlight = ratioFigure(say, `speed of the store / ${inFlight.name}`, speedRatios(store, inFlight));
  return {
    // Against the better use of comlink.
    hostReadVsComlink: Math.min(againstAlone, againstInFlight),
    hostReadVsComlinkAlone: againstAlone,
    hostReadVsComlinkInFlight: againstInFlight,
  };
}
