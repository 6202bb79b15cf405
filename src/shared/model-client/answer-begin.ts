/** What a response is: server-sent events, or one JSON body. */
export type Form = 'events' | 'body';

/** Bytes of a field name and its colon: the form of a response is certain by then. */
const FORM_CHARS = 'event:'.length;
/** A byte order mark of UTF-8, read as Latin-1. */
const MARK = '\u00ef\u00bb\u00bf';
const FIELD = /^(?:data|event|id|retry)?(?::|[\r\n])/;
const FIELDS = ['data:', 'event:', 'id:', 'retry:', MARK];

/**
 * Finds the form of a response by how it begins: servers and proxies send events as `application/json` or `text/plain`, JSON as
 * `text/event-stream`, and either without a content type. `isEventStream` is what the content type claims; it counts only where the
 * bytes fit neither form.
 */
export class FormFinder {
  readonly #isEventStream: boolean;
  /** All that has come, less the white space before it. */
  bytes: Buffer = Buffer.alloc(0);

  constructor(isEventStream: boolean) {
    this.#isEventStream = isEventStream;
  }

  /** Takes the next bytes; returns the form once it is certain. */
  push(chunk: Buffer): Form | undefined {
    const bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    const start = meaningfulStart(bytes);
    const form = formOf(bytes.toString('latin1', start, start + FORM_CHARS), this.#isEventStream);
    // White space before an answer may have any length, and means nothing.
    this.bytes = form === undefined ? bytes.subarray(start) : bytes;
    return form;
  }

  /** The response ended before its form was certain. */
  end(): Form {
    return this.#isEventStream ? 'events' : 'body';
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
