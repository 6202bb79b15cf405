/** The form of a response: server-sent events, or one JSON body. */
export type Form = 'events' | 'body';

/** Number of bytes after which the form of a response is certain: a field name and its colon. */
const FORM_CHARS = 'event:'.length;
/** A byte order mark of UTF-8, read as Latin-1. */
const MARK = '\u00ef\u00bb\u00bf';
const FIELD = /^(?:data|event|id|retry)?(?::|[\r\n])/;
const FIELDS = ['data:', 'event:', 'id:', 'retry:', MARK];

/**
 * Detects the form of a response from its beginning: servers and proxies send events as `application/json` or `text/plain`, JSON
 * as `text/event-stream`, and either without a content type. `isEventStream` is what the content type claims; it counts only if
 * the bytes match neither form.
 */
export class FormFinder {
  readonly #isEventStream: boolean;
  /** All bytes received, without the white space before them. */
  bytes: Buffer = Buffer.alloc(0);

  constructor(isEventStream: boolean) {
    this.#isEventStream = isEventStream;
  }

  /** Takes the next bytes; returns the form once it is certain. */
  push(chunk: Buffer): Form | undefined {
    const bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    const start = meaningfulStart(bytes);
    const form = formOf(bytes.toString('latin1', start, start + FORM_CHARS), this.#isEventStream);
    // White space before an answer may have any length and has no meaning.
    this.bytes = form === undefined ? bytes.subarray(start) : bytes;
    return form;
  }

  /** Returns the form if the response ended before it was certain. */
  end(): Form {
    return this.#isEventStream ? 'events' : 'body';
  }
}

/** Returns where something other than white space begins, after a byte order mark. */
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
