import { describeValue, encodeError, PlannerError } from '../../../shared/errors.ts';
import { parseJsonInParts } from '../../../shared/json-parts.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type JsonReading, parseJson } from '../../../shared/untrusted-json.ts';
import type { ChatPlanner } from '../../chat/chat-planner.ts';
import { type DecisionsRequest, splitDecision } from '../../chat/decisions/decide.ts';
import type { Plan, PlanOptions } from '../../plans/plan.ts';
import type { ByteCharge } from '../byte-budget.ts';
import { OwnedParams, type Ownership } from '../owned-params.ts';
import { askedCall, askedPlan, toldFutures } from '../plan-params.ts';
import {
  cancelledId,
  clipName,
  idOf,
  membersOf,
  messageFault,
  protocolFault,
  type RpcMessage,
} from './message-check.ts';
import type { ResolvedRpcLimits } from './socket-options.ts';
import {
  type CallId,
  errorLine,
  errorTo,
  type HelloResult,
  INVALID_REQUEST,
  METHODS,
  PARSE_ERROR,
  PROTOCOLS,
  progressLine,
  resultTo,
  rpcError,
} from './wire.ts';

/**
 * The calls of one client: lines in, answers out, each exactly once. Plans are answered in the order in which the planner settles them; all other
 * methods at once. A batch with more calls than there is room for is held until there is.
 */

/** Counters over all clients of a face. */
export interface RpcCounters {
  calls: number;
  /** Messages that were neither a call nor a notification. */
  badMessages: number;
  /** Notifications without effect: an unknown method, or a cancel for a call that is not in flight. */
  ignoredNotifications: number;
}

interface CallsParts {
  readonly planner: ChatPlanner;
  readonly limits: ResolvedRpcLimits;
  readonly version: string;
  readonly counters: RpcCounters;
  /** Sends one message to the client, without a line end. */
  send(text: string): void;
  /** A plan has settled, so there may be room. */
  onSettled(): void;
}

/** Answers that are sent together when the last one is ready. */
interface Batch {
  readonly answers: string[];
  left: number;
}

interface HeldBatch {
  readonly messages: readonly unknown[];
  readonly charge: ByteCharge | undefined;
}

/** A plan or a decision in flight. */
interface Call {
  /** Undefined for a notification: its result is not reported. */
  readonly id: CallId | undefined;
  readonly batch: Batch | undefined;
  readonly controller: AbortController;
  /** The charge of its line, if that was large. */
  readonly charge: ByteCharge | undefined;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class RpcCalls {
  readonly #parts: CallsParts;
  /** Calls by id; a notification is its own key. */
  readonly #inFlight = new Map<CallId | Call, Call>();
  /** The controller of the next plan that has to wait. A plan that is answered at once does not use it. */
  #controller = new AbortController();
  #held: HeldBatch | undefined;
  /** Charge of the line being processed. */
  #charge: ByteCharge | undefined;
  readonly #owned: OwnedParams;
  /** True while a large line is being read and checked: no other line may overtake it. */
  #isReading = false;
  #isRefusing = false;
  #isGone = false;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.#owned = new OwnedParams(parts.planner);
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** True if nothing is in flight or held. */
  get isIdle(): boolean {
    return this.#inFlight.size === 0 && this.#held === undefined && !this.#isReading;
  }

  /** True if no line may be taken now. */
  get isFull(): boolean {
    const { callsMax } = this.#parts.limits;
    if (this.#isReading) return true;
    if (this.#held !== undefined) return this.#inFlight.size + this.#held.messages.length > callsMax;
    return this.#inFlight.size >= callsMax;
  }

  /** Answers all new calls with ERR_PLANNER_CLOSED, except a cancel. */
  refuse(): void {
    this.#isRefusing = true;
  }

  /** The client has disconnected: cancels everything and starts nothing. */
  cancelAll(reason: Error): void {
    this.#isGone = true;
    this.#held?.charge?.release();
    this.#held = undefined;
    for (const { controller } of this.#inFlight.values()) controller.abort(reason);
  }

  /** Starts the held batch. Returns false if there is none. */
  takeHeld(): boolean {
    const held = this.#held;
    if (held === undefined) return false;
    this.#held = undefined;
    this.#charge = held.charge;
    this.#begin(held.messages);
    this.#letGo();
    return true;
  }

  /** Takes a line. `charge` is that of a large line; it is released when every plan of the line has been answered. */
  take(line: string, charge: ByteCharge | undefined): void {
    // Its limits were checked when it was read.
    if (charge === undefined) this.#take(parseJson(line));
    else void this.#takeLarge(line, charge);
  }

  /** Reads in parts, over turns of the event loop. What cannot be read or planned is answered in its place. */
  async #takeLarge(line: string, charge: ByteCharge): Promise<void> {
    this.#isReading = true;
    const reading = await this.#parts.planner.longWork.run(parseJsonInParts(line));
    if ('value' in reading) await this.#own(reading.value);
    this.#isReading = false;
    this.#charge = charge;
    if (!this.#isGone) this.#take(reading);
    this.#letGo();
    this.#parts.onSettled();
  }

  /** Lets the planner take over the requests of a message or batch. */
  async #own(message: unknown): Promise<void> {
    for (const each of Array.isArray(message) ? message.slice(0, this.#parts.limits.callsMax) : [message]) {
      if (messageFault(each) === undefined) await this.#owned.take((each as RpcMessage).method, each.params);
    }
  }

  #letGo(): void {
    this.#charge?.release();
    this.#charge = undefined;
  }

  #take(reading: JsonReading): void {
    if ('rule' in reading) return this.fault(protocolFault(`a line ${reading.rule}`), PARSE_ERROR);
    const message = reading.value;
    if (Array.isArray(message)) this.#takeBatch(message);
    else this.#handle(message, undefined);
  }

  /** Reports what cannot be read, without an id. */
  fault(error: PlannerError, number?: number): void {
    this.#parts.counters.badMessages++;
    this.#parts.send(errorLine(null, rpcError(encodeError(error), number)));
  }

  #takeBatch(messages: readonly unknown[]): void {
    const { callsMax } = this.#parts.limits;
    if (messages.length === 0)
      return this.fault(protocolFault('a batch must hold at least one message, got an empty list'));
    if (messages.length > callsMax) {
      const message = `a batch must hold at most ${callsMax} messages (callsMax), got ${messages.length}`;
      return this.fault(new PlannerError('ERR_CLIENT_LIMIT', message));
    }
    if (this.#inFlight.size + messages.length <= callsMax) return this.#begin(messages);
    this.#charge?.hold();
    this.#held = { messages, charge: this.#charge };
  }

  #begin(messages: readonly unknown[]): void {
    const batch: Batch = { answers: [], left: messages.length };
    for (const message of messages) this.#handle(message, batch);
  }

  #handle(message: unknown, batch: Batch | undefined): void {
    const fault = messageFault(message);
    if (fault !== undefined) return this.#refuseMessage(message, fault, batch);
    const { id, method, params } = message as RpcMessage;
    if (id !== undefined && this.#inFlight.size > 0 && this.#inFlight.has(id)) {
      // With the id, it would be taken for the answer to the call in flight.
      const error = protocolFault(`id ${describeValue(id)} is that of a call in flight`);
      return this.#refuseMessage(undefined, error, batch);
    }
    this.#parts.counters.calls++;
    if (method === 'plan') return this.#plan(id, params, batch);
    if (method === 'decide') return this.#decide(id, params, batch);
    let answer: string | undefined;
    try {
      answer = resultTo(id, this.#result(method, params));
    } catch (error) {
      answer = errorTo(id, error);
      if (id === undefined) this.#parts.counters.ignoredNotifications++;
    }
    this.#answer(answer, batch);
  }

  #refuseMessage(message: unknown, error: PlannerError, batch: Batch | undefined): void {
    this.#parts.counters.badMessages++;
    this.#answer(errorLine(idOf(message), rpcError(encodeError(error), INVALID_REQUEST)), batch);
  }

  /** The result of every method except `plan` and `decide`. Throws a PlannerError. */
  #result(method: string, params: unknown): unknown {
    if (method === '$/cancel') return this.#cancel(params);
    if (this.#isRefusing) throw closing();
    const { planner } = this.#parts;
    switch (method) {
      case 'hello':
        return this.#hello(params);
      case 'peek':
        // Unsplit, so that the planner rejects a timeout or priority by name: a peek has neither.
        return planner.peek(this.#ownedOr(params, objectOf(params))) ?? null;
      case 'expect':
        if (this.#ownershipOf(params) === undefined) planner.expect(toldFutures(params));
        return null;
      case 'observe':
        planner.observe(this.#ownedOr(params, objectOf(params)));
        return null;
      case 'stats':
        membersOf(params, method, []);
        return planner.stats();
      case 'clearCache':
        membersOf(params, method, []);
        planner.clearCache();
        return null;
      case 'ping':
        membersOf(params, method, []);
        return 'pong';
      default: {
        const known = METHODS.join(', ');
        throw new PlannerError(
          'ERR_METHOD_UNKNOWN',
          `there is no method ${describeValue(clipName(method))} (${known})`,
        );
      }
    }
  }

  #cancel(params: unknown): true {
    const id = cancelledId(params);
    const call = this.#inFlight.get(id);
    if (call === undefined)
      throw new PlannerError('ERR_CALL_UNKNOWN', `no plan or decision with id ${describeValue(id)} is in flight`);
    call.controller.abort(new PlannerError('ERR_CANCELLED', 'the client sent $/cancel'));
    return true;
  }

  #hello(params: unknown): HelloResult {
    const { protocol, client } = membersOf(params, 'hello', ['protocol', 'client']);
    if (!PROTOCOLS.includes(protocol as number)) {
      const message = `protocol must be one that this server speaks (${PROTOCOLS.join(', ')}), got ${describeValue(protocol)}`;
      throw new PlannerError('ERR_PROTOCOL_VERSION', message);
    }
    if (client !== undefined && typeof client !== 'string') {
      throw new PlannerError('ERR_REQUEST_INVALID', `client must be a name, got ${describeValue(client)}`);
    }
    const { planner, version, limits } = this.#parts;
    const domains = Object.keys(planner.domains);
    return {
      protocol: protocol as number,
      name: 'conclave',
      version,
      pid: process.pid,
      domain: domains[0] as string,
      ...(domains.length === 1 ? {} : { domains }),
      methods: METHODS,
      limits: { callsMax: limits.callsMax, messageBytesMax: limits.messageBytesMax },
    };
  }

  #plan(id: CallId | undefined, params: unknown, batch: Batch | undefined): void {
    let plan: Plan | Promise<Plan>;
    try {
      if (this.#isRefusing) throw closing();
      const asked = askedCall(params);
      const request = this.#ownedOr(params, asked.request);
      const options: Writable<PlanOptions> = { signal: this.#controller.signal };
      if (asked.timeoutMs !== undefined) options.timeoutMs = asked.timeoutMs;
      if (asked.priority !== undefined) options.priority = asked.priority;
      if (asked.progress && id !== undefined) {
        options.onAttempt = (attempt) => this.#parts.send(progressLine(id, attempt));
      }
      plan = this.#parts.planner.planNow(request, options);
    } catch (error) {
      return this.#answer(errorTo(id, error), batch);
    }
    if (plan instanceof Promise) this.#wait({ id, batch, controller: this.#controller, charge: this.#charge }, plan);
    else this.#answer(resultTo(id, plan), batch);
  }

  #decide(id: CallId | undefined, params: unknown, batch: Batch | undefined): void {
    if (this.#isRefusing) return this.#answer(errorTo(id, closing()), batch);
    const decision = this.#decided(params, this.#controller.signal);
    this.#wait({ id, batch, controller: this.#controller, charge: this.#charge }, decision);
  }

  async #decided(params: unknown, signal: AbortSignal): Promise<unknown> {
    const { request, options } = splitDecision(params);
    return this.#parts.planner.chats.decide(request as unknown as DecisionsRequest, { ...options, signal });
  }

  /** The request that the planner has taken over, or the original one. Throws why it was refused. */
  #ownedOr(params: unknown, request: PlanRequest): PlanRequest {
    const owned = this.#ownershipOf(params);
    return owned !== undefined && 'request' in owned ? owned.request : request;
  }

  /** What became of parameters that were taken over: only those of large lines are, which are charged. */
  #ownershipOf(params: unknown): Ownership | undefined {
    return this.#charge === undefined ? undefined : this.#owned.of(params as object);
  }

  #wait(call: Call, plan: Promise<unknown>): void {
    const { id, charge } = call;
    charge?.hold();
    this.#controller = new AbortController();
    this.#inFlight.set(id === undefined ? call : id, call);
    plan.then(
      (settled) => this.#settle(call, resultTo(id, settled)),
      (error) => this.#settle(call, errorTo(id, error)),
    );
  }

  #settle(call: Call, answer: string | undefined): void {
    this.#inFlight.delete(call.id === undefined ? call : call.id);
    this.#answer(answer, call.batch);
    call.charge?.release();
    this.#parts.onSettled();
  }

  #answer(answer: string | undefined, batch: Batch | undefined): void {
    if (batch === undefined) {
      if (answer !== undefined) this.#parts.send(answer);
      return;
    }
    if (answer !== undefined) batch.answers.push(answer);
    if (--batch.left === 0 && batch.answers.length > 0) this.#parts.send(`[${batch.answers.join(',')}]`);
  }
}

function objectOf(params: unknown): PlanRequest {
  askedPlan(params);
  return params as PlanRequest;
}

function closing(): PlannerError {
  return new PlannerError('ERR_PLANNER_CLOSED', 'the server is closing');
}
