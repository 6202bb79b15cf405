import { withoutMark } from '../untrusted-json.ts';
import { type Form, FormFinder } from './answer-begin.ts';
import { SseParser } from './sse.ts';

/** Maximum number of bytes in an answer, by its form. */
export interface AnswerBounds {
  readonly streamBytesMax: number;
  readonly bodyBytesMax: number;
  /** Maximum size of a body that is kept. Default: no limit. */
  readonly keptBytesMax?: number;
}

export interface AnswerBytesListener {
  /** Called with each piece of the response, once its form is certain and before it is read. */
  onBytes(chunk: Buffer, isEventStream: boolean): void;
  onEvent(data: string, name?: string): void;
}

/**
 * The bytes of one response: server-sent events, reported as they arrive, or one JSON body, kept to its end. The form is
 * detected from its beginning: servers and proxies send events as `application/json` or `text/plain`, JSON as
 * `text/event-stream`, and either without a content type.
 */
export class AnswerBytes {
  readonly #bounds: AnswerBounds;
  readonly #listener: AnswerBytesListener;
  readonly #sse: SseParser;
  readonly #finder: FormFinder;
  #form: Form | undefined;
  #kept: Buffer[] = [];
  #isEmpty = true;
  count = 0;

  /** `isEventStream` is what the content type claims. It counts only if the bytes match neither form. */
  constructor(isEventStream: boolean, bounds: AnswerBounds, listener: AnswerBytesListener) {
    this.#bounds = bounds;
    this.#listener = listener;
    this.#finder = new FormFinder(isEventStream);
    this.#sse = new SseParser((data, name) => listener.onEvent(data, name));
  }

  get isBody(): boolean {
    return this.#form === 'body';
  }

  /** Whether nothing but white space has arrived. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Whether the body is longer than what is kept. */
  get isTooLong(): boolean {
    return this.count > (this.#bounds.keptBytesMax ?? Number.POSITIVE_INFINITY);
  }

  /** Takes the next bytes. Returns false if the answer exceeds its bounds. */
  push(chunk: Buffer): boolean {
    this.count += chunk.length;
    if (this.#form !== undefined) return this.#take(chunk);
    const form = this.#finder.push(chunk);
    return form === undefined ? this.count <= this.#bounds.bodyBytesMax : this.#begin(form);
  }

  /** Ends the response: reports the last event of a stream. */
  end(): void {
    if (this.#form === undefined) this.#begin(this.#finder.end());
    if (this.#form === 'events') this.#sse.end();
  }

  /** The body so far. */
  get body(): Buffer {
    return Buffer.concat(this.#kept);
  }

  /** The body so far, without a byte order mark. */
  get text(): string {
    return withoutMark(this.body.toString('utf8'));
  }

  #take(chunk: Buffer): boolean {
    const { streamBytesMax, bodyBytesMax } = this.#bounds;
    const isEventStream = this.#form === 'events';
    if (this.count > (isEventStream ? streamBytesMax : bodyBytesMax)) return false;
    if (chunk.length === 0) return true;
    this.#isEmpty = false;
    this.#listener.onBytes(chunk, isEventStream);
    if (isEventStream) return this.#sse.push(chunk);
    if (this.isTooLong) this.#kept = [];
    else this.#kept.push(chunk);
    return true;
  }

  #begin(form: Form): boolean {
    this.#form = form;
    return this.#take(this.#finder.bytes);
  }
}
