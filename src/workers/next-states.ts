import { Console } from 'node:console';
import { workerData } from 'node:worker_threads';
import { systemClock } from '../shared/clock.ts';
import type { Observation } from '../shared/domain.ts';
import { describeValue } from '../shared/errors.ts';
import type { NextTask } from '../shared/next-states.ts';
import {
  type LoadTask,
  NEXT_CALL_MS_MAX,
  NEXT_STATES_MAX,
  type NextSetup,
  type NextStates,
} from '../shared/next-states.ts';

/** The thread of a domain's own module. What the module throws rejects the task; the coordinator decides what follows from that. */
interface NextModule {
  next(observation: Observation, action: string): unknown;
  nextActions(observation: unknown): unknown;
}

// Standard output may carry a protocol.
globalThis.console = new Console(process.stderr);

let loading: Promise<NextModule> | undefined;

async function load(): Promise<NextModule> {
  const module = (await import((workerData as NextSetup).url)) as Record<string, unknown>;
  for (const name of ['next', 'nextActions']) {
    if (typeof module[name] !== 'function') throw new TypeError(`its export ${name} is ${describeValue(module[name])}`);
  }
  return module as unknown as NextModule;
}

/** Calls a function, and counts it if it is slow. */
class Stopwatch {
  slow = 0;

  time<T>(call: () => T): T {
    const startMs = systemClock.now();
    const value = call();
    if (systemClock.now() - startMs > NEXT_CALL_MS_MAX) this.slow++;
    return value;
  }
}

function nextOf({ next, nextActions }: NextModule, { observation, action }: NextTask): NextStates {
  const watch = new Stopwatch();
  const found = watch.time(() => next(observation, action));
  if (!Array.isArray(found))
    throw new TypeError(`next must return a list of observations, got ${describeValue(found)}`);
  const states = found.slice(0, NEXT_STATES_MAX).map((state: unknown) => {
    return { observation: state, actions: watch.time(() => nextActions(state)) };
  });
  return { states, left: found.length - states.length, slow: watch.slow };
}

export default async function run(task: NextTask | LoadTask): Promise<NextStates | 'loaded'> {
  loading ??= load();
  const module = await loading;
  switch (task.kind) {
    case 'next':
      return nextOf(module, task);
    case 'load':
      return 'loaded';
    default:
      return task satisfies never;
  }
}
