import type { ExpertListeners, ExpertRunner, PoolStats } from '../../src/main/models/pool/expert-pool.ts';
import type { EndpointClient } from '../../src/main/service/create-planner.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { encodeError, PlannerError } from '../../src/shared/errors.ts';
import { CallWatch, type PhaseLimits } from '../../src/shared/model-client/call-watch.ts';
import { timeoutFailure } from '../../src/shared/model-client/failures.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import type { CallReport, ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import { latencyAt, type RecordedModel } from './recording.ts';
import type { ReplayedState } from './state.ts';

export const MODEL = 'replayed';
/** Of the latency of a call, so much has passed when its headers and its first token come. */
const FIRST_TOKEN_SHARE = 0.7;

interface ReplayedCall {
  readonly timeoutMs: number;
  readonly phases?: PhaseLimits;
}

interface Ended {
  readonly failure?: PlannerError;
  readonly report: CallReport;
}

/**
 * Model servers without bounds whose calls take as long as recorded ones did. Which call of the recording is chance; a call
 * that is cancelled ends at once. The same model is behind every endpoint, and two calls never slow each other down.
 */
export class ReplayedServers {
  readonly #clock: Clock;
  readonly #model: RecordedModel;
  #state: ReplayedState | undefined;

  constructor(clock: Clock, model: RecordedModel) {
    this.#clock = clock;
    this.#model = model;
  }

  /** What is asked from now on is asked in this state. */
  show(state: ReplayedState): void {
    this.#state = state;
  }

  get state(): ReplayedState {
    if (this.#state === undefined) throw new Error('a call before the first plan');
    return this.#state;
  }

  /** One call on its way, from its start to its one end. */
  call(who: string, call: ReplayedCall, signal?: AbortSignal, onFirstToken: () => void = () => {}): Promise<Ended> {
    const latencyMs = latencyAt(this.#model, this.state.call(who).next());
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const watch = new CallWatch(this.#clock, call.timeoutMs, call.phases, (afterMs) => {
      end(timeoutFailure(watch.firstTokenMs === undefined ? 'first-token' : 'stream', afterMs));
    });
    const end = (failure?: PlannerError): void => {
      firstToken.cancel();
      last.cancel();
      watch.dispose();
      signal?.removeEventListener('abort', onAbort);
      const { startedAtMs, queueMs, firstTokenMs, gapMsMax } = watch;
      const report: CallReport = {
        totalMs: this.#clock.now() - startedAtMs,
        ...(queueMs === undefined ? {} : { queueMs }),
        ...(firstTokenMs === undefined ? {} : { firstTokenMs, ...(gapMsMax > 0 ? { gapMsMax } : {}) }),
      };
      resolve(failure === undefined ? { report } : { failure, report });
    };
    const onAbort = (): void => end(new PlannerError('ERR_CANCELLED', 'the call was cancelled'));
    const firstToken = this.#clock.setTimer(latencyMs * FIRST_TOKEN_SHARE, () => {
      watch.headers();
      watch.token();
      onFirstToken();
    });
    const last = this.#clock.setTimer(latencyMs, () => {
      watch.token();
      end();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    return promise;
  }
}

/** Synthesis, and the one question at the start whether a server keeps to a schema, which is answered at once and with text. */
export class ReplayedClient implements EndpointClient {
  readonly #servers: ReplayedServers;

  constructor(servers: ReplayedServers) {
    this.#servers = servers;
  }

  async chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    if (call.schema !== undefined) return said('text', { totalMs: 0 });
    const { failure, report } = await this.#servers.call('synthesis', call, signal);
    if (failure !== undefined) return { ok: false, failure, report };
    return said(`ACTION: ${this.#servers.state.voteOf('synthesis')}`, report);
  }

  listModels(): Promise<readonly string[]> {
    return Promise.resolve([MODEL]);
  }

  async close(): Promise<void> {}
}

function said(content: string, report: CallReport): ChatOutcome {
  return { ok: true, answer: { content, reasoning: '', finishReason: 'stop' }, report };
}

/** Experts without threads and without prompts. */
export class ReplayedPool implements ExpertRunner {
  readonly #servers: ReplayedServers;
  #running = 0;

  constructor(servers: ReplayedServers) {
    this.#servers = servers;
  }

  async run(
    task: Omit<ExpertTask, 'cancel'>,
    signal?: AbortSignal,
    listeners?: ExpertListeners,
  ): Promise<ExpertResult> {
    const action = this.#servers.state.voteOf(task.role);
    this.#running++;
    const { failure, report } = await this.#servers.call(task.role, task, signal, listeners?.onFirstToken);
    this.#running--;
    if (failure !== undefined) return { ok: false, error: encodeError(failure), report };
    return { ok: true, vote: { action, reason: '' }, report };
  }

  stats(): PoolStats {
    return { threads: 0, running: this.#running, stuck: 0, crashed: 0 };
  }

  async close(): Promise<void> {}
}
