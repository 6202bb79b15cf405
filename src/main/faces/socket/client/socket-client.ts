import { EventEmitter } from 'node:events';
import type { Timer } from '../../../../shared/clock.ts';
import type { Decision } from '../../../../shared/decision.ts';
import type { Domain } from '../../../../shared/domain.ts';
import { describeValue, PlannerError } from '../../../../shared/errors.ts';
import { type PlanRequest, readPlainly } from '../../../../shared/plan-request.ts';
import { type ChatCallOptions, cancelled, checkTimeout, readCallOptions } from '../../../chat/chat-call-options.ts';
import type { ChatPlannerStats } from '../../../chat/chat-planner.ts';
import type {
  DecisionsAnswers,
  DecisionsRequest,
  SystemOneAnswers,
  SystemOneRequest,
} from '../../../chat/decisions/decide.ts';
import { checkPlanOptions } from '../../../plans/check-plan-options.ts';
import type { Future } from '../../../plans/expectations/future.ts';
import { planCancelled } from '../../../plans/flights/flight-board.ts';
import type { CloseOptions, Plan, PlanOptions } from '../../../plans/plan.ts';
import { readPlanOptions } from '../../../plans/plan-options.ts';
import { PendingCall } from '../../ipc/pending-call.ts';
import { noDecision, ownAnswer } from '../../own-answer.ts';
import { callListener, checkCallsMax } from '../../remote-calls.ts';
import { type HelloResult, type Method, PROGRESS, PROTOCOL, type ProgressParams } from '../wire.ts';
import type { ConnectedPlanner, ConnectedPlannerEvents } from './connect-planner.ts';
import { decisionText, helloOf, isProgress, jsonOf, plannerErrorOf, requestText, strange } from './server-check.ts';
import { type ConnectionParts, ServerConnection } from './server-connection.ts';

export interface ClientParts extends ConnectionParts {
  readonly lateGraceMs: number;
  readonly silenceMs: number;
  readonly callsMax: number;
  /** Sets whether the connection keeps the process alive. */
  hold(isHeld: boolean): void;
}

const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1_000;

interface Pending {
  readonly method: Method;
  /** The text of the message, made when it is sent. */
  readonly text: () => string;
  resolve(result: unknown): void;
  reject(error: PlannerError): void;
  /** Present for a plan. */
  readonly call?: PendingCall<Plan>;
}

interface Message {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/**
 * The client of a `SocketFace`: one connection, many calls. Calls are numbered, and sent in order while the server has room for one more, so that a
 * cancel is always read; the others wait here, up to `callsMax` in all.
 */
export class SocketClient extends EventEmitter<ConnectedPlannerEvents> implements ConnectedPlanner {
  readonly #parts: ClientParts;
  readonly #connection: ServerConnection;
  /** Calls sent and not answered. */
  readonly #sent = new Map<number, Pending>();
  /** Calls not sent yet, in order. */
  readonly #waiting = new Map<number, Pending>();
  readonly #over = Promise.withResolvers<void>();
  #server: HelloResult | undefined;
  #nextId = 1;
  #watch: Timer | undefined;
  #isClosing = false;
  #endedBy: PlannerError | undefined;
  /** Ends the draining at once. */
  #hurry = (): void => {};

  constructor(parts: ClientParts) {
    super();
    this.#parts = parts;
    this.#connection = new ServerConnection(parts, {
      ready: () => this.#ready(),
      hear: (line) => this.#hear(line),
      lost: (error, isFault) => this.#end(error, !isFault && this.#isClosing),
    });
  }

  get server(): HelloResult {
    return this.#server as HelloResult;
  }

  get isOpen(): boolean {
    return !this.#isClosing && this.#endedBy === undefined;
  }

  /**
   * Introduces the client. Rejects with ERR_PROTOCOL_VERSION if the server supports none of its protocols, and ERR_PROTOCOL if it is not a planner.
   */
  async hello(client: string): Promise<void> {
    const params = { protocol: PROTOCOL, client };
    this.#server = helloOf(await this.#ask('hello', params));
  }

  async plan<const A extends string>(request: PlanRequest<Domain, A>, options?: PlanOptions): Promise<Plan<A>> {
    this.#admit();
    const { timeoutMs, priority, signal, onAttempt } = readPlanOptions(options);
    if (signal?.aborted) throw planCancelled(signal);
    checkPlanOptions(timeoutMs ?? TIMEOUT_MS_MAX, priority);
    const { clock, lateGraceMs } = this.#parts;
    const startedAtMs = clock.now();
    const members = requestText(request).slice(0, -1);
    this.#checkSize(members);
    const extra = `${priority === undefined ? '' : `,"priority":${priority}`}${onAttempt ? ',"progress":true' : ''}`;
    const timeText = this.#timeText(timeoutMs);
    const id = this.#nextId++;
    const call = new PendingCall<Plan>({
      clock,
      deadlineMs: startedAtMs + (timeoutMs ?? TIMEOUT_MS_MAX),
      lateGraceMs,
      signal,
      onAttempt,
      answerHere: readPlainly(() => ownAnswer('the planner', request, timeoutMs, () => clock.now() - startedAtMs)),
      cancelled: () => planCancelled(signal),
      cancel: () => this.#cancel(id),
    });
    this.#add(id, {
      method: 'plan',
      call,
      text: () => `{"jsonrpc":"2.0","id":${id},"method":"plan","params":${members}${timeText()}${extra}}}`,
      resolve: (plan) => call.resolve(plan as Plan),
      reject: (error) => call.reject(error),
    });
    // The server guarantees one of the request's actions.
    return call.settled as Promise<Plan<A>>;
  }

  decide(request: DecisionsRequest, options?: ChatCallOptions): Promise<DecisionsAnswers>;
  decide(request: SystemOneRequest, options?: ChatCallOptions): Promise<SystemOneAnswers>;
  async decide(request: object, given?: ChatCallOptions): Promise<unknown> {
    this.#admit();
    const { signal, timeoutMs, ...options } = readCallOptions(given);
    if (signal?.aborted) throw cancelled();
    if (timeoutMs !== undefined) checkTimeout(timeoutMs);
    const { clock, lateGraceMs } = this.#parts;
    const members = decisionText(request, options).slice(0, -1);
    this.#checkSize(members);
    const timeText = this.#timeText(timeoutMs);
    const id = this.#nextId++;
    const call = new PendingCall<unknown>({
      clock,
      deadlineMs: clock.now() + (timeoutMs ?? TIMEOUT_MS_MAX),
      lateGraceMs,
      signal,
      answerHere: () => Promise.reject(noDecision('the planner', timeoutMs ?? TIMEOUT_MS_MAX)),
      cancelled,
      cancel: () => this.#cancel(id),
    });
    this.#add(id, {
      method: 'decide',
      text: () => `{"jsonrpc":"2.0","id":${id},"method":"decide","params":${members}${timeText()}}}`,
      resolve: (answers) => call.resolve(answers),
      reject: (error) => call.reject(error),
    });
    return call.settled;
  }

  async peek(request: PlanRequest): Promise<Decision | undefined> {
    return ((await this.#ask('peek', request)) as Decision | null) ?? undefined;
  }

  async expect(futures: readonly Future[]): Promise<void> {
    await this.#ask('expect', { futures });
  }

  async observe(state: PlanRequest): Promise<void> {
    await this.#ask('observe', state);
  }

  async stats(): Promise<ChatPlannerStats> {
    return (await this.#ask('stats')) as ChatPlannerStats;
  }

  async clearCache(): Promise<void> {
    await this.#ask('clearCache');
  }

  async close({ drainMs = 0 }: CloseOptions = {}): Promise<void> {
    if (this.isOpen) {
      this.#isClosing = true;
      if (drainMs > 0 && this.#pending > 0) await this.#drained(drainMs);
      this.#end(connectionClosed(), true);
    } else if (drainMs <= 0) this.#hurry();
    return this.#over.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  fail(error: PlannerError): void {
    this.#end(error, false);
  }

  get #pending(): number {
    return this.#sent.size + this.#waiting.size;
  }

  #drained(drainMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#parts.clock.setTimer(drainMs, resolve);
    this.#hurry = () => {
      timer.cancel();
      resolve();
    };
    return promise;
  }

  #admit(): void {
    if (this.#endedBy !== undefined) throw this.#endedBy;
    if (this.#isClosing) throw connectionClosed();
    checkCallsMax(this.#pending, this.#parts.callsMax);
  }

  /** A longer line would end the connection and everything in flight on it. */
  #checkSize(text: string): void {
    const bytesMax = this.#server?.limits.messageBytesMax;
    if (bytesMax === undefined || 3 * (text.length + 512) <= bytesMax) return;
    const bytes = Buffer.byteLength(text) + 512;
    if (bytes <= bytesMax) return;
    throw new PlannerError(
      'ERR_MESSAGE_TOO_LARGE',
      `a request must be at most ${bytesMax - 512} bytes, got ${bytes - 512}`,
    );
  }

  /** The member that tells the server the time left of a call: the time spent waiting here is subtracted. */
  #timeText(timeoutMs: number | undefined): () => string {
    const { clock } = this.#parts;
    const startedAtMs = clock.now();
    return () =>
      timeoutMs === undefined ? '' : `,"timeoutMs":${Math.max(timeoutMs - (clock.now() - startedAtMs), 0.1)}`;
  }

  async #ask(method: Method, params?: object): Promise<unknown> {
    this.#admit();
    const id = this.#nextId++;
    const text = `{"jsonrpc":"2.0","id":${id},"method":"${method}"${params === undefined ? '' : `,"params":${jsonOf(params)}`}}`;
    this.#checkSize(text);
    const answer = Promise.withResolvers<unknown>();
    this.#add(id, { method, text: () => text, resolve: answer.resolve, reject: answer.reject });
    return answer.promise;
  }

  #add(id: number, pending: Pending): void {
    if (this.#pending === 0) this.#parts.hold(true);
    this.#waiting.set(id, pending);
    this.#watch ??= this.#setWatch(false);
    this.#connection.wake();
  }

  #cancel(id: number): void {
    if (this.#waiting.delete(id)) return this.#forget();
    if (this.#sent.has(id)) this.#connection.post(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":${id}}}`);
  }

  /** The messages that the server has room for. */
  *#ready(): Generator<string> {
    const room = Math.max((this.#server?.limits.callsMax ?? 2) - 1, 1);
    for (const [id, pending] of this.#waiting) {
      if (this.#sent.size >= room) return;
      this.#waiting.delete(id);
      this.#sent.set(id, pending);
      yield pending.text();
    }
  }

  #hear(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      return this.fail(strange('a line that is not JSON'));
    }
    if (message === null || typeof message !== 'object') return this.fail(strange('a message that is no object'));
    const { id, method, params, result, error } = message;
    if (method === PROGRESS) {
      return isProgress(params) ? this.#progress(params) : this.fail(strange('progress of nothing'));
    }
    const failure = plannerErrorOf(error);
    if (error !== undefined && failure === undefined) return this.fail(strange('an error that says nothing'));
    const pending = typeof id === 'number' ? this.#sent.get(id) : undefined;
    if (pending === undefined) {
      // An error without a call concerns the connection: refused, or a line too long.
      return this.fail(failure ?? strange(`an answer to no call (id ${describeValue(id)})`));
    }
    this.#sent.delete(id as number);
    if (failure === undefined) pending.resolve(result);
    else pending.reject(failure);
    if (this.#waiting.size > 0) this.#connection.wake();
    else this.#forget();
  }

  #progress({ id, attempt }: ProgressParams): void {
    this.#tell('onAttempt', () => this.#sent.get(id as number)?.call?.hear(attempt));
  }

  #tell(event: 'warning' | 'exit' | 'onAttempt', call: () => void): void {
    callListener(event, call, (message) => this.#tell('warning', () => this.emit('warning', message)));
  }

  #forget(): void {
    if (this.#pending > 0) return;
    this.#watch?.cancel();
    this.#watch = undefined;
    this.#parts.hold(false);
    this.#hurry();
  }

  /** A hung server keeps its connection open: while calls wait, it must send something now and then, if only in reply to a ping. */
  #setWatch(isAsked: boolean): Timer {
    const { clock, silenceMs } = this.#parts;
    const before = this.#connection.reads;
    return clock.setTimer(silenceMs, () => {
      if (this.#connection.reads > before) this.#watch = this.#setWatch(false);
      else if (isAsked) this.fail(this.#connection.gone(`has said nothing for ${2 * silenceMs} ms (silenceMs)`));
      else {
        this.#watch = this.#setWatch(true);
        this.#sent.set(this.#nextId, { method: 'ping', text: () => '', resolve: () => {}, reject: () => {} });
        this.#connection.post(`{"jsonrpc":"2.0","id":${this.#nextId++},"method":"ping"}`);
      }
    });
  }

  #end(error: PlannerError, expected: boolean): void {
    if (this.#endedBy !== undefined) return;
    this.#endedBy = error;
    this.#watch?.cancel();
    this.#connection.close();
    for (const pending of [...this.#sent.values(), ...this.#waiting.values()]) {
      // A close settles plans, like a planner's own.
      if (expected && pending.call !== undefined) pending.call.answerHere();
      else pending.reject(error);
    }
    this.#sent.clear();
    this.#waiting.clear();
    this.#hurry();
    this.#over.resolve();
    this.#tell('exit', () => this.emit('exit', { code: null, signal: null, expected }));
  }
}

function connectionClosed(): PlannerError {
  return new PlannerError('ERR_PLANNER_CLOSED', 'the connection to the planner is closed');
}
