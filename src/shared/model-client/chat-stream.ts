import { PlannerError } from '../errors.ts';
import type { AnswerReader, ReaderPorts } from './call-attempt.ts';
import { type ChunkEvent, eventFailure, parseEvent, type TokenUsage, usageAfter } from './chat-event.ts';
import type { CallPhase } from './failures.ts';
import { SseParser } from './sse.ts';

/** Beyond these an answer is no answer but a flood; the connection is closed. */
const ANSWER_CHARS_MAX = 200_000;
const STREAM_BYTES_MAX = 8_000_000;

export interface ChatStreamOptions extends ReaderPorts {
  /** Whether a schema was asked for. */
  readonly isConstrained: boolean;
  /** Looked at once per network read: true ends the stream, and its connection, here. */
  readonly isComplete: ((content: string) => boolean) | undefined;
  /** Called once per network read that leaves the answer open, with all of it so far. */
  readonly onContent?: ((content: string) => void) | undefined;
}

/** Reads one answer: a stream of events, or the single JSON body of a server that does not stream. */
export class ChatStream implements AnswerReader {
  content = '';
  reasoning = '';
  finishReason: string | undefined;
  model: string | undefined;
  usage: TokenUsage = {};
  chunks = 0;
  phase: CallPhase = 'first-token';
  readonly #options: ChatStreamOptions;
  readonly #sse: SseParser;
  readonly #body: Buffer[] = [];
  #bytes = 0;
  #settled = false;
  #ended = false;
  #done = false;

  constructor(options: ChatStreamOptions) {
    this.#options = options;
    this.#sse = new SseParser((data) => this.#onEvent(data));
  }

  /** Whether the server has nothing more to send, so that the connection can be used again. */
  get ended(): boolean {
    return this.#ended;
  }

  onData(chunk: Buffer): void {
    if (this.#settled) return;
    this.#bytes += chunk.length;
    if (this.#bytes > STREAM_BYTES_MAX) return this.#flood();
    if (!this.#options.isEventStream) {
      this.#body.push(chunk);
      return;
    }
    if (!this.#sse.push(chunk)) return this.#flood();
    if (this.#settled) return;
    if (this.content.length + this.reasoning.length > ANSWER_CHARS_MAX) return this.#flood();
    if (this.#done) return this.#settle();
    if (this.#options.isComplete?.(this.content)) {
      this.#settle();
      this.#options.stop();
    } else this.#options.onContent?.(this.content);
  }

  onEnd(): void {
    this.#end();
    if (this.#settled) return;
    if (!this.#options.isEventStream) return this.#readBody();
    this.#sse.end();
    if (this.#settled) return;
    if (this.#isWhole()) this.#settle();
    else this.#settle(new PlannerError('ERR_MODEL_RESET', 'the stream ended without [DONE] or a finish reason'));
  }

  onError(error: Error): void {
    this.#end();
    if (this.#settled) return;
    // The model had finished; only the end of the response is missing.
    if (this.#isWhole()) this.#settle();
    else this.#settle(new PlannerError('ERR_MODEL_RESET', 'the connection ended mid-answer', { cause: error }));
  }

  #end(): void {
    this.#ended = true;
    this.#options.onEnded();
  }

  #isWhole(): boolean {
    return this.#done || this.finishReason !== undefined || this.#options.isComplete?.(this.content) === true;
  }

  #settle(failure?: PlannerError): void {
    this.#settled = true;
    this.#options.onSettled(failure);
  }

  #fail(failure: PlannerError): void {
    this.#settle(failure);
    this.#options.stop();
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
    this.#read(parseEvent(data));
  }

  #read(said: unknown): void {
    const failure = eventFailure(said, this.#options.isConstrained);
    if (failure !== undefined) return this.#fail(failure);
    const event = said as ChunkEvent;
    if (typeof event.model === 'string' && event.model !== '') this.model = event.model;
    const choice = Array.isArray(event.choices) ? event.choices[0] : undefined;
    const part = choice?.delta ?? choice?.message;
    if (part) {
      const { content, reasoning_content, reasoning } = part as NonNullable<
        NonNullable<ChunkEvent['choices']>[number]['delta']
      >;
      if (typeof content === 'string' && content !== '') this.#token(() => (this.content += content));
      const thought = reasoning_content ?? reasoning;
      if (typeof thought === 'string' && thought !== '') this.#token(() => (this.reasoning += thought));
      // A whole body has all of them in one.
      if (this.phase === 'stream' && choice?.delta) this.chunks++;
    }
    if (typeof choice?.finish_reason === 'string') this.finishReason = choice.finish_reason;
    this.usage = usageAfter(this.usage, event);
  }

  #token(append: () => void): void {
    this.phase = 'stream';
    this.#options.onToken();
    append();
  }

  #readBody(): void {
    const text = Buffer.concat(this.#body).toString('utf8');
    let event: ChunkEvent;
    try {
      event = JSON.parse(text) as ChunkEvent;
    } catch (cause) {
      const message = text.trim() === '' ? 'the response has no body' : 'the response is neither a stream nor JSON';
      return this.#settle(
        new PlannerError(text.trim() === '' ? 'ERR_MODEL_EMPTY' : 'ERR_MODEL_MALFORMED', message, { cause }),
      );
    }
    this.#read(event);
    if (this.#settled) return;
    if (!Array.isArray(event.choices)) {
      return this.#settle(new PlannerError('ERR_MODEL_MALFORMED', 'the response has no choices'));
    }
    this.#settle();
  }
}
