import { Worker } from 'node:worker_threads';
import type { Clock } from '../../shared/clock.ts';
import { entryUrl } from '../../shared/entry-url.ts';
import { decodeError, type ErrorWire, PlannerError } from '../../shared/errors.ts';

/** The command line's options for the simulated model server. Its own options (src/workers/simulator/options.ts) have more, and check these. */
interface EmbeddedSimulatorOptions {
  readonly port?: number;
  readonly host?: string;
  readonly seed?: number;
  /** Speed as a multiple of real time. */
  readonly speed?: number;
  readonly slots?: number;
  readonly flavour?: string;
  /** A form of reads that it answers, `all`, or `none`. */
  readonly reads?: string;
  readonly models?: readonly { readonly id: string; readonly [setting: string]: unknown }[];
  readonly rates?: Readonly<Record<string, number>>;
}

export interface EmbeddedSimulator extends AsyncDisposable {
  readonly port: number;
  readonly baseURL: string;
  /** Rejects if the thread ends before it is closed; never resolves. */
  readonly failed: Promise<never>;
  /** Returns the server's counters, if it reported them. Bounded: a thread that does not end is terminated. */
  close(): Promise<Readonly<Record<string, unknown>> | undefined>;
}

/** Messages from the thread (src/workers/simulator/simulator-thread.ts). */
type Reply =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly error: ErrorWire }
  | { readonly kind: 'closed'; readonly stats: Readonly<Record<string, unknown>> };

const CLOSE_MS = 2_000;

/** Starts the simulated model server in a worker thread. Throws the thread's error if its options are invalid or its port is taken. */
export async function startEmbeddedSimulator(
  options: EmbeddedSimulatorOptions,
  clock: Clock,
): Promise<EmbeddedSimulator> {
  const url = entryUrl(import.meta.url, '../../workers/simulator/simulator-thread');
  const worker = new Worker(url, { workerData: options, name: 'simulator' });
  const thread = new SimulatorThread(worker, clock);
  const port = await thread.ready;
  const close = (): Promise<Readonly<Record<string, unknown>> | undefined> => thread.close();
  const host = options.host ?? '127.0.0.1';
  return {
    port,
    baseURL: `http://${host.includes(':') ? `[${host}]` : host}:${port}/v1`,
    failed: thread.failed,
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}

class SimulatorThread {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #ready = Promise.withResolvers<number>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #exited = Promise.withResolvers<void>();
  #stats: Readonly<Record<string, unknown>> | undefined;
  #closing = false;

  constructor(worker: Worker, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
    // Handling the rejection is optional.
    this.#failed.promise.catch(() => {});
    worker.on('message', (reply: Reply) => this.#hear(reply));
    worker.on('error', (error) => this.#fail(new PlannerError('ERR_INTERNAL', died(error), { cause: error })));
    worker.on('exit', (code) => {
      this.#fail(new PlannerError('ERR_INTERNAL', `the simulated model server ended on its own (exit code ${code})`));
      this.#exited.resolve();
    });
  }

  get ready(): Promise<number> {
    return this.#ready.promise;
  }

  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  async close(): Promise<Readonly<Record<string, unknown>> | undefined> {
    this.#closing = true;
    this.#worker.postMessage({ kind: 'close' });
    const timer = this.#clock.setTimer(CLOSE_MS, () => void this.#worker.terminate());
    await this.#exited.promise;
    timer.cancel();
    return this.#stats;
  }

  #hear(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        return this.#ready.resolve(reply.port);
      case 'failed':
        return this.#fail(decodeError(reply.error));
      case 'closed':
        this.#stats = reply.stats;
        return;
      default:
        return reply satisfies never;
    }
  }

  #fail(error: PlannerError): void {
    if (this.#closing) return;
    this.#ready.reject(error);
    this.#failed.reject(error);
  }
}

function died(error: unknown): string {
  return `the simulated model server failed: ${error instanceof Error ? error.message : String(error)}`;
}
