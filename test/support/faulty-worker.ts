import type { ExpertResult, ExpertTask, Task } from '../../src/shared/tasks.ts';
import run from '../../src/workers/worker.ts';

/** The real worker, but for tasks whose model names a fault. */
export type Fault = 'spin' | 'exit' | 'throw-outside' | 'reject' | 'forget';

/** An expert task that may tell when its fault begins: the first word becomes 1. */
export interface FaultyTask extends Omit<ExpertTask, 'cancel'> {
  readonly gate?: SharedArrayBuffer;
}

function commit(fault: string): Promise<ExpertResult> | undefined {
  switch (fault as Fault) {
    case 'spin':
      for (;;);
    case 'exit':
      return process.exit(3);
    case 'throw-outside':
      setImmediate(() => {
        throw new Error('thrown outside of the task');
      });
      return new Promise(() => {});
    case 'reject':
      return Promise.reject(new Error('a bug in the worker'));
    case 'forget':
      return new Promise(() => {});
    default:
      return undefined;
  }
}

export default function runFaulty(task: Task): Promise<ExpertResult | 'ready'> {
  if (task.kind !== 'expert') return run(task);
  const { gate } = task as FaultyTask;
  if (gate !== undefined) {
    const words = new Int32Array(gate);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  }
  return commit(task.model) ?? run(task);
}
