import type { ExpertListeners, ExpertRunner, PoolStats } from '../../src/main/models/pool/expert-pool.ts';
import type { Clock, Timer } from '../../src/shared/clock.ts';
import { type ErrorCode, encodeError } from '../../src/shared/errors.ts';
import { type Random, randomIndex } from '../../src/shared/random.ts';
import type { ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import { UNWANTED } from '../../src/shared/unwanted.ts';

/** `exits`: its thread ends under a task; `sticks`: a task is deaf to its end and to cancellation; `full`: no room. */
export const WORKER_FAULTS = ['exits', 'sticks', 'full'] as const;

export interface WorkerEpisode {
  readonly fault: (typeof WORKER_FAULTS)[number];
  readonly share: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

interface Running {
  readonly thread: number;
  readonly isStuck: boolean;
  readonly work: AbortController;
  readonly settle: (result: ExpertResult) => void;
}

const THREADS = 2;

function failed(code: ErrorCode, totalMs: number, retryable = false): ExpertResult {
  return { ok: false, error: { code, message: code, retryable }, report: { totalMs } };
}

/** The promises of `ExpertPool` over one that never fails, with threads that end and stick. */
export class FaultyPool implements ExpertRunner {
  readonly #inner: ExpertRunner;
  readonly #episodes: readonly WorkerEpisode[];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #graceMs: number;
  readonly #running = new Set<Running>();
  #isClosed = false;
  #lost = { stuck: 0, crashed: 0 };

  constructor(
    inner: ExpertRunner,
    episodes: readonly WorkerEpisode[],
    { clock, random, graceMs }: { readonly clock: Clock; readonly random: Random; readonly graceMs: number },
  ) {
    this.#inner = inner;
    this.#episodes = episodes;
    this.#clock = clock;
    this.#random = random;
    this.#graceMs = graceMs;
  }

  async run(task: Omit<ExpertTask, 'cancel'>, signal: AbortSignal, listeners?: ExpertListeners): Promise<ExpertResult> {
    if (signal.aborted || this.#isClosed) return failed('ERR_CANCELLED', 0);
    const fault = this.#drawFault();
    if (fault === 'full') return failed('ERR_POOL_FULL', 0);
    const startedAtMs = this.#clock.now();
    const settled = Promise.withResolvers<ExpertResult>();
    const running: Running = {
      thread: randomIndex(this.#random, THREADS),
      isStuck: fault === 'sticks',
      work: new AbortController(),
      settle: settled.resolve,
    };
    const timers: Timer[] = [];
    const after = (ms: number, fire: () => void): void => void timers.push(this.#clock.setTimer(ms, fire));
    const overdue = (): void => this.#lose(running, 'ERR_WORKER_STUCK', startedAtMs);
    const onAbort = (): void => {
      if (fault === 'sticks') after(this.#graceMs, overdue);
      else running.work.abort(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#running.add(running);
    if (fault === 'exits') {
      after(this.#random.next() * 400, () => this.#lose(running, 'ERR_WORKER_EXITED', startedAtMs));
    }
    if (fault === 'sticks') after(task.timeoutMs + this.#graceMs, overdue);
    this.#inner.run(task, running.work.signal, listeners).then(
      (result) => {
        if (fault !== 'sticks') settled.resolve(result);
      },
      (error: unknown) => settled.resolve({ ok: false, error: encodeError(error), report: { totalMs: 0 } }),
    );
    try {
      return await settled.promise;
    } finally {
      for (const timer of timers) timer.cancel();
      signal.removeEventListener('abort', onAbort);
      this.#running.delete(running);
      // What it had open ends with it.
      running.work.abort(UNWANTED);
    }
  }

  /** Whether none of its tasks is stuck. */
  get isWell(): boolean {
    return ![...this.#running].some(({ isStuck }) => isStuck);
  }

  stats(): PoolStats {
    return { threads: THREADS, running: this.#running.size, ...this.#lost };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const running of this.#running) running.settle(failed('ERR_CANCELLED', 0));
  }

  /** The thread of a task is gone, and with it all that ran there. */
  #lose(lost: Running, code: 'ERR_WORKER_EXITED' | 'ERR_WORKER_STUCK', startedAtMs: number): void {
    const totalMs = this.#clock.now() - startedAtMs;
    if (code === 'ERR_WORKER_STUCK') this.#lost.stuck++;
    else this.#lost.crashed++;
    lost.settle(failed(code, totalMs, code === 'ERR_WORKER_EXITED'));
    for (const other of this.#running) {
      if (other.thread === lost.thread) other.settle(failed('ERR_WORKER_EXITED', totalMs, true));
    }
  }

  #drawFault(): WorkerEpisode['fault'] | undefined {
    const nowMs = this.#clock.now();
    for (const { fault, share, fromMs, untilMs } of this.#episodes) {
      if (nowMs >= fromMs && nowMs < untilMs && this.#random.next() < share) return fault;
    }
    return undefined;
  }
}
