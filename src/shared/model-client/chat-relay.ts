import type { OpenAI } from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import type { Clock } from '../clock.ts';
import { encodeError, PlannerError } from '../errors.ts';
import type { CallReport } from '../tasks.ts';
import { type AnswerReader, CallAttempt, type ReaderPorts, type Refusal } from './call-attempt.ts';
import type { PhaseLimits } from './call-watch.ts';
import {
  type ChunkEvent,
  contentOf,
  errorStatusOf,
  eventFailure,
  parseEvent,
  type TokenUsage,
  usageAfter,
} from './chat-event.ts';
import type { CallPhase } from './failures.ts';
import { SseParser } from './sse.ts';

/**
 * A chat call of somebody else: its body is sent as it is, and its answer is told event by event, in the server's own
 * words. Nothing is added, and nothing but errors is kept back.
 */
export interface RelayCall {
  readonly body: Readonly<Record<string, unknown>>;
  /** Total time of the call, milliseconds. */
  readonly timeoutMs: number;
  readonly phases?: PhaseLimits;
  /** The answers asked for (`n`): the stream is whole when so many have ended. */
  readonly choices: number;
  readonly listener: RelayListener;
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
const BODY_BYTES_MAX = 16_000_000;

export function startRelay(sdk: OpenAI, clock: Clock, call: RelayCall, signal: AbortSignal | undefined): Relay {
  const { body, timeoutMs, phases, choices, listener } = call;
  const isStreamed = body.stream === true;
  const isConstrained = body.response_format !== undefined;
  const attempt = new CallAttempt(
    sdk,
    clock,
    {
      // Whatever a client sends: the servers say what they do not take.
      body: body as unknown as ChatCompletionCreateParams,
      timeoutMs,
      ...(isStreamed && phases !== undefined ? { phases } : {}),
      isStreamed,
      isConstrained,
      read: (ports) => new RelayReader(ports, { listener, choices, isConstrained }),
    },
    signal,
  );
  const ended = attempt.run().then(({ failure, refusal, reader, report }): RelayEnd => {
    const said = refusal ?? reader?.refusal;
    return {
      ...(failure === undefined ? {} : { failure }),
      ...(said === undefined ? {} : { refusal: said }),
      report,
    };
  });
  return { ended, pause: () => attempt.pause(), resume: () => attempt.resume() };
}

class RelayReader implements AnswerReader {
  model: string | undefined;
  usage: TokenUsage = {};
  chunks = 0;
  phase: CallPhase = 'first-token';
  /** Of an error that came in the answer. */
  refusal: Refusal | undefined;
  ended = false;
  readonly #ports: ReaderPorts;
  readonly #call: Pick<RelayCall, 'listener' | 'choices'> & { readonly isConstrained: boolean };
  readonly #sse: SseParser;
  readonly #body: Buffer[] = [];
  /** The choices that have a finish reason. */
  readonly #finished = new Set<unknown>();
  #bytes = 0;
  #settled = false;
  #done = false;

  constructor(ports: ReaderPorts, call: Pick<RelayCall, 'listener' | 'choices'> & { readonly isConstrained: boolean }) {
    this.#ports = ports;
    this.#call = call;
    this.#sse = new SseParser((data) => this.#onEvent(data));
  }

  onData(chunk: Buffer): void {
    if (this.#settled) return;
    this.#bytes += chunk.length;
    if (this.#bytes > (this.#ports.isEventStream ? STREAM_BYTES_MAX : BODY_BYTES_MAX)) return this.#flood();
    if (!this.#ports.isEventStream) {
      this.#body.push(chunk);
      return;
    }
    if (!this.#sse.push(chunk)) return this.#flood();
    if (this.#done && !this.#settled) this.#settle();
  }

  onEnd(): void {
    this.#end();
    if (this.#settled) return;
    if (!this.#ports.isEventStream) return this.#readBody();
    this.#sse.end();
    if (this.#settled) return;
    if (this.#isWhole) this.#settle();
    else this.#settle(new PlannerError('ERR_MODEL_RESET', 'the stream ended without [DONE] or a finish reason'));
  }

  onError(error: Error): void {
    this.#end();
    if (this.#settled) return;
    // The model had finished; only the end of the response is missing.
    if (this.#isWhole) this.#settle();
    else this.#settle(new PlannerError('ERR_MODEL_RESET', 'the connection ended mid-answer', { cause: error }));
  }

  get #isWhole(): boolean {
    return this.#done || this.#finished.size >= this.#call.choices;
  }

  #end(): void {
    this.ended = true;
    this.#ports.onEnded();
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
    this.#fail(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${this.#bytes} bytes`));
  }

  #onEvent(data: string): void {
    if (this.#settled || this.#done) return;
    if (data === '[DONE]') {
      this.#done = true;
      return;
    }
    const event = this.#read(parseEvent(data));
    if (event === undefined) return;
    if (contentOf(event) !== 'none') {
      this.phase = 'stream';
      this.chunks++;
      this.#ports.onToken();
    }
    this.#tell(() => this.#call.listener.onEvent(data, event));
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
  #read(said: unknown): ChunkEvent | undefined {
    const failure = eventFailure(said, this.#call.isConstrained);
    if (failure !== undefined) {
      const status = said instanceof PlannerError ? undefined : errorStatusOf((said ?? {}) as ChunkEvent);
      if (status !== undefined) this.refusal = { status, error: (said as ChunkEvent).error };
      this.#fail(failure);
      return undefined;
    }
    const event = said as ChunkEvent;
    if (typeof event.model === 'string' && event.model !== '') this.model = event.model;
    this.usage = usageAfter(this.usage, event);
    if (Array.isArray(event.choices)) {
      for (const choice of event.choices) {
        if (typeof choice?.finish_reason === 'string') this.#finished.add(choice.index ?? 0);
      }
    }
    return event;
  }

  #readBody(): void {
    const text = Buffer.concat(this.#body).toString('utf8');
    if (text.trim() === '') return this.#settle(new PlannerError('ERR_MODEL_EMPTY', 'the response has no body'));
    const body = this.#read(parseEvent(text));
    if (body === undefined) return;
    if (!Array.isArray(body.choices)) {
      return this.#settle(new PlannerError('ERR_MODEL_MALFORMED', 'the response has no choices'));
    }
    this.#tell(() => this.#call.listener.onBody(text, body));
    if (!this.#settled) this.#settle();
  }
}
