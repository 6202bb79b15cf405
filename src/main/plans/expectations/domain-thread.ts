import { Piscina } from 'piscina';
import type { LoadTask, NextSetup, NextStates, NextTask } from '../../../shared/next-states.ts';

/** Computes next states; tests use one without a thread. */
export interface NextRunner {
  /** Rejects with whatever the domain's functions throw. */
  run(task: NextTask, signal: AbortSignal): Promise<NextStates>;
  close(): Promise<void>;
}

/** Memory for the objects of a domain's module, in MiB. */
const HEAP_MIB_MAX = 256;

function threadUrl(): URL {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`../../../workers/next-states.${ending}`, import.meta.url);
}

/**
 * One thread that runs a domain's own module. Its tasks have signals, unlike those of the expert pool: it runs foreign code, and an
 * abort must end even an endless loop. It has no environment variables.
 */
export class DomainThread implements NextRunner {
  readonly #piscina: Piscina;

  constructor(url: string) {
    this.#piscina = new Piscina({
      filename: threadUrl().href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      workerData: { url } satisfies NextSetup,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    });
    // A thread that failed without a task: the next task fails too.
    this.#piscina.on('error', () => {});
  }

  /** Resolves when the module is loaded. Rejects if it cannot be, or lacks a function. */
  async load(signal: AbortSignal): Promise<void> {
    await this.#piscina.run({ kind: 'load' } satisfies LoadTask, { signal });
  }

  run(task: NextTask, signal: AbortSignal): Promise<NextStates> {
    return this.#piscina.run(task, { signal });
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}
