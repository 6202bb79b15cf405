/**
 * Runs threads, written as generators, in every order their steps can take. A generator yields before each access to
 * shared memory, so that one step is exactly one access; what it does between two accesses is its own. Sequential
 * consistency only: each access takes effect at once, for all. After each run the stage's `check` judges the outcome.
 * For a weaker memory a thread first takes its accesses in each of the `everyOrder`.
 */
export interface Stage {
  readonly threads: readonly Iterator<void, void>[];
  /** `schedule` names the thread of each step, to put into a message. */
  check(schedule: string): void;
}

/** How many orders there were. Each begins on a new stage, for a generator cannot be copied in the middle. */
export function everyInterleaving(setUp: () => Stage, runsMax = 2_000_000): number {
  let prefix: readonly number[] = [];
  for (let runs = 1; runs <= runsMax; runs++) {
    const stage = setUp();
    const live = stage.threads.map((steps, thread) => ({ steps, thread })).filter(({ steps }) => !steps.next().done);
    const choices: number[] = [];
    const widths: number[] = [];
    let schedule = '';
    while (live.length > 0) {
      const choice = prefix[choices.length] ?? 0;
      widths.push(live.length);
      choices.push(choice);
      const { steps, thread } = live[choice] as (typeof live)[number];
      schedule += thread;
      if (steps.next().done) live.splice(choice, 1);
    }
    stage.check(schedule);
    // The next order: the last choice that had another thread to take takes it, all before stay.
    let last = choices.length - 1;
    while (last >= 0 && (choices[last] as number) + 1 === widths[last]) last--;
    if (last < 0) return runs;
    prefix = [...choices.slice(0, last), (choices[last] as number) + 1];
  }
  throw new Error(`more than ${runsMax} interleavings: take a smaller stage`);
}

/**
 * Every order in which the accesses of one thread may take effect, where a later one may pass an earlier one only if
 * `mayPass` says so.
 */
export function everyOrder<T>(accesses: readonly T[], mayPass: (later: T, earlier: T) => boolean): T[][] {
  if (accesses.length === 0) return [[]];
  return accesses.flatMap((next, i) => {
    if (!accesses.slice(0, i).every((earlier) => mayPass(next, earlier))) return [];
    return everyOrder(accesses.toSpliced(i, 1), mayPass).map((rest) => [next, ...rest]);
  });
}
