import { SseParser } from './sse.ts';

/** Bytes of a field name and its colon: the form of a response is certain by then. */
const FORM_CHARS = 'event:'.length;
/** A byte order mark of UTF-8, read as Latin-1. */
const MARK = '\u00ef\u00bb\u00bf';
const FIELD = /^(?:data|event|id|retry)?(?::|[\r\n])/;
const FIELDS = ['data:', 'event:', 'id:', 'retry:', MARK];

type Form = 'events' | 'body';

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
  #form: Form | undefined;
  /** What came before the form was certain; later the body. */
  #kept: Buffer[] = [];
  count = 0;

  constructor(options: AnswerBytesOptions) {
    this.#options = options;
    this.#sse = new SseParser(options.onEvent);
  }

  get isBody(): boolean {
    return this.#form === 'body';
  }

  /** Returns false when there are more bytes than an answer has. */
  push(chunk: Buffer): boolean {
    this.count += chunk.length;
    if (this.#form === undefined) return this.#begin(chunk);
    return this.#take(chunk);
  }

  /** The response ended: reports the last event of a stream, or returns the text of a body. */
  end(): string | undefined {
    if (this.#form === undefined && this.#options.isEventStream) this.#settleForm('events');
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

  #begin(chunk: Buffer): boolean {
    this.#kept.push(chunk);
    const bytes = this.#kept.length === 1 ? chunk : Buffer.concat(this.#kept);
    const start = meaningfulStart(bytes);
    const head = bytes.toString('latin1', start, start + FORM_CHARS);
    const form = formOf(head, this.#options.isEventStream);
    if (form !== undefined) return this.#settleForm(form);
    // White space before an answer may have any length, and means nothing.
    this.#kept = [bytes.subarray(start)];
    return this.count <= this.#options.bodyBytesMax;
  }

  #settleForm(form: Form): boolean {
    this.#form = form;
    const early = this.#kept;
    this.#kept = [];
    return early.every((chunk) => this.#take(chunk));
  }
}

/** Where something other than white space begins, past a byte order mark. */
function meaningfulStart(bytes: Buffer): number {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? MARK.length : 0;
  while (at < bytes.length && (bytes[at] as number) <= 32) at++;
  return at;
}

function formOf(head: string, isEventStream: boolean): Form | undefined {
  if (head === '') return undefined;
  if (/^[{["<]/.test(head)) return 'body';
  if (FIELD.test(head)) return 'events';
  if (FIELDS.some((field) => field.startsWith(head))) return undefined;
  return isEventStream ? 'events' : 'body';
}
