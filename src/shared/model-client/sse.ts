import { StringDecoder } from 'node:string_decoder';

/** Maximum length of an event, in characters: a picture or a long tool call may arrive as one. */
export const EVENT_CHARS_MAX = 16 * 1_048_576;

const BYTE_ORDER_MARK = 0xfeff;

/**
 * Parses server-sent events (WHATWG HTML, section 9.2), of which a chat stream uses the fields `data` and `event`. Takes bytes
 * in pieces of any size, even cut inside a character or line end; reports the data of each event, with its name if it has one.
 * Comments are no sign of life and are not reported. Linear: each character is searched once, however long its line.
 */
export class SseParser {
  readonly #onEvent: (data: string, name?: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  /** The unfinished line, in pieces. */
  #pieces: string[] = [];
  /** Number of characters in the unfinished event. */
  #chars = 0;
  #data: string | undefined;
  #name: string | undefined;
  #hasBegun = false;
  /** True if the last character was CR: an LF right after it ends no other line. */
  #endedInCr = false;

  constructor(onEvent: (data: string, name?: string) => void) {
    this.#onEvent = onEvent;
  }

  /** Takes the next bytes. Returns false if the stream is beyond repair: an event without end. */
  push(chunk: Buffer): boolean {
    const text = this.#decoder.write(chunk);
    if (text !== '') this.#take(text);
    return this.#chars <= EVENT_CHARS_MAX;
  }

  /** Ends the stream. An event that no blank line closed still counts, because some servers omit it. */
  end(): void {
    if (this.#pieces.length > 0) this.#endLine('');
    this.#line('');
  }

  #take(text: string): void {
    let start = this.#startOf(text);
    let lf = text.indexOf('\n', start);
    let cr = text.indexOf('\r', start);
    while (lf >= 0 || cr >= 0) {
      const isCr = cr >= 0 && (lf < 0 || cr < lf);
      const end = isCr ? cr : lf;
      this.#endLine(text.slice(start, end));
      start = end + 1;
      if (isCr && text.charCodeAt(start) === 10) start++;
      if (isCr) cr = text.indexOf('\r', start);
      if (lf >= 0 && lf < start) lf = text.indexOf('\n', start);
    }
    this.#endedInCr = text.endsWith('\r');
    if (start < text.length) this.#keep(text.slice(start));
  }

  /** Returns where a read begins: after a byte order mark, or after the second half of a line end. */
  #startOf(text: string): number {
    const first = text.charCodeAt(0);
    const isSkipped = this.#hasBegun ? this.#endedInCr && first === 10 : first === BYTE_ORDER_MARK;
    this.#hasBegun = true;
    return isSkipped ? 1 : 0;
  }

  #keep(piece: string): void {
    this.#pieces.push(piece);
    this.#chars += piece.length;
  }

  #endLine(last: string): void {
    this.#chars += last.length + 1;
    const line = this.#pieces.length === 0 ? last : this.#pieces.join('') + last;
    this.#pieces = [];
    this.#line(line);
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    const data = fieldOf(line, 'data');
    if (data !== undefined) {
      this.#data = this.#data === undefined ? data : `${this.#data}\n${data}`;
      return;
    }
    // Comments and other fields are not part of the event.
    this.#chars = this.#data?.length ?? 0;
    this.#name = fieldOf(line, 'event') ?? this.#name;
  }

  #dispatch(): void {
    const [data, name] = [this.#data, this.#name];
    this.#data = undefined;
    this.#name = undefined;
    this.#chars = 0;
    if (data !== undefined) this.#onEvent(data, name);
  }
}

/** Returns the value of a line with this field; a field without a colon is empty. */
function fieldOf(line: string, field: string): string | undefined {
  if (!line.startsWith(field)) return undefined;
  if (line.length === field.length) return '';
  if (line[field.length] !== ':') return undefined;
  return line.slice(field.length + (line[field.length + 1] === ' ' ? 2 : 1));
}
