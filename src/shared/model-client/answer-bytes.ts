import { type Form, FormFinder } from './answer-begin.ts';
import { SseParser } from './sse.ts';

export interface AnswerBytesOptions {
  /** Whether the content type claims a stream of events. It counts only where the bytes fit neither form. */
  readonly isEventStream: boolean;
  readonly streamBytesMax: number;
  readonly bodyBytesMax: number;
  readonly onEvent: (data: string, name?: string) => void;
}

/**
 * The bytes of one response: server-sent events, reported as they come, or one JSON body, kept to its end. Which of them it is
 * depends on how it begins: servers and proxies send events as `application/json` or `text/plain`, JSON as `text/event-stream`,
 * and either without a content type.
 */
export class AnswerBytes {
  readonly #options: AnswerBytesOptions;
  readonly #sse: SseParser;
  readonly #finder: FormFinder;
  #form: Form | undefined;
  #kept: Buffer[] = [];
  count = 0;

  constructor(options: AnswerBytesOptions) {
    this.#options = options;
    this.#finder = new FormFinder(options.isEventStream);
    this.#sse = new SseParser(options.onEvent);
  }

  get isBody(): boolean {
    return this.#form === 'body';
  }

  /** Returns false when there are more bytes than an answer has. */
  push(chunk: Buffer): boolean {
    this.count += chunk.length;
    if (this.#form !== undefined) return this.#take(chunk);
    const form = this.#finder.push(chunk);
    return form === undefined ? this.count <= this.#options.bodyBytesMax : this.#begin(form);
  }

  /** The response ended: reports the last event of a stream, or returns the text of a body. */
  end(): string | undefined {
    if (this.#form === undefined) this.#begin(this.#finder.end());
    if (this.#form === 'events') {
      this.#sse.end();
      return undefined;
    }
    return this.text;
  }

  /** The body so far, without a byte order mark. */
  get text(): string {
    const text = Buffer.concat(this.#kept).toString('utf8');
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  #take(chunk: Buffer): boolean {
    const { streamBytesMax, bodyBytesMax } = this.#options;
    if (this.count > (this.#form === 'events' ? streamBytesMax : bodyBytesMax)) return false;
    if (this.#form === 'events') return this.#sse.push(chunk);
    this.#kept.push(chunk);
    return true;
  }

  #begin(form: Form): boolean {
    this.#form = form;
    return this.#take(this.#finder.bytes);
  }
}
