import { PlannerError } from '../errors.ts';
import { AnswerBytes } from './answer-bytes.ts';
import { AnswerProgress } from './answer-progress.ts';
import type { AnswerReader, ReaderPorts } from './call-attempt.ts';
import { type ChunkEvent, finishReasonOf, isDone, parseEvent, type TokenUsage, textOf } from './chat-event.ts';
import type { CallPhase } from './failures.ts';

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

/**
 * Reads one answer: a stream of events, or the single JSON body of a server that does not stream. It is whole once its choice
 * has a finish reason: what else may come, its tokens at most, is not waited for.
 */
export class ChatStream implements AnswerReader {
  content = '';
  reasoning = '';
  finishReason: string | undefined;
  chunks = 0;
  phase: CallPhase = 'first-token';
  readonly #options: ChatStreamOptions;
  readonly #bytes: AnswerBytes;
  readonly #progress: AnswerProgress;
  #settled = false;
  #ended = false;
  #done = false;

  constructor(options: ChatStreamOptions) {
    this.#options = options;
    this.#progress = new AnswerProgress(1, options.isConstrained);
    this.#bytes = new AnswerBytes({
      isEventStream: options.isEventStream,
      streamBytesMax: STREAM_BYTES_MAX,
      bodyBytesMax: STREAM_BYTES_MAX,
      onEvent: (data, name) => this.#onEvent(data, name),
    });
  }

  /** Whether the server has nothing more to send, so that the connection can be used again. */
  get ended(): boolean {
    return this.#ended;
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
    if (this.#settled || this.#bytes.isBody) return;
    if (this.content.length + this.reasoning.length > ANSWER_CHARS_MAX) return this.#flood();
    if (this.#done || this.#progress.isFinished) return this.#settle(this.#progress.endFailure());
    if (this.#options.isComplete?.(this.content)) {
      this.#settle();
      this.#options.stop();
    } else this.#options.onContent?.(this.content);
  }

  onEnd(): void {
    this.#end();
    if (this.#settled) return;
    const body = this.#bytes.end();
    if (body !== undefined) return this.#readBody(body);
    if (this.#settled) return;
    if (this.#isWhole()) this.#settle(this.#progress.endFailure());
    else this.#cutShort('the stream ended without [DONE] or a finish reason');
  }

  onError(error: Error): void {
    this.#end();
    // The model may have finished; then only the end of the response is missing.
    if (!this.endWhole()) this.#cutShort('the connection ended mid-answer', error);
  }

  /** Takes the answer as it is, if only the end of its response is missing. Returns false where it is not whole. */
  endWhole(): boolean {
    if (this.#settled) return true;
    if (this.#isWhole()) this.#settle(this.#progress.endFailure());
    else if (this.#bytes.isBody) {
      const { text } = this.#bytes;
      if (!(parseEvent(text) instanceof PlannerError)) this.#readBody(text);
    }
    return this.#settled;
  }

  #end(): void {
    this.#ended = true;
    this.#options.onEnded();
  }

  #isWhole(): boolean {
    return this.#done || this.#progress.isFinished || this.#options.isComplete?.(this.content) === true;
  }

  #settle(failure?: PlannerError): void {
    this.#settled = true;
    this.#options.onSettled(failure);
  }

  #cutShort(message: string, cause?: Error): void {
    this.#settle(this.#progress.cutFailure(message, cause));
  }

  #fail(failure: PlannerError): void {
    this.#settle(failure);
    this.#options.stop();
  }

  #flood(): void {
    this.#fail(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${this.#bytes.count} bytes`));
  }

  #onEvent(data: string, name: string | undefined): void {
    if (this.#settled || this.#done) return;
    if (isDone(data)) this.#done = true;
    else this.#read(parseEvent(data), name);
  }

  #read(said: unknown, name?: string): void {
    const failure = this.#progress.take(said, name);
    if (failure !== undefined) return this.#fail(failure);
    const { choices } = said as ChunkEvent;
    const choice = Array.isArray(choices) ? choices[0] : undefined;
    const part = choice?.delta ?? choice?.message;
    if (part !== null && typeof part === 'object') {
      const { words, thought } = textOf(part);
      if (words !== '') this.#token(() => (this.content += words));
      if (thought !== '') this.#token(() => (this.reasoning += thought));
      // A whole body has all of them in one.
      if (this.phase === 'stream' && choice?.delta) this.chunks++;
    }
    this.finishReason = finishReasonOf(choice) ?? this.finishReason;
  }

  #token(append: () => void): void {
    this.phase = 'stream';
    this.#options.onToken();
    append();
  }

  #readBody(text: string): void {
    if (text.trim() === '') return this.#settle(new PlannerError('ERR_MODEL_EMPTY', 'the response has no body'));
    const event = parseEvent(text);
    if (event instanceof PlannerError) {
      const message = 'the response is neither a stream nor JSON';
      return this.#settle(new PlannerError('ERR_MODEL_MALFORMED', message, { cause: event }));
    }
    this.#read(event);
    if (!this.#settled) this.#settle(this.#progress.bodyFailure(event as ChunkEvent));
  }
}
