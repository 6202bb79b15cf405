import { parentPort } from 'node:worker_threads';
import { playSeed, type SeedResult } from './play-seed.ts';
import type { Job, JobEnd } from './runner.ts';

/** Plays what it is sent, one job after the other. */
async function play({ id, cell, name, seeds, features }: Job): Promise<JobEnd> {
  const results: SeedResult[] = [];
  try {
    for (const seed of seeds) results.push(await playSeed(cell, name, seed, features));
  } catch (error) {
    return { id, error: (error as Error).stack ?? String(error) };
  }
  return { id, results };
}

parentPort?.on('message', (job: Job) => void play(job).then((end) => parentPort?.postMessage(end)));
