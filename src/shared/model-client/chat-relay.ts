import type { OpenAI } from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import type { Clock } from '../clock.ts';
import { defined } from '../defined.ts';
import { encodeError, PlannerError } from '../errors.ts';
import type { CallReport } from '../tasks.ts';
import { AnswerBytes } from './answer-bytes.ts';
import { AnswerProgress } from './answer-progress.ts';
import {
  type AnswerReader,
  type AttemptResult,
  CallAttempt,
  type PassedBody,
  type ReaderPorts,
  type Refusal,
} from './call-attempt.ts';
import type { PhaseLimits } from './call-watch.ts';
import { type ChunkEvent, contentOf, errorOf, isDone, parseEvent, statusOf, type TokenUsage } from './chat-event.ts';
import type { CallPhase } from './failures.ts';
import type { StreamOptions } from './stream-options.ts';

/**
 * A chat call of somebody else: its body is sent as it is, and its answer is told event by event, in the server's own
 * words. Nothing is added, and nothing but errors is kept back.
 */
export interface RelayCall {
  readonly body: Readonly<Record<string, unknown>>;
  /** Further members of a large body. */
  readonly rest?: RestOfBody;
  /** Total time of the call, milliseconds. */
  readonly timeoutMs: number;
  readonly phases?: PhaseLimits;
  /** The answers asked for (`n`): the stream is whole when so many have ended. */
  readonly choices: number;
  readonly listener: RelayListener;
}

/** Members of a large body that have been written already. */
export interface RestOfBody {
  /** In pieces, without the braces. */
  readonly json: readonly Buffer[];
  /** Whether they ask for a schema. */
  readonly isConstrained: boolean;
}

export interface RelayListener {
  /** One event of a stream, as the server wrote it and as it reads. */
  onEvent(data: string, event: ChunkEvent): void;
  /** The whole answer of a server that does not stream. */
  onBody(text: string, body: ChunkEvent): void;
}

export interface RelayEnd {
  /** Absent where the answer is whole. */
  readonly failure?: PlannerError;
  /** Where the server itself refused the call or broke it off: what it said. */
  readonly refusal?: Refusal;
  readonly report: CallReport;
}

/** A call under way. */
export interface Relay {
  /** Never rejects. */
  readonly ended: Promise<RelayEnd>;
  /** Reads no further until `resume`; meanwhile only the total time goes on. */
  pause(): void;
  resume(): void;
}

/** Beyond these it is no answer but a flood; the connection is closed. */
const STREAM_BYTES_MAX = 64_000_000;
const BODY_BYTES_MAX = 16 * 1_048_576;

export function startRelay(
  sdk: OpenAI,
  clock: Clock,
  streamOptions: StreamOptions,
  call: RelayCall,
  signal: AbortSignal | undefined,
): Relay {
  const endMs = clock.now() + call.timeoutMs;
  const body = streamOptions.bodyFor(call.body);
  let isPaused = false;
  let attempt = relayAttempt(sdk, clock, { ...call, body }, signal);
  const run = async (): Promise<RelayEnd> => {
    const first = relayEnd(await attempt.run());
    const again = streamOptions.again(body, first.failure, first.refusal);
    const leftMs = endMs - clock.now();
    if (again === undefined || leftMs <= 0 || signal?.aborted) return first;
    attempt = relayAttempt(sdk, clock, { ...call, body: again, timeoutMs: leftMs }, signal);
    if (isPaused) attempt.pause();
    const second = relayEnd(await attempt.run());
    if (second.failure === undefined) streamOptions.refused();
    return second;
  };
  return {
    ended: run(),
    pause: () => {
      isPaused = true;
      attempt.pause();
    },
    resume: () => {
      isPaused = false;
      attempt.resume();
    },
  };
}

function relayAttempt(
  sdk: OpenAI,
  clock: Clock,
  { body, rest, timeoutMs, phases, choices, listener }: RelayCall,
  signal: AbortSignal | undefined,
): CallAttempt<RelayReader> {
  const isStreamed = body.stream === true;
  const isConstrained = body.response_format !== undefined || rest?.isConstrained === true;
  return new CallAttempt(
    sdk,
    clock,
    {
      // Whatever a client sends: the servers say what they do not take.
      body: rest === undefined ? (body as unknown as ChatCompletionCreateParams) : withRest(body, rest),
      timeoutMs,
      ...(isStreamed && phases !== undefined ? { phases } : {}),
      isStreamed,
      isConstrained,
      read: (ports) => new RelayReader(ports, { listener, choices, isConstrained }),
    },
    signal,
  );
}

function withRest(body: RelayCall['body'], { json }: RestOfBody): PassedBody {
  const head = JSON.stringify(body).slice(0, -1);
  return { path: '/chat/completions', bytes: Buffer.concat([Buffer.from(`${head},`), ...json, Buffer.from('}')]) };
}

function relayEnd({ failure, refusal, reader, report }: AttemptResult<RelayReader>): RelayEnd {
  const said = refusal ?? reader?.refusal;
  return {
    ...defined({ failure, refusal: said }),
    report,
  };
}

type ReaderTerms = Pick<RelayCall, 'listener' | 'choices'> & { readonly isConstrained: boolean };

class RelayReader implements AnswerReader {
  chunks = 0;
  phase: CallPhase = 'first-token';
  /** Of an error that came in the answer. */
  refusal: Refusal | undefined;
  ended = false;
  readonly #ports: ReaderPorts;
  readonly #listener: RelayListener;
  readonly #bytes: AnswerBytes;
  readonly #progress: AnswerProgress;
  #wasFinished = false;
  #settled = false;
  #done = false;

  constructor(ports: ReaderPorts, { listener, choices, isConstrained }: ReaderTerms) {
    this.#ports = ports;
    this.#listener = listener;
    this.#progress = new AnswerProgress(choices, isConstrained);
    this.#bytes = new AnswerBytes({
      isEventStream: ports.isEventStream,
      streamBytesMax: STREAM_BYTES_MAX,
      bodyBytesMax: BODY_BYTES_MAX,
      onEvent: (data, name) => this.#onEvent(data, name),
    });
  }

  get model(): string | undefined {
    return this.#progress.model;
  }

  get usage(): TokenUsage {
    return this.#progress.usage;
  }

  onData(chunk: Buffer): void {
    if (this.#settled) return;
    if (!this.#bytes.push(chunk)) return this.#flood();
    if (this.#settled) return;
    if (this.#done) this.#finish();
    else if (this.#progress.isFinished && !this.#wasFinished) {
      this.#wasFinished = true;
      this.#ports.onFinished();
    }
  }

  onEnd(): void {
    this.#end();
    if (this.#settled) return;
    const body = this.#bytes.end();
    if (body !== undefined) return this.#readBody(body);
    if (this.#settled) return;
    if (this.#isWhole) this.#finish();
    else this.#cutShort('the stream ended without [DONE] or a finish reason');
  }

  onError(error: Error): void {
    this.#end();
    // The model may have finished; then only the end of the response is missing.
    if (!this.endWhole()) this.#cutShort('the connection ended mid-answer', error);
  }

  endWhole(): boolean {
    if (this.#settled) return true;
    if (this.#isWhole) this.#finish();
    else if (this.#bytes.isBody) {
      const { text } = this.#bytes;
      if (!(parseEvent(text) instanceof PlannerError)) this.#readBody(text);
    }
    return this.#settled;
  }

  get #isWhole(): boolean {
    return this.#done || this.#progress.isFinished;
  }

  #end(): void {
    this.ended = true;
    this.#ports.onEnded();
  }

  #finish(): void {
    this.#settle(this.#progress.endFailure());
  }

  #cutShort(message: string, cause?: Error): void {
    this.#settle(this.#progress.cutFailure(message, cause));
  }

  #settle(failure?: PlannerError): void {
    this.#settled = true;
    this.#ports.onSettled(failure);
  }

  #fail(failure: PlannerError): void {
    this.#settle(failure);
    this.#ports.stop();
  }

  #flood(): void {
    this.#fail(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${this.#bytes.count} bytes`));
  }

  #onEvent(data: string, name: string | undefined): void {
    if (this.#settled || this.#done) return;
    if (isDone(data)) {
      this.#done = true;
      return;
    }
    const event = this.#read(parseEvent(data), name);
    if (event === undefined) return;
    if (contentOf(event) !== 'none') {
      this.phase = 'stream';
      this.chunks++;
      this.#ports.onToken();
    }
    this.#tell(() => this.#listener.onEvent(data, event));
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

  /** Undefined where it tells of a failure, and then that is the end. */
  #read(said: unknown, name?: string): ChunkEvent | undefined {
    const failure = this.#progress.take(said, name);
    if (failure === undefined) return said as ChunkEvent;
    if (!(said instanceof PlannerError) && said !== null && typeof said === 'object') {
      const error = errorOf(said as ChunkEvent, name);
      this.refusal = { status: statusOf(error), error };
    }
    this.#fail(failure);
    return undefined;
  }

  #readBody(text: string): void {
    if (text.trim() === '') return this.#settle(new PlannerError('ERR_MODEL_EMPTY', 'the response has no body'));
    const body = this.#read(parseEvent(text));
    if (body === undefined) return;
    const failure = this.#progress.bodyFailure(body);
    if (failure !== undefined) return this.#settle(failure);
    this.#tell(() => this.#listener.onBody(text, body));
    if (!this.#settled) this.#settle();
  }
}
