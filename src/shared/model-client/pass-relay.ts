import type { OpenAI } from 'openai';
import type { Clock } from '../clock.ts';
import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import { type Span, TopMembers, valueAt } from '../top-members.ts';
import { readJson } from '../untrusted-json.ts';
import type { AnswerBounds } from './answer-bytes.ts';
import { AnswerReader, type ReaderPorts, type Refusal } from './answer-reader.ts';
import { CallAttempt } from './call-attempt.ts';
import type { PhaseLimits } from './call-watch.ts';
import type { TokenUsage } from './chat-event.ts';
import type { Relay, RelayEnd } from './chat-relay.ts';
import { failureOf, isLife, isTerminal, usageOf } from './pass-event.ts';

/**
 * A client's request to a route that is passed on: its bytes go to the server unchanged, and so do the bytes of the answer to
 * the client. The answer is only observed: whether it shows life, fails or is whole, its tokens, and its id.
 */
export interface PassCall {
  /** Path below the base URL, such as `/responses`. */
  readonly path: string;
  readonly body: Buffer;
  readonly isStreamed: boolean;
  /** True if the request asks for one answer, so that the end of this one is the end of all. */
  readonly isSingle: boolean;
  /** True if a 404 may concern something that the server has kept, and not the route. */
  readonly refersToState: boolean;
  /** Time limit of the whole call, in milliseconds. */
  readonly timeoutMs: number;
  readonly phases?: PhaseLimits;
  readonly listener: PassListener;
}

export interface PassListener {
  /** Called with bytes of the answer, before they are examined. */
  onBytes(bytes: Buffer, isEventStream: boolean): void;
  /** Called when the answer first shows life: from now on it is worth passing on. */
  onLife(): void;
  /** Called once, with the id that the server gives the answer. */
  onId(id: string): void;
}

export interface PassEnd extends RelayEnd {
  /** Absent if the answer is whole. ERR_METHOD_UNKNOWN if the server does not have the route. */
  readonly failure?: PlannerError;
  /** True if the bytes of the answer contain the failure. */
  readonly isInAnswer: boolean;
}

export type PassRelay = Relay<PassEnd>;

/** Maximum size of a body that is examined. The client of a longer body receives it before its end. */
export const READ_BYTES_MAX = 16_000_000;
/** Maximum size of an answer. */
const BOUNDS: AnswerBounds = { streamBytesMax: 64_000_000, bodyBytesMax: 64_000_000, keptBytesMax: READ_BYTES_MAX };
/** Statuses of a server that does not have a route; LM Studio reports it with status 200. */
const NOT_THERE: ReadonlySet<number> = new Set([404, 405, 501]);
const NO_ENDPOINT = /unexpected endpoint/i;

export function startPass(sdk: OpenAI, clock: Clock, call: PassCall, signal: AbortSignal | undefined): PassRelay {
  const { path, body: bytes, isStreamed, timeoutMs, phases } = call;
  const read = (ports: ReaderPorts): PassReader => new PassReader(ports, call);
  const terms = { body: { path, bytes }, timeoutMs, phases, isStreamed, isConstrained: false, read };
  const attempt = new CallAttempt(sdk, clock, terms, signal);
  const ended = attempt.run().then(
    ({ failure, refusal, reader, report }): PassEnd => ({
      ...defined({ failure: failure && routeFailure(failure, refusal, call), refusal }),
      isInAnswer: reader?.hasFailed ?? false,
      report,
    }),
  );
  return { ended, pause: () => attempt.pause(), resume: () => attempt.resume() };
}

/** Interprets a "not found" status: the route is missing, unless the server mentions a model or may mean something it has kept. */
function routeFailure(failure: PlannerError, refusal: Refusal | undefined, call: PassCall): PlannerError {
  if (!lacksRoute(failure, refusal)) return failure;
  if (isAboutModel(refusal?.error)) return new PlannerError('ERR_MODEL_INVALID_ID', failure.message);
  return refusal?.status === 404 && call.refersToState ? failure : missingRoute(call.path, failure);
}

/** Whether a server refused a call because it does not have the route, or because a model cannot answer this way. */
export function lacksRoute({ code, message }: PlannerError, refusal: Refusal | undefined): boolean {
  if (code === 'ERR_MODEL_INVALID_ID') return false;
  if (refusal !== undefined) return NOT_THERE.has(refusal.status);
  return code === 'ERR_MODEL_STATUS' && NO_ENDPOINT.test(message);
}

export function missingRoute(path: string, { message }: PlannerError): PlannerError {
  return new PlannerError('ERR_METHOD_UNKNOWN', `the server does not have POST ${path}: ${message}`);
}

function isAboutModel(error: unknown): boolean {
  const { code, param } = (error ?? {}) as { code?: unknown; param?: unknown };
  return code === 'model_not_found' || param === 'model';
}

const WANTED = ['id', 'model', 'usage', 'error', 'status'];

class PassReader extends AnswerReader {
  model: string | undefined;
  usage: TokenUsage = {};
  /** Whether the answer itself reports a failure. */
  hasFailed = false;
  readonly #call: PassCall;
  readonly #members = new TopMembers(WANTED);
  #hasFinished = false;
  #hasId = false;

  constructor(ports: ReaderPorts, call: PassCall) {
    super(ports, BOUNDS);
    this.#call = call;
  }

  protected override get isWhole(): boolean {
    return super.isWhole || this.#hasFinished;
  }

  protected override onBytes(chunk: Buffer, isEventStream: boolean): void {
    this.report(() => this.#call.listener.onBytes(chunk, isEventStream));
    if (isEventStream) return;
    this.#members.push(chunk);
    this.alive();
  }

  protected onEvent(data: string): void {
    const read = readJson(data);
    if ('rule' in read) return this.stop(new PlannerError('ERR_MODEL_MALFORMED', `an event ${read.rule}`));
    const event = read.value;
    // llama.cpp begins the answers to several prompts with `null`.
    if (event === null || typeof event !== 'object') return;
    const failure = failureOf(event);
    if (failure !== undefined) {
      this.hasFailed = true;
      return this.stop(failure);
    }
    this.#note(event);
    if (!isLife(event)) return;
    this.alive();
    this.report(() => this.#call.listener.onLife());
  }

  protected override afterRead(): void {
    if (this.#hasFinished && this.#call.isSingle) this.ports.onFinished();
  }

  protected readBody(isEnded: boolean): void {
    if (!isEnded) return;
    if (this.#members.fault !== undefined) {
      return this.settle(new PlannerError('ERR_MODEL_MALFORMED', 'the response is not a JSON object'));
    }
    if (this.bytes.isTooLong) return this.settle();
    const { body } = this.bytes;
    const valueFor = ({ start, end }: Span): unknown => valueAt(body.subarray(start, end));
    const told = Object.fromEntries(
      WANTED.flatMap((name) => this.#members.spansOf(name).map((span) => [name, valueFor(span)])),
    );
    const failure = failureOf(told);
    this.hasFailed = failure !== undefined;
    if (failure === undefined) this.#note(told);
    this.settle(failure);
  }

  #note(event: object): void {
    const { response = event } = event as { response?: object };
    const { id, model } = (response ?? {}) as { id?: unknown; model?: unknown };
    if (typeof id === 'string' && !this.#hasId) {
      this.#hasId = true;
      this.report(() => this.#call.listener.onId(id));
    }
    if (typeof model === 'string' && model !== '') this.model = model;
    this.usage = { ...this.usage, ...usageOf(response) };
    this.#hasFinished ||= isTerminal(event);
  }
}
