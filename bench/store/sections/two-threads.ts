import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { median, rounded } from '../../figures.ts';
import { fillStore, signStates } from '../contestants.ts';
import { giveStart, newMeeting } from '../meeting.ts';
import { Progress, ratioFigure, type Say, spread } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';
import type { ReadingJob, ReadingOrder } from '../threads/reading-thread.ts';

/** Reads a second of two threads at once over those of one thread, random keys. The coordinator sleeps. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const entries = quick ? 4_000 : 100_000;
  const durationMs = quick ? 50 : 400;
  say(`two-threads: ${entries} entries, random keys, each thread with a reader of its own`);
  const { buffer } = fillStore(signStates(entries));
  const meeting = newMeeting();
  const threads = [1, 2].map((seed) => {
    const workerData: ReadingJob = { buffer, meeting, entries, seed };
    return new Worker(new URL('../threads/reading-thread.ts', import.meta.url), { workerData });
  });
  let nth = 0;
  /** Reads a second of all who read, in sum. */
  const readWith = async (readers: readonly Worker[]): Promise<number> => {
    nth++;
    const rates = readers.map((reader) => once(reader, 'message'));
    for (const reader of readers) reader.postMessage({ nth, durationMs } satisfies ReadingOrder);
    await giveStart(meeting, nth, readers.length);
    const answers = (await Promise.all(rates)) as [number][];
    return answers.reduce((sum, [rate]) => sum + rate, 0);
  };
  const progress = new Progress(say);
  const [first, second] = threads as [Worker, Worker];
  for (let i = 0; i < (quick ? 1 : 4); i++) await readWith(threads);
  const one: number[] = [];
  const two: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const firstAlone = await readWith([first]);
    const together = await readWith(threads);
    const secondAlone = await readWith([second]);
    one.push((firstAlone + secondAlone) / 2);
    two.push(together);
    progress.at(() => `round ${round + 1} of ${rounds}`);
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
  const millions = (rates: readonly number[]): number[] => rates.map((rate) => rate / 1e6);
  say(`  one thread   ${spread(millions(one))} million reads a second`);
  say(`  two threads  ${spread(millions(two))} million reads a second`);
  const ratios = two.map((rate, round) => rate / (one[round] as number));
  return {
    twoThreads: ratioFigure(say, 'two threads / one', ratios),
    oneThreadReadsPerSecond: rounded(median(one)),
  };
}
