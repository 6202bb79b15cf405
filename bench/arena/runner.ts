import { Worker } from 'node:worker_threads';
import { type ContestantName, contestant, type Features } from './contestants.ts';
import type { Cell, SeedResult } from './play-seed.ts';
import type { CellResults } from './verdict.ts';

/** One contestant plays some seeds of a cell. */
export interface Job {
  readonly id: number;
  readonly cell: Cell;
  readonly name: ContestantName;
  readonly seeds: readonly number[];
  readonly features: Features;
}

export type JobEnd = { readonly id: number } & (
  | { readonly results: readonly SeedResult[] }
  | { readonly error: string }
);

export interface Run {
  readonly cells: readonly Cell[];
  readonly contestants: readonly ContestantName[];
  readonly seeds: readonly number[];
  readonly features: Features;
  readonly threads: number;
  readonly onProgress: (done: number, of: number) => void;
}

/** Whether anything of a cell makes a difference to who plays; the others need to play each world only once. */
function partOf(cell: Cell, name: ContestantName): string {
  const { world, ratio, latency, values, reads } = cell;
  if (name === 'default' || name === 'zero') return world;
  if (name === 'bestQ') return `${world} values`;
  const readable = reads === undefined ? '' : ` ${reads.share} ${reads.skill}`;
  return `${world} ${ratio} ${latency} ${values}${readable}`;
}

/** All contestants of all cells, on several threads. What comes out does not depend on how many. */
export async function runCells(run: Run): Promise<CellResults[]> {
  const jobs = new Map<string, Job>();
  const keyOf = (cell: Cell, name: ContestantName): string => `${name} ${partOf(cell, name)}`;
  for (const cell of run.cells) {
    for (const name of playersIn(cell, run.contestants)) {
      const key = keyOf(cell, name);
      if (!jobs.has(key)) jobs.set(key, { id: jobs.size, cell, name, seeds: run.seeds, features: run.features });
    }
  }
  const ends = await runJobs([...jobs.values()], run.threads, run.onProgress);
  return run.cells.map((cell) => ({
    cell,
    results: Object.fromEntries(
      playersIn(cell, run.contestants).map((name) => [name, ends.get((jobs.get(keyOf(cell, name)) as Job).id)]),
    ) as CellResults['results'],
  }));
}

function playersIn({ values }: Cell, names: readonly ContestantName[]): ContestantName[] {
  return names.filter((name) => (contestant(name).values ?? values) === values);
}

async function runJobs(
  jobs: readonly Job[],
  threads: number,
  onProgress: Run['onProgress'],
): Promise<Map<number, readonly SeedResult[]>> {
  const ends = new Map<number, readonly SeedResult[]>();
  let next = 0;
  const lane = async (): Promise<void> => {
    const worker = new Worker(new URL('./seed-thread.ts', import.meta.url));
    const failed = new Promise<never>((_, reject) => worker.once('error', reject));
    try {
      while (next < jobs.length) {
        const job = jobs[next++] as Job;
        const answered = new Promise<JobEnd>((resolve) => worker.once('message', resolve));
        worker.postMessage(job);
        const end = await Promise.race([answered, failed]);
        if ('error' in end) throw new Error(`${job.name} in ${JSON.stringify(job.cell)}: ${end.error}`);
        ends.set(end.id, end.results);
        onProgress(ends.size, jobs.length);
      }
    } finally {
      failed.catch(() => {});
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, lane));
  return ends;
}
