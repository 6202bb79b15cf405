import { StringDecoder } from 'node:string_decoder';

/** A line longer than this is no event of a chat stream. */
const LINE_CHARS_MAX = 1_000_000;

/**
 * Server-sent events (WHATWG HTML, section 9.2), of which a chat stream uses `data` fields and comments. Takes bytes in
 * any cut, also inside a character or a line end; reports the data of each event. Comments are no sign of life and are
 * not reported.
 */
export class SseParser {
  readonly #onEvent: (data: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #data: string | undefined;

  constructor(onEvent: (data: string) => void) {
    this.#onEvent = onEvent;
  }

  /** False when the stream is beyond repair: a line without end. */
  push(chunk: Buffer): boolean {
    const text = this.#rest + this.#decoder.write(chunk);
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const cut = end > start && text.charCodeAt(end - 1) === 13 ? end - 1 : end;
      this.#line(text.slice(start, cut));
      start = end + 1;
    }
    this.#rest = text.slice(start);
    return this.#rest.length <= LINE_CHARS_MAX;
  }

  /** The stream ended: an event that its last blank line did not close still counts, as servers forget it. */
  end(): void {
    if (this.#rest !== '') this.#line(this.#rest.replace(/\r$/, ''));
    this.#rest = '';
    this.#line('');
  }

  #line(line: string): void {
    if (line === '') {
      const data = this.#data;
      this.#data = undefined;
      if (data !== undefined) this.#onEvent(data);
      return;
    }
    if (!line.startsWith('data:')) return;
    const value = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5);
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
  }
}
