import type { ExpertListeners, ExpertRunner, PoolStats } from '../../src/main/models/pool/expert-pool.ts';
import type { EndpointClient } from '../../src/main/service/create-planner.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { type ErrorCode, PlannerError } from '../../src/shared/errors.ts';
import type { CallPhase } from '../../src/shared/model-client/failures.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import type { ReadCall, ReadForm, ReadOutcome } from '../../src/shared/reads/reading.ts';
import type { ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import type { OnChoice } from '../../src/shared/vote-answer.ts';

/** How a fake model answers. Times are in milliseconds of the fake clock. */
export type Behaviour = Ending & {
  /** What its answer chooses on the way to its end, and when. An expert withdraws its choice by `undefined`. */
  readonly chooses?: readonly (readonly [action: string | undefined, atMs: number])[];
  /** Which phases its call enters, and when. */
  readonly reaches?: readonly (readonly [phase: CallPhase, atMs: number])[];
};

type Ending =
  | { readonly kind: 'answers'; readonly action: string; readonly afterMs?: number; readonly reason?: string }
  | { readonly kind: 'illegal' | 'empty'; readonly afterMs?: number }
  | { readonly kind: 'errors'; readonly code: ErrorCode; readonly retryable?: boolean; readonly afterMs?: number }
  /** Silent until its own timeout. */
  | { readonly kind: 'times-out' }
  /** Silent until it is closed, deaf to its timeout and to cancellation: a stuck worker. */
  | { readonly kind: 'stuck' };

/** How a fake model is read: the probabilities of the actions, or another behaviour of a model. */
export type ReadBehaviour =
  | {
      readonly kind: 'reads';
      readonly probabilities: Readonly<Record<string, number>>;
      readonly afterMs?: number;
      /** If only one token is asked for, it is a blank. */
      readonly startsBlank?: boolean;
    }
  | Exclude<Behaviour, { kind: 'answers' }>;

export type ReadScript = (call: {
  model: string;
  nth: number;
  form: ReadForm;
  roles: readonly string[];
  actions: readonly string[];
}) => ReadBehaviour;

/** What was asked of the fakes. */
export interface FakeCall {
  /** Of a read. */
  readonly form?: ReadForm;
  readonly role: string | undefined;
  readonly model: string;
  readonly timeoutMs: number;
  /** Tokens that its answer may have. */
  readonly maxTokens: number;
  /** Whether the answer was to be streamed. */
  readonly stream: boolean | undefined;
  readonly startedAtMs: number;
  cancelled: boolean;
}

type WrittenScript = (call: { role: string | undefined; model: string; nth: number }) => Behaviour;

/** What experts and synthesis are asked with alike. */
type Asked = Pick<ChatCall, 'model' | 'timeoutMs' | 'maxTokens' | 'stream'>;

interface Settlement {
  readonly code: 'OK' | ErrorCode;
  readonly content: string;
  readonly retryable: boolean;
}

/** Models that follow a script on the fake clock, behind the seams of the planner: the expert pool and the chat client. */
export class FakeModels implements ExpertRunner, EndpointClient {
  readonly calls: FakeCall[] = [];
  listed: readonly string[] = ['a', 'b', 'e'];
  closed = false;
  /** The model that calls say they were answered by. */
  answersAs: string | undefined;
  readonly #clock: Clock;
  readonly #script: WrittenScript;
  readonly #reads: ReadScript | undefined;
  readonly #counts = new Map<string, number>();
  readonly #stuck: (() => void)[] = [];

  /** A probe. Tasks of plans come to `run`. */
  readonly read: ((call: ReadCall) => Promise<ReadOutcome>) | undefined;

  /** Without a script of reads, the models can only be asked in words. */
  constructor(clock: Clock, script: WrittenScript, reads?: ReadScript) {
    this.#clock = clock;
    this.#script = script;
    this.#reads = reads;
    this.read = reads && ((call) => this.#probe(reads, call));
  }

  async #probe(reads: ReadScript, { model, form, roles, actions }: ReadCall): Promise<ReadOutcome> {
    const behaviour = reads({ model, nth: -1, form, roles, actions });
    const report = { totalMs: 0 };
    if (behaviour.kind === 'reads') return { ok: true, readings: [{ role: 'probe', probabilities: [1, 0] }], report };
    const code = behaviour.kind === 'errors' ? behaviour.code : 'ERR_MODEL_TIMEOUT_HEADERS';
    return { ok: false, failure: new PlannerError(code, code), report };
  }

  async #runRead(
    task: Omit<ExpertTask, 'cancel'>,
    { form, roles, tokensMax = 1 }: NonNullable<ExpertTask['read']>,
    signal?: AbortSignal,
  ): Promise<ExpertResult> {
    const startedAtMs = this.#clock.now();
    let told: Readonly<Record<string, number>> = {};
    let startsBlank = false;
    const settlement = await this.#settle(
      undefined,
      task,
      signal,
      undefined,
      undefined,
      (nth) => {
        const { actions } = task.situation;
        const behaviour = this.#reads?.({ model: task.model, nth, form, roles, actions }) ?? {
          kind: 'errors',
          code: 'ERR_METHOD_UNKNOWN',
        };
        if (behaviour.kind !== 'reads') return behaviour;
        startsBlank = behaviour.startsBlank === true && tokensMax === 1;
        told = startsBlank ? {} : behaviour.probabilities;
        return {
          kind: 'answers',
          action: '',
          ...(behaviour.afterMs === undefined ? {} : { afterMs: behaviour.afterMs }),
        };
      },
      form,
    );
    const report = { totalMs: this.#clock.now() - startedAtMs, ...(startsBlank ? { startsBlank } : {}) };
    if (settlement.code !== 'OK') {
      const { code, retryable } = settlement;
      return { ok: false, error: { code, message: code, retryable }, report };
    }
    const { actions } = task.situation;
    const probabilities = actions.map((action) => (Object.hasOwn(told, action) ? (told[action] as number) : 0));
    const confidence = Math.max(...probabilities);
    const action = actions[probabilities.indexOf(confidence)] as string;
    const readings = roles.map((role) => ({ role, probabilities }));
    return { ok: true, vote: { action, confidence, reason: '' }, readings, report };
  }

  callsOf(model: string): FakeCall[] {
    return this.calls.filter((call) => call.model === model);
  }

  async run(
    task: Omit<ExpertTask, 'cancel'>,
    signal?: AbortSignal,
    listeners: ExpertListeners = {},
  ): Promise<ExpertResult> {
    if (task.read !== undefined) return this.#runRead(task, task.read, signal);
    const startedAtMs = this.#clock.now();
    let phase: CallPhase = 'connect';
    const onPhase = (entered: CallPhase): void => {
      phase = entered;
    };
    listeners.onSent?.(() => phase);
    const settlement = await this.#settle(task.role, task, signal, listeners.onChoice, onPhase);
    const report = {
      totalMs: this.#clock.now() - startedAtMs,
      ...(this.answersAs && { modelAnswered: this.answersAs }),
    };
    if (settlement.code === 'OK') {
      const action = task.situation.actions.find((each) => each === settlement.content);
      if (action === undefined)
        throw new Error(`the script names an action that is not offered: ${settlement.content}`);
      // A new string, as if it had come through a message.
      return { ok: true, vote: { action: `${action} `.slice(0, -1), reason: `${task.role} says so` }, report };
    }
    const { code, retryable } = settlement;
    return { ok: false, error: { code, message: code, retryable }, report };
  }

  async chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    const startedAtMs = this.#clock.now();
    let written = '';
    const onChoice = (action: string | undefined): void => {
      written += `ACTION: ${action}\n`;
      call.onContent?.(written);
    };
    const settlement = await this.#settle(undefined, call, signal, onChoice, call.onPhase);
    const report = {
      totalMs: this.#clock.now() - startedAtMs,
      ...(this.answersAs && { modelAnswered: this.answersAs }),
    };
    const { code, content, retryable } = settlement;
    if (code === 'OK' || code === 'ERR_VOTE_ILLEGAL' || code === 'ERR_MODEL_EMPTY') {
      return { ok: true, answer: { content, reasoning: '', finishReason: 'stop' }, report };
    }
    return { ok: false, failure: new PlannerError(code, code, { retryable }), report };
  }

  listModels(): Promise<readonly string[]> {
    return Promise.resolve(this.listed);
  }

  stats(): PoolStats {
    return { threads: 0, running: 0, stuck: 0, crashed: 0 };
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const release of this.#stuck) release();
  }

  #settle(
    role: string | undefined,
    asked: Asked,
    signal?: AbortSignal,
    onChoice?: OnChoice,
    onPhase?: (phase: CallPhase) => void,
    behaviourOf: (nth: number) => Behaviour = (nth) => this.#script({ role, model: asked.model, nth }),
    form?: ReadForm,
  ): Promise<Settlement> {
    const { model, timeoutMs, maxTokens, stream } = asked;
    const key = `${form === undefined ? role : 'read'}/${model}`;
    const nth = this.#counts.get(key) ?? 0;
    this.#counts.set(key, nth + 1);
    const startedAtMs = this.#clock.now();
    const what = { role, model, timeoutMs, maxTokens, stream, startedAtMs, ...(form === undefined ? {} : { form }) };
    const call: FakeCall = { ...what, cancelled: false };
    this.calls.push(call);
    const behaviour = behaviourOf(nth);
    return new Promise((resolve) => {
      const choices = [
        ...(behaviour.reaches ?? []).map(([phase, atMs]) => this.#clock.setTimer(atMs, () => onPhase?.(phase))),
        ...(behaviour.chooses ?? []).map(([action, atMs]) => this.#clock.setTimer(atMs, () => onChoice?.(action))),
      ];
      if (behaviour.kind === 'stuck') {
        signal?.addEventListener('abort', () => {
          call.cancelled = true;
        });
        this.#stuck.push(() => {
          for (const choice of choices) choice.cancel();
          resolve({ code: 'ERR_CANCELLED', content: '', retryable: false });
        });
        return;
      }
      const end = (settlement: Settlement): void => {
        for (const choice of choices) choice.cancel();
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        resolve(settlement);
      };
      const onAbort = (): void => {
        call.cancelled = true;
        end({ code: 'ERR_CANCELLED', content: '', retryable: false });
      };
      const [afterMs, settlement] = outcomeOf(behaviour, timeoutMs);
      const timer = this.#clock.setTimer(afterMs, () => end(settlement));
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

function outcomeOf(behaviour: Exclude<Ending, { kind: 'stuck' }>, timeoutMs: number): [number, Settlement] {
  const timedOut: Settlement = { code: 'ERR_MODEL_TIMEOUT_FIRST_TOKEN', content: '', retryable: false };
  if (behaviour.kind === 'times-out') return [timeoutMs, timedOut];
  const afterMs = behaviour.afterMs ?? 1;
  if (afterMs >= timeoutMs) return [timeoutMs, timedOut];
  switch (behaviour.kind) {
    case 'answers':
      return [afterMs, { code: 'OK', content: behaviour.action, retryable: false }];
    case 'illegal':
      return [afterMs, { code: 'ERR_VOTE_ILLEGAL', content: 'dance', retryable: false }];
    case 'empty':
      return [afterMs, { code: 'ERR_MODEL_EMPTY', content: '', retryable: false }];
    case 'errors':
      return [afterMs, { code: behaviour.code, content: '', retryable: behaviour.retryable ?? false }];
    default:
      return behaviour satisfies never;
  }
}
