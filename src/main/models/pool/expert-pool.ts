import { Piscina, queueOptionsSymbol } from 'piscina';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { type ErrorCode, type ErrorWire, encodeError } from '../../../shared/errors.ts';
import type { CancelTicket, ExpertResult, ExpertTask, ReadyTask, WorkerSetup } from '../../../shared/tasks.ts';
import type { OnChoice, PhaseReader } from '../../../shared/vote-answer.ts';
import { CancelSlots } from './cancel-slots.ts';

/**
 * The expert pool: many queries at once on each worker thread, cancelled cooperatively.
 *
 * Piscina is given no signals: a task with one gets a thread to itself, and its abort kills that thread. Instead each
 * task has a cancel word in shared memory. A task that does not settle within its grace after its deadline or its
 * cancellation, on a thread that has settled nothing else for as long, sits on an event loop that no longer turns: the
 * thread is replaced, the stuck task fails with ERR_WORKER_STUCK, and its neighbours fail with ERR_WORKER_EXITED, which is retryable.
 *
 * The pool's own balancer records which thread runs which task, because Piscina does not report it.
 */
export interface ExpertPoolOptions extends Pick<WorkerSetup, 'domain' | 'domains' | 'endpoints'> {
  readonly threads: number;
  readonly tasksPerThread: number;
  readonly stuckGraceMs: number;
  readonly clock: Clock;
  /** Called when a thread ended unexpectedly. */
  readonly onThreadLost?: (event: {
    readonly threadId: number;
    readonly tasks: number;
    readonly stuck: boolean;
  }) => void;
  /** The worker's entry; tests use one with faults. Default: src/workers/worker. */
  readonly workerUrl?: URL;
}

/** Callbacks for progress of a task before its result. */
export interface ExpertListeners {
  /** Called once, when the model has read the prompt. */
  readonly onFirstToken?: (() => void) | undefined;
  readonly onChoice?: OnChoice | undefined;
  /** Called once, when the task is sent, with a function that reads the phase of its call. */
  readonly onSent?: ((phaseOf: PhaseReader) => void) | undefined;
}

/** The part of a pool that the planner needs; the simulation implements it without threads. */
export interface ExpertRunner {
  /** Never rejects. `signal` cancels cooperatively; the result still arrives, from the worker or from the watchdog. */
  run(task: Omit<ExpertTask, 'cancel'>, signal?: AbortSignal, listeners?: ExpertListeners): Promise<ExpertResult>;
  stats(): PoolStats;
  close(): Promise<void>;
}

/** The pool for the tasks of one of several domains. */
export function poolOfDomain(pool: ExpertRunner, domain: string): ExpertRunner {
  return {
    run: (task, signal, listeners) => pool.run({ ...task, domain }, signal, listeners),
    stats: () => pool.stats(),
    close: () => pool.close(),
  };
}

export interface PoolStats {
  readonly threads: number;
  readonly running: number;
  /** Number of threads replaced because a task on them was stuck. */
  readonly stuck: number;
  /** Number of threads that ended on their own. */
  readonly crashed: number;
}

interface Running {
  /** 0 while no thread has taken the task. */
  threadId: number;
  readonly startedAtMs: number;
  /** When the watchdog considers the task stuck. */
  overdueAtMs: number;
  /** Settles a task that no thread has taken in its time, for example because threads fail to start. */
  readonly abandon: (result: ExpertResult) => void;
}

/** A task on a thread that turns its event loop, but slowly, gets this many extra grace periods before it is given up. */
const BUSY_GRACES = 4;
/** How often the watchdog checks, while there are tasks. */
const WATCH_MS = 100;

/** The worker's URL in source and build, which differ only in the file extension. */
function defaultWorkerUrl(): URL {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`../../../workers/worker.${ending}`, import.meta.url);
}

function failed(code: ErrorCode, message: string, totalMs: number, retryable = false): ExpertResult {
  const error: ErrorWire = { code, message, retryable };
  return { ok: false, error, report: { totalMs } };
}

export class ExpertPool implements ExpertRunner {
  readonly #piscina: Piscina;
  readonly #slots: CancelSlots;
  readonly #clock: Clock;
  readonly #options: ExpertPoolOptions;
  readonly #capacity: number;
  readonly #running = new Set<Running>();
  /** When each thread last settled a task, which shows that it turns its event loop. */
  readonly #settledAtMs = new Map<number, number>();
  /** Threads that are ending: they get no more tasks. */
  readonly #lost = new Set<number>();
  #watchdog: Timer | undefined;
  #stuck = 0;
  #crashed = 0;
  #closing = false;

  constructor(options: ExpertPoolOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#capacity = options.threads * options.tasksPerThread;
    this.#slots = new CancelSlots(this.#capacity);
    const setup: WorkerSetup = {
      domain: options.domain,
      ...defined({ domains: options.domains }),
      endpoints: options.endpoints,
      cancelBuffer: this.#slots.buffer,
      connectionsMax: options.tasksPerThread,
    };
    this.#piscina = new Piscina({
      filename: (options.workerUrl ?? defaultWorkerUrl()).href,
      minThreads: options.threads,
      maxThreads: options.threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: options.tasksPerThread,
      maxQueue: this.#capacity,
      // The default, 'sync', blocks the worker's event loop between tasks, and with it every kept-alive socket.
      atomics: 'disabled',
      workerData: setup,
      // If cores are short, the coordinator's deadlines come first; but a busy host must not starve the experts.
      niceIncrement: 3,
      loadBalancer: (task, workers) => this.#balance(task[queueOptionsSymbol] as Running | null, workers),
    });
    // A thread that failed without tasks; if it had any, each is rejected separately.
    this.#piscina.on('error', () => {
      this.#crashed++;
    });
  }

  /** Resolves when every thread has loaded its code. Rejects when one cannot. */
  async ready(): Promise<void> {
    const { threads } = this.#options;
    // Each goes to a thread of its own, because the balancer picks the least busy one.
    await Promise.all(Array.from({ length: threads }, () => this.#piscina.run({ kind: 'ready' } satisfies ReadyTask)));
  }

  async run(
    task: Omit<ExpertTask, 'cancel'>,
    signal?: AbortSignal,
    listeners: ExpertListeners = {},
  ): Promise<ExpertResult> {
    const startedAt = this.#clock.now();
    if (signal?.aborted || this.#closing) return failed('ERR_CANCELLED', 'cancelled before it began', 0);
    const cancel = this.#running.size < this.#capacity ? this.#slots.acquire() : undefined;
    if (cancel === undefined) return failed('ERR_POOL_FULL', `${this.#capacity} expert tasks are running`, 0, false);
    const abandoned = Promise.withResolvers<ExpertResult>();
    const running: Running = {
      threadId: 0,
      startedAtMs: startedAt,
      overdueAtMs: startedAt + task.timeoutMs + this.#options.stuckGraceMs,
      abandon: (result) => {
        this.#slots.cancel(cancel);
        abandoned.resolve(result);
      },
    };
    const onAbort = (): void => {
      this.#slots.cancel(cancel);
      running.overdueAtMs = Math.min(running.overdueAtMs, this.#clock.now() + this.#options.stuckGraceMs);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#running.add(running);
    this.#watch();
    const unlisten = this.#listen(task, cancel, listeners);
    listeners.onSent?.(() => this.#slots.phaseOf(cancel));
    const primes = listeners.onFirstToken === undefined ? {} : { primes: true };
    const tellsChoice = listeners.onChoice === undefined ? {} : { tellsChoice: true };
    try {
      // Piscina passes the value under its symbol to the balancer, also for a task that had to wait, and never to a thread.
      const placed: Promise<ExpertResult> = this.#piscina.run({
        ...task,
        ...primes,
        ...tellsChoice,
        cancel,
        [queueOptionsSymbol]: running,
      });
      const settled = placed
        .then((result) => {
          this.#settledAtMs.set(running.threadId, this.#clock.now());
          return result;
        })
        .finally(() => this.#slots.release(cancel));
      return await Promise.race([settled, abandoned.promise]);
    } catch (error) {
      return this.#rejected(running, error, this.#clock.now() - startedAt);
    } finally {
      unlisten();
      signal?.removeEventListener('abort', onAbort);
      this.#running.delete(running);
    }
  }

  #listen(
    { situation }: Pick<ExpertTask, 'situation'>,
    cancel: CancelTicket,
    { onFirstToken, onChoice }: ExpertListeners,
  ): () => void {
    const unread = onFirstToken && this.#slots.onRead(cancel, onFirstToken);
    const unchosen =
      onChoice &&
      this.#slots.onChoice(cancel, (place) => onChoice(place === undefined ? undefined : situation.actions[place]));
    return () => {
      unread?.();
      unchosen?.();
    };
  }

  stats(): PoolStats {
    return {
      threads: this.#piscina.threads.length,
      running: this.#running.size,
      stuck: this.#stuck,
      crashed: this.#crashed,
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#watchdog?.cancel();
    await this.#piscina.destroy();
  }

  /** The least busy thread, or null to let the task wait for one. `running` is null for anything but an expert task. */
  #balance(running: Running | null, workers: PiscinaWorkers): PiscinaWorkers[number] | null {
    let best: PiscinaWorkers[number] | null = null;
    let bestUsage = this.#options.tasksPerThread;
    for (const worker of workers) {
      const usage = worker.currentUsage;
      if (usage < bestUsage && !this.#lost.has(worker.id)) {
        best = worker;
        bestUsage = usage;
      }
    }
    if (running !== null && best !== null) running.threadId = best.id;
    return best;
  }

  #rejected(running: Running, error: unknown, totalMs: number): ExpertResult {
    if (this.#closing) return failed('ERR_CANCELLED', 'the pool was closed', totalMs);
    // Piscina removes a thread from its list before it rejects the thread's tasks. One that is still listed is alive: the task could not be sent,
    // or its query threw. Either is a bug.
    const isAlive = this.#piscina.threads.some((thread) => thread.threadId === running.threadId);
    if (isAlive) return { ok: false, error: encodeError(error), report: { totalMs } };
    const message = error instanceof Error ? error.message : String(error);
    if (this.#clock.now() >= running.overdueAtMs) {
      return failed('ERR_WORKER_STUCK', 'the worker did not settle the task in time and was replaced', totalMs);
    }
    if (!this.#lost.has(running.threadId)) {
      this.#crashed++;
      this.#lose(running.threadId, false);
    }
    return failed('ERR_WORKER_EXITED', `the worker ended while it ran the task (${message})`, totalMs, true);
  }

  #watch(): void {
    if (this.#watchdog !== undefined) return;
    const dueAtMs = this.#clock.now() + WATCH_MS;
    this.#watchdog = this.#clock.setTimer(WATCH_MS, () => {
      this.#watchdog = undefined;
      const lagMs = this.#clock.now() - dueAtMs;
      // The coordinator itself was delayed: results that its workers sent meanwhile have not been read yet.
      if (lagMs > WATCH_MS) for (const running of this.#running) running.overdueAtMs += lagMs;
      else this.#replaceStuckThreads();
      if (this.#running.size > 0 && !this.#closing) this.#watch();
    });
  }

  #replaceStuckThreads(): void {
    const now = this.#clock.now();
    const { stuckGraceMs } = this.#options;
    for (const running of this.#running) {
      const { threadId, overdueAtMs } = running;
      if (overdueAtMs > now || this.#lost.has(threadId)) continue;
      const settledAtMs = this.#settledAtMs.get(threadId) ?? Number.NEGATIVE_INFINITY;
      const isTurning = threadId === 0 || settledAtMs > now - stuckGraceMs;
      if (!isTurning) this.#replace(threadId);
      else if (overdueAtMs + stuckGraceMs * BUSY_GRACES <= now) running.abandon(this.#abandoned(running));
    }
  }

  #replace(threadId: number): void {
    this.#stuck++;
    this.#lose(threadId, true);
    // Piscina notices the exit, rejects the thread's tasks and starts a new thread.
    void this.#piscina.threads.find((thread) => thread.threadId === threadId)?.terminate();
  }

  /** The result of a task whose thread is not stuck but that does not settle: no thread took it, or its query exceeded its own time limit. */
  #abandoned({ threadId, startedAtMs }: Running): ExpertResult {
    const what = threadId === 0 ? 'no worker thread took the task in time' : 'the worker forgot the task';
    return failed('ERR_WORKER_STUCK', what, this.#clock.now() - startedAtMs);
  }

  #lose(threadId: number, stuck: boolean): void {
    this.#lost.add(threadId);
    this.#settledAtMs.delete(threadId);
    let tasks = 0;
    for (const running of this.#running) if (running.threadId === threadId) tasks++;
    this.#options.onThreadLost?.({ threadId, tasks, stuck });
  }
}

/** The shape Piscina passes to a load balancer. */
type PiscinaWorkers = Parameters<NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer']>>[1];
