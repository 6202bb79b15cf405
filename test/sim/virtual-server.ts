import type { ExpertListeners, ExpertRunner, PoolStats } from '../../src/main/models/pool/expert-pool.ts';
import type { EndpointClient } from '../../src/main/service/create-planner.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { defined } from '../../src/shared/defined.ts';
import type { Domain } from '../../src/shared/domain.ts';
import { type ErrorCode, PlannerError } from '../../src/shared/errors.ts';
import { CallWatch } from '../../src/shared/model-client/call-watch.ts';
import { type CallPhase, serverFailure, timeoutFailure } from '../../src/shared/model-client/failures.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import { readReadings } from '../../src/shared/reads/read-answer.ts';
import { readBody } from '../../src/shared/reads/read-body.ts';
import type { ReadCall, ReadOutcome } from '../../src/shared/reads/reading.ts';
import type { CallReport, ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import type { ChatCaller } from '../../src/shared/vote-answer.ts';
import { queryExpert } from '../../src/workers/expert-query.ts';
import { queryRead } from '../../src/workers/read-query.ts';
import { AnswerDesk, type PreparedAnswer, type PreparedRead } from '../../src/workers/simulator/answer.ts';
import { type ChatRequest, parseChatRequest } from '../../src/workers/simulator/chat-request.ts';
import { infoPage } from '../../src/workers/simulator/info-pages.ts';
import { type MachineJob, type MachineStats, SimulatedMachine } from '../../src/workers/simulator/machine.ts';
import type { MachineUsage } from '../../src/workers/simulator/machine-job.ts';
import {
  type ResolvedSimulatorOptions,
  resolveSimulatorOptions,
  type SimulatedModel,
  type SimulatorOptions,
} from '../../src/workers/simulator/options.ts';

import { answeredBody, parseRead } from '../../src/workers/simulator/reads/read-forms.ts';
import type { ReadRequest } from '../../src/workers/simulator/reads/read-request.ts';

/** Decides what requests are answered. */
export interface Desk {
  prepare(request: ChatRequest, model: SimulatedModel): PreparedAnswer;
  /** Absent where its models are only asked in words. */
  readonly prepareRead?: ((request: ReadRequest, model: SimulatedModel) => PreparedRead) | undefined;
}

/**
 * The simulated model server without its HTTP: the same machine, the same answers, on a clock that may be virtual. Calls
 * behave as `ModelClient` makes them, with the same codes and reports.
 */
export class VirtualServer {
  readonly #options: ResolvedSimulatorOptions;
  readonly #clock: Clock;
  readonly #machine: SimulatedMachine;
  readonly #desk: Desk;

  /** Undefined where nothing can be read. */
  readonly read: ChatCaller['read'];

  /** `desk` says what is answered. Default: the simulated experts. */
  constructor(options: SimulatorOptions, clock: Clock, desk?: Desk) {
    this.#options = resolveSimulatorOptions(options);
    this.#clock = clock;
    this.#machine = new SimulatedMachine(this.#options, clock);
    this.#desk = desk ?? new AnswerDesk(this.#options.seed, this.#options.rates);
    this.read = this.#options.reads.length === 0 ? undefined : (call, signal) => this.#read(call, signal);
  }

  stats(): MachineStats {
    return this.#machine.stats();
  }

  get models(): readonly string[] {
    return this.#options.models.map(({ id }) => id);
  }

  /** What the server tells of itself at a path; undefined where it has none. */
  page(path: string): object | undefined {
    return infoPage(path, {
      options: this.#options,
      busySlots: this.#machine.stats().active,
      isLoaded: (id) => this.#machine.isLoaded(id),
    });
  }

  close(): void {
    this.#machine.close();
  }

  /** As `ModelClient` reads, in the forms that the server has. */
  #read(call: ReadCall, signal?: AbortSignal): Promise<ReadOutcome> {
    const model = this.#options.models.find((each) => each.id === call.model);
    if (model === undefined) throw new Error(`the scenario has no model ${call.model}`);
    const prepared = this.#prepareRead(call, model);
    if (prepared instanceof PlannerError)
      return Promise.resolve({ ok: false, failure: prepared, report: { totalMs: 0 } });
    const { answer, body, ...pace } = prepared;
    const { model: id, timeoutMs } = call;
    const waited = { model: id, timeoutMs, messages: [], maxTokens: 1, temperature: 0, stream: false };
    const at = new VirtualCall(this.#clock, waited, answer);
    const { prompt, tokens, latencyRandom: random } = answer;
    const submit = (listener: Listener) =>
      this.#machine.submit({ model, prompt, tokens: tokens.length, random, listener, ...pace });
    return at.run(submit, signal).then((outcome) => {
      const { report } = outcome;
      if (!outcome.ok) return outcome;
      try {
        return { ok: true, readings: readReadings(call, body()), report };
      } catch (error) {
        if (error instanceof PlannerError) return { ok: false, failure: error, report };
        throw error;
      }
    });
  }

  #prepareRead(
    call: ReadCall,
    model: SimulatedModel,
  ): { readonly answer: PreparedAnswer; readonly body: () => object; readonly workShare?: number } | PlannerError {
    const { reads, flavour } = this.#options;
    const text = readBody(call).toString();
    if (call.form === 'logprobs') {
      const request = parseChatRequest(text);
      if (typeof request === 'string') return new PlannerError('ERR_MODEL_REJECTED', request);
      const answer = this.#desk.prepare(request, model);
      const content = reads.includes('logprobs') ? answer.logprobs : null;
      return { answer, body: () => ({ choices: [{ logprobs: { content } }] }) };
    }
    if (!reads.includes(call.form) || this.#desk.prepareRead === undefined)
      return new PlannerError('ERR_METHOD_UNKNOWN', `no ${call.form}`);
    const request = parseRead(call.form, text, flavour);
    if (typeof request === 'string') return new PlannerError('ERR_MODEL_REJECTED', request);
    const answer = this.#desk.prepareRead(request, model);
    const usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 } as MachineUsage;
    const identity = { id: 'read', model: model.id, created: 0, flavour };
    const pace = defined({ workShare: answer.workShare });
    return { answer, body: () => answeredBody(request, answer.reads, usage, identity), ...pace };
  }

  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    const { model: id, messages, maxTokens, schema, stream = true } = call;
    const format = schema && { response_format: { type: 'json_schema', json_schema: schema } };
    const request = parseChatRequest(JSON.stringify({ model: id, messages, max_tokens: maxTokens, stream, ...format }));
    if (typeof request === 'string') throw new Error(request);
    const model = this.#options.models.find((each) => each.id === id);
    if (model === undefined) throw new Error(`the scenario has no model ${id}`);
    const answer = this.#desk.prepare(request, model);
    return new VirtualCall(this.#clock, call, answer).run((listener) => {
      const { prompt, tokens, latencyRandom: random } = answer;
      return this.#machine.submit({ model, prompt, tokens: tokens.length, random, listener });
    }, signal);
  }
}

interface Listener {
  onStart(): void;
  onEvicted(): void;
  onTokens(count: number): void;
  onDone(usage: MachineUsage): void;
}

/** One call on its way through the machine, from its start to its one settlement. */
class VirtualCall {
  readonly #clock: Clock;
  readonly #call: ChatCall;
  readonly #answer: PreparedAnswer;
  readonly #watch: CallWatch;
  #onTimeout: (afterMs: number) => void = () => {};
  #phase: CallPhase = 'headers';
  #content = '';
  #written = 0;
  #usage: MachineUsage | undefined;

  constructor(clock: Clock, call: ChatCall, answer: PreparedAnswer) {
    this.#clock = clock;
    this.#call = call;
    this.#answer = answer;
    const phases = call.stream === false ? undefined : call.phases;
    this.#watch = new CallWatch(clock, call.timeoutMs, phases, (afterMs) => this.#onTimeout(afterMs));
  }

  run(submit: (listener: Listener) => MachineJob | undefined, signal: AbortSignal | undefined): Promise<ChatOutcome> {
    const { promise, resolve } = Promise.withResolvers<ChatOutcome>();
    let isSettled = false;
    let job: MachineJob | undefined;
    const settle = (failure?: PlannerError): void => {
      if (isSettled) return;
      isSettled = true;
      this.#watch.dispose();
      signal?.removeEventListener('abort', onAbort);
      resolve(this.#outcome(failure));
    };
    const end = (code: ErrorCode, message: string): void => {
      settle(new PlannerError(code, message, { retryable: code === 'ERR_MODEL_RESET' && this.#phase === 'headers' }));
    };
    // A server sees that a streamed connection is gone when it writes to it; one that is not streamed is worked to its end.
    const stop = (): void => {
      if (this.#call.stream !== false) job?.abort();
    };
    const onAbort = (): void => {
      end('ERR_CANCELLED', 'the call was cancelled');
      stop();
    };
    this.#onTimeout = (afterMs) => {
      settle(timeoutFailure(this.#phase, afterMs));
      stop();
    };
    if (signal?.aborted) {
      onAbort();
      return promise;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    const { fate } = this.#answer;
    if (fate.kind === 'hang') return promise;
    if (fate.kind === 'reset' || fate.kind === 'http500') {
      this.#clock.setTimer(1, () =>
        fate.kind === 'reset' ? end('ERR_MODEL_RESET', 'reset') : settle(serverFailure(500, 'Compute error.')),
      );
      return promise;
    }
    const failsAfter = 'afterTokens' in fate ? fate.afterTokens : Number.POSITIVE_INFINITY;
    const goWrong = (): void => {
      job?.abort();
      if (fate.kind === 'cut') end('ERR_MODEL_RESET', 'the stream ended early');
      else settle(serverFailure(500, 'Compute error.'));
    };
    const isStreamed = this.#call.stream !== false;
    job = submit({
      onStart: () => {
        if (!isStreamed) return;
        this.#phase = 'first-token';
        this.#watch.headers();
      },
      onEvicted: () => settle(serverFailure(500, 'Model unloaded.')),
      onTokens: (count) => {
        if (count > failsAfter) return goWrong();
        if (isSettled || !isStreamed) return;
        this.#phase = 'stream';
        if (this.#watch.firstTokenMs === undefined) this.#call.onFirstToken?.();
        this.#watch.token();
        this.#write(count);
        if (!this.#call.isComplete?.(this.#content)) return this.#call.onContent?.(this.#content);
        settle();
        stop();
      },
      onDone: (usage) => {
        if (failsAfter <= this.#answer.tokens.length) return goWrong();
        this.#usage = usage;
        this.#write(this.#answer.tokens.length);
        settle();
      },
    });
    if (job === undefined) settle(serverFailure(503, 'The server is overloaded: its queue is full.'));
    else if (isSettled) stop();
    return promise;
  }

  #write(count: number): void {
    for (; this.#written < count; this.#written++) this.#content += this.#answer.tokens[this.#written];
  }

  #outcome(failure: PlannerError | undefined): ChatOutcome {
    const { startedAtMs, queueMs, firstTokenMs, gapMsMax } = this.#watch;
    const report: CallReport = {
      totalMs: this.#clock.now() - startedAtMs,
      ...(queueMs === undefined ? {} : { queueMs }),
      ...(firstTokenMs === undefined ? {} : { firstTokenMs, ...(gapMsMax > 0 ? { gapMsMax } : {}) }),
      ...(failure !== undefined && this.#watch.isWriting ? { isWriting: true as const } : {}),
      modelAnswered: this.#call.model,
      ...(this.#usage === undefined ? {} : { ...this.#usage, completionTokens: this.#written }),
    };
    if (failure !== undefined) return { ok: false, failure, report };
    return {
      ok: true,
      answer: { content: this.#content, reasoning: '', finishReason: this.#answer.finishReason },
      report,
    };
  }
}

/** The planner's side of one virtual server: a client for synthesis, and a pool of experts without threads. */
export class VirtualClient implements EndpointClient {
  readonly #server: VirtualServer;

  readonly read: ChatCaller['read'];

  constructor(server: VirtualServer) {
    this.#server = server;
    this.read = server.read;
  }

  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    return this.#server.chat(call, signal);
  }

  listModels(): Promise<readonly string[]> {
    return Promise.resolve(this.#server.models);
  }

  async close(): Promise<void> {}
}

/** The same for a server that tells of itself, such as what it has in memory. */
export class TellingClient extends VirtualClient {
  readonly #pages: VirtualServer;

  constructor(server: VirtualServer) {
    super(server);
    this.#pages = server;
  }

  async getJson(path: string): Promise<unknown> {
    const page = this.#pages.page(path);
    if (page === undefined) throw new Error(`no ${path}`);
    return page;
  }
}

/** Experts on the coordinator's own thread: the prompts and votes of the real ones. */
export class VirtualPool implements ExpertRunner {
  readonly #domain: Domain;
  readonly #servers: ReadonlyMap<string, ChatCaller>;
  #running = 0;

  constructor(domain: Domain, servers: ReadonlyMap<string, ChatCaller>) {
    this.#domain = domain;
    this.#servers = servers;
  }

  async run(
    task: Omit<ExpertTask, 'cancel'>,
    signal: AbortSignal = new AbortController().signal,
    listeners: ExpertListeners = {},
  ): Promise<ExpertResult> {
    const role = this.#domain.roles.find(({ name }) => name === task.role);
    const client = this.#servers.get(task.endpoint);
    if (role === undefined || client === undefined) throw new Error(`no ${task.role} at ${task.endpoint}`);
    this.#running++;
    try {
      const cancel = { slot: 0, generation: 0 };
      const { read } = task;
      if (read !== undefined) {
        return await queryRead(
          { domain: this.#domain, roles: read.roles, client, task: { ...task, cancel }, read },
          signal,
        );
      }
      const query = { domain: this.#domain, role, client, task: { ...task, cancel }, ...listeners };
      return await queryExpert(query, signal);
    } finally {
      this.#running--;
    }
  }

  stats(): PoolStats {
    return { threads: 0, running: this.#running, stuck: 0, crashed: 0 };
  }

  async close(): Promise<void> {}
}
