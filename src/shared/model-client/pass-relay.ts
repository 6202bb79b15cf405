import type { OpenAI } from 'openai';
import type { Clock, Timer } from '../clock.ts';
import { defined } from '../defined.ts';
import { encodeError, PlannerError } from '../errors.ts';
import type { CallReport } from '../tasks.ts';
import { type Span, TopMembers, valueAt } from '../top-members.ts';
import { readJson } from '../untrusted-json.ts';
import { type Form, FormFinder } from './answer-begin.ts';
import { type AnswerReader, CallAttempt, type ReaderPorts, type Refusal } from './call-attempt.ts';
import type { PhaseLimits } from './call-watch.ts';
import type { TokenUsage } from './chat-event.ts';
import type { CallPhase } from './failures.ts';
import { failureOf, isLife, isTerminal, usageOf } from './pass-event.ts';
import { SseParser } from './sse.ts';

/**
 * A request of somebody else to a route that is passed on: its bytes go to the server unchanged, and the bytes of the answer come
 * back unchanged. The answer is only looked at: whether it shows life, fails or is whole, its tokens, and the id it has.
 */
export interface PassCall {
  /** Below the base URL, such as `/responses`. */
  readonly path: string;
  readonly body: Buffer;
  readonly isStreamed: boolean;
  /** Whether it asks for one answer, so that this one's end is the end of all. */
  readonly isSingle: boolean;
  /** Whether a 404 may be about something that the server has kept, and not about the route. */
  readonly refersToState: boolean;
  /** Total time of the call, milliseconds. */
  readonly timeoutMs: number;
  readonly phases?: PhaseLimits;
  readonly listener: PassListener;
}

export interface PassListener {
  /** Some bytes of the answer, before anything is known of them. */
  onBytes(bytes: Buffer, isEventStream: boolean): void;
  /** The answer shows life: from now on it is worth being told. */
  onLife(): void;
  /** The id that the server gives the answer, once. */
  onId(id: string): void;
}

export interface PassEnd {
  /** Absent where the answer is whole. ERR_METHOD_UNKNOWN where the server does not have the route. */
  readonly failure?: PlannerError;
  /** Where the server itself refused the call: what it said. */
  readonly refusal?: Refusal;
  /** Whether the failure stands in the bytes of the answer. */
  readonly isInAnswer: boolean;
  readonly report: CallReport;
}

export interface PassRelay {
  /** Never rejects. */
  readonly ended: Promise<PassEnd>;
  /** Reads no further until `resume`; meanwhile only the total time goes on. */
  pause(): void;
  resume(): void;
}

/** More than this is no answer but a flood. */
const BYTES_MAX = 64_000_000;
/** Of a longer body nothing is read, and its client is told of it before its end. */
export const READ_BYTES_MAX = 16_000_000;
/** After an answer has shown its end, its server has this long to say more. */
const END_MS = 1_000;
/** These say that a server does not have a route; LM Studio says so with status 200. */
const NOT_THERE: ReadonlySet<number> = new Set([404, 405, 501]);
const NO_ENDPOINT = /unexpected endpoint/i;

export function startPass(sdk: OpenAI, clock: Clock, call: PassCall, signal: AbortSignal | undefined): PassRelay {
  const { path, body, isStreamed, timeoutMs, phases } = call;
  const attempt = new CallAttempt<PassReader>(
    sdk,
    clock,
    {
      body: { path, bytes: body },
      timeoutMs,
      ...(isStreamed && phases !== undefined ? { phases } : {}),
      isStreamed,
      isConstrained: false,
      read: (ports) => new PassReader(ports, clock, call),
    },
    signal,
  );
  const ended = attempt.run().then(({ failure, refusal, reader, report }): PassEnd => {
    reader?.dispose();
    const told = failure && routeFailure(failure, refusal, call);
    return {
      ...defined({ failure: told, refusal }),
      isInAnswer: reader?.hasFailed ?? false,
      report,
    };
  });
  return { ended, pause: () => attempt.pause(), resume: () => attempt.resume() };
}

/** What a status of "not there" means: the route, unless the server speaks of a model, or may speak of what it has kept. */
function routeFailure(failure: PlannerError, refusal: Refusal | undefined, call: PassCall): PlannerError {
  if (failure.code === 'ERR_MODEL_INVALID_ID') return failure;
  const { status } = refusal ?? {};
  const isSaid = failure.code === 'ERR_MODEL_STATUS' && status === undefined && NO_ENDPOINT.test(failure.message);
  if (!isSaid && (status === undefined || !NOT_THERE.has(status))) return failure;
  if (isAboutModel(refusal?.error)) return new PlannerError('ERR_MODEL_INVALID_ID', failure.message);
  if (status === 404 && call.refersToState) return failure;
  return new PlannerError('ERR_METHOD_UNKNOWN', `the server does not have POST ${call.path}: ${failure.message}`);
}

function isAboutModel(error: unknown): boolean {
  const { code, param } = (error ?? {}) as { code?: unknown; param?: unknown };
  return code === 'model_not_found' || param === 'model';
}

const WANTED = ['id', 'model', 'usage', 'error', 'status'];

class PassReader implements AnswerReader {
  model: string | undefined;
  usage: TokenUsage = {};
  chunks = 0;
  phase: CallPhase = 'first-token';
  ended = false;
  /** Whether the answer itself tells of a failure. */
  hasFailed = false;
  readonly #ports: ReaderPorts;
  readonly #clock: Clock;
  readonly #listener: PassListener;
  readonly #isSingle: boolean;
  readonly #sse = new SseParser((data) => this.#onEvent(data));
  readonly #members = new TopMembers(WANTED);
  readonly #finder: FormFinder;
  #form: Form | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #isSettled = false;
  #isWhole = false;
  #hasId = false;
  #endTimer: Timer | undefined;

  constructor(ports: ReaderPorts, clock: Clock, { listener, isSingle }: PassCall) {
    this.#ports = ports;
    this.#clock = clock;
    this.#listener = listener;
    this.#isSingle = isSingle;
    this.#finder = new FormFinder(ports.isEventStream);
  }

  dispose(): void {
    this.#endTimer?.cancel();
  }

  onData(chunk: Buffer): void {
    if (this.#isSettled) return;
    this.#bytes += chunk.length;
    if (this.#bytes > BYTES_MAX) return this.#flood();
    if (this.#form !== undefined) return this.#take(chunk, this.#form);
    const form = this.#finder.push(chunk);
    if (form !== undefined) this.#begin(form);
  }

  /** The form of the answer is certain: what came before that is read in it. */
  #begin(form: Form): void {
    this.#form = form;
    if (this.#finder.bytes.length > 0) this.#take(this.#finder.bytes, form);
  }

  #take(chunk: Buffer, form: Form): void {
    const isEventStream = form === 'events';
    this.#tell(() => this.#listener.onBytes(chunk, isEventStream));
    if (isEventStream) return this.#readEvents(chunk);
    this.#members.push(chunk);
    this.#keep(chunk);
    this.#alive();
  }

  onEnd(): void {
    this.#end();
    if (this.#isSettled) return;
    if (this.#form === undefined) this.#begin(this.#finder.end());
    if (this.#form === 'body') return this.#readBody();
    this.#sse.end();
    if (this.#isSettled) return;
    this.#settle(this.#isWhole ? undefined : cut('the stream ended before its last event'));
  }

  onError(error: Error): void {
    this.#end();
    if (this.#isSettled) return;
    // Everything had been said; only the end of the response is missing.
    this.#settle(this.#isWhole ? undefined : cut('the connection ended mid-answer', error));
  }

  endWhole(): boolean {
    if (this.#isWhole && !this.#isSettled) {
      this.#settle();
      this.#ports.stop();
    }
    return this.#isSettled;
  }

  #end(): void {
    this.ended = true;
    this.#ports.onEnded();
  }

  #settle(failure?: PlannerError): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.dispose();
    this.#ports.onSettled(failure);
  }

  #fail(failure: PlannerError): void {
    this.#settle(failure);
    this.#ports.stop();
  }

  #flood(): void {
    this.#fail(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${this.#bytes} bytes`));
  }

  /** Of an answer so long that it is told before its end, nothing is read any more. */
  #keep(chunk: Buffer): void {
    if (this.#bytes > READ_BYTES_MAX) this.#pieces = [];
    else this.#pieces.push(chunk);
  }

  #alive(): void {
    this.phase = 'stream';
    this.chunks++;
    this.#ports.onToken();
  }

  /** What the listener throws is a bug, and ends the call: nobody above the socket's read would hear of it. */
  #tell(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      const { code, message } = encodeError(error);
      this.#fail(new PlannerError(code, message, { cause: error }));
    }
  }

  #readEvents(chunk: Buffer): void {
    if (!this.#sse.push(chunk)) return this.#flood();
    if (this.#isSettled || !this.#isWhole || !this.#isSingle) return;
    this.#endTimer?.cancel();
    this.#endTimer = this.#clock.setTimer(END_MS, () => {
      this.#settle();
      this.#ports.stop();
    });
  }

  #onEvent(data: string): void {
    if (this.#isSettled) return;
    if (data.trim() === '[DONE]') {
      this.#isWhole = true;
      return this.#settle();
    }
    const read = readJson(data);
    if ('rule' in read) return this.#fail(new PlannerError('ERR_MODEL_MALFORMED', `an event ${read.rule}`));
    const event = read.value;
    // llama.cpp begins the answers to several prompts with `null`.
    if (event === null || typeof event !== 'object') return;
    const failure = failureOf(event);
    if (failure !== undefined) {
      this.hasFailed = true;
      return this.#fail(failure);
    }
    this.#note(event);
    if (!isLife(event)) return;
    this.#alive();
    this.#tell(() => this.#listener.onLife());
  }

  #note(event: object): void {
    const { response = event } = event as { response?: object };
    const { id, model } = (response ?? {}) as { id?: unknown; model?: unknown };
    if (typeof id === 'string' && !this.#hasId) {
      this.#hasId = true;
      this.#tell(() => this.#listener.onId(id));
    }
    if (typeof model === 'string' && model !== '') this.model = model;
    this.usage = { ...this.usage, ...usageOf(response) };
    this.#isWhole ||= isTerminal(event);
  }

  #readBody(): void {
    if (this.#bytes === 0) return this.#settle(new PlannerError('ERR_MODEL_EMPTY', 'the response has no body'));
    if (this.#members.fault !== undefined) {
      return this.#settle(new PlannerError('ERR_MODEL_MALFORMED', 'the response is not a JSON object'));
    }
    if (this.#bytes > READ_BYTES_MAX) return this.#settle();
    const body = Buffer.concat(this.#pieces);
    const valueFor = ({ start, end }: Span): unknown => valueAt(body.subarray(start, end));
    const told = Object.fromEntries(
      WANTED.flatMap((name) => this.#members.spansOf(name).map((span) => [name, valueFor(span)])),
    );
    const failure = failureOf(told);
    this.hasFailed = failure !== undefined;
    if (failure === undefined) this.#note(told);
    this.#settle(failure);
  }
}

function cut(message: string, cause?: Error): PlannerError {
  return new PlannerError('ERR_MODEL_RESET', message, { cause });
}
