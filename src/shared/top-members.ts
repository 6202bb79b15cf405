import { backslashesBefore, nextMark } from './json-scan.ts';
import { JSON_LIMITS } from './untrusted-json.ts';

/**
 * Finds where the wanted members of one JSON object are, without parsing it: for bodies and answers that are passed on as bytes.
 * It takes a few nanoseconds a byte, keeps only positions, and accepts pieces of any size. It checks only the outline of the
 * object; readers of the values find out whether they are JSON.
 */
export interface Span {
  /** Offset of the first byte of a value, counted over all bytes pushed. */
  readonly start: number;
  /** Offset after its last byte. */
  readonly end: number;
}

export type OutlineFault = 'no-object' | 'too-deep';

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
/** What matters below the members: texts and brackets. */
const MARKS = /["[\]{}]/g;
const IS_MARK = new Uint8Array(256);
for (const byte of [QUOTE, LIST, LIST_END, OBJECT, OBJECT_END]) IS_MARK[byte as number] = 1;
/** Number of bytes that are scanned here before a native search pays off. */
const SHORT_BYTES = 24;
/** Maximum length of a name: no wanted name is longer, escaped or not. */
const NAME_BYTES_MAX = 256;

/** What is expected next in the object itself. */
type Place = 'object' | 'name' | 'colon' | 'value' | 'nothing';

export class TopMembers {
  readonly #wanted: ReadonlySet<string>;
  readonly #spans = new Map<string, Span[]>();
  /** Number of bytes in the pieces before. */
  #offset = 0;
  #depth = 0;
  #place: Place = 'object';
  #isInText = false;
  #isEscaped = false;
  #nameBytes: Buffer[] = [];
  #name = '';
  #valueStart = -1;
  #valueEnd = -1;
  #fault: OutlineFault | undefined;

  constructor(wanted: readonly string[]) {
    this.#wanted = new Set(wanted);
  }

  /** Takes the next bytes. After a fault, no further byte is examined. */
  push(piece: Buffer): void {
    if (this.#fault === undefined) this.#scan(piece);
    this.#offset += piece.length;
  }

  /** The fault in the whole input, at its end. */
  get fault(): OutlineFault | undefined {
    return this.#fault ?? (this.#place === 'nothing' ? undefined : 'no-object');
  }

  /** Returns every position at which the object has this member: readers take the last one of several. */
  spansOf(name: string): readonly Span[] {
    return this.#spans.get(name) ?? [];
  }

  #scan(piece: Buffer): void {
    let chars: string | undefined;
    for (let at = 0; at < piece.length && this.#fault === undefined; ) {
      if (this.#isInText) {
        at = this.#afterText(piece, at);
        continue;
      }
      if (this.#depth > 1) {
        const stop = Math.min(at + SHORT_BYTES, piece.length);
        while (at < stop && IS_MARK[piece[at] as number] === 0) at++;
        if (at === stop && at < piece.length) {
          chars ??= piece.toString('latin1');
          at = nextMark(MARKS, chars, at);
        }
        if (at < piece.length) this.#takeBelow(piece[at] as number, at);
      } else if (!BLANKS.has(piece[at] as number)) this.#take(piece[at] as number, at);
      at++;
    }
  }

  #takeBelow(byte: number, at: number): void {
    if (byte === QUOTE) this.#isInText = true;
    else if (byte === LIST || byte === OBJECT) this.#open();
    else if (--this.#depth === 1) this.#valueEnd = this.#offset + at + 1;
  }

  #take(byte: number, at: number): void {
    switch (this.#place) {
      case 'object':
        if (byte !== OBJECT) return this.#break();
        this.#depth = 1;
        this.#place = 'name';
        return;
      case 'name':
        if (byte === QUOTE) this.#isInText = true;
        else if (byte === OBJECT_END) this.#close();
        else this.#break();
        return;
      case 'colon':
        if (byte !== COLON) return this.#break();
        this.#place = 'value';
        this.#valueStart = -1;
        return;
      case 'value':
        return this.#takeOfValue(byte, this.#offset + at);
      case 'nothing':
        return this.#break();
      default:
        return this.#place satisfies never;
    }
  }

  #takeOfValue(byte: number, at: number): void {
    if (byte === COMMA || byte === OBJECT_END) return this.#endValue(byte);
    if (byte === LIST_END) return this.#break();
    if (this.#valueStart < 0) this.#valueStart = at;
    this.#valueEnd = at + 1;
    if (byte === QUOTE) this.#isInText = true;
    else if (byte === LIST || byte === OBJECT) this.#open();
  }

  #endValue(byte: number): void {
    if (this.#valueStart < 0) return this.#break();
    if (this.#wanted.has(this.#name)) {
      const span = { start: this.#valueStart, end: this.#valueEnd };
      this.#spans.set(this.#name, [...this.spansOf(this.#name).slice(-SPANS_MAX), span]);
    }
    if (byte === COMMA) this.#place = 'name';
    else this.#close();
  }

  #open(): void {
    if (++this.#depth > JSON_LIMITS.depth) this.#fault = 'too-deep';
  }

  #close(): void {
    this.#depth = 0;
    this.#place = 'nothing';
  }

  #break(): void {
    this.#fault = 'no-object';
  }

  /** Returns the position after the text that `from` is in. */
  #afterText(piece: Buffer, from: number): number {
    let at = from;
    while (at < piece.length) {
      if (this.#isEscaped) {
        this.#isEscaped = false;
        at++;
        continue;
      }
      const stop = Math.min(at + SHORT_BYTES, piece.length);
      while (at < stop && piece[at] !== QUOTE && piece[at] !== BACKSLASH) at++;
      if (piece[at] === BACKSLASH) {
        this.#isEscaped = true;
        at++;
        continue;
      }
      const quote = piece[at] === QUOTE ? at : piece.indexOf(QUOTE, at);
      const end = quote < 0 ? piece.length : quote;
      const isOdd = backslashesBefore(piece, end, at) % 2 === 1;
      if (quote >= 0 && !isOdd) {
        if (this.#isInName) this.#keepName(piece.subarray(from, quote));
        this.#textEnded(quote);
        return quote + 1;
      }
      this.#isEscaped = isOdd;
      at = end;
    }
    if (this.#isInName) this.#keepName(piece.subarray(from));
    return piece.length;
  }

  get #isInName(): boolean {
    return this.#depth === 1 && this.#place === 'name';
  }

  #textEnded(at: number): void {
    this.#isInText = false;
    if (this.#depth !== 1) return;
    if (this.#place !== 'name') {
      this.#valueEnd = this.#offset + at + 1;
      return;
    }
    this.#name = nameOf(this.#nameBytes);
    this.#nameBytes = [];
    this.#place = 'colon';
  }

  #keepName(bytes: Buffer): void {
    const kept = this.#nameBytes.reduce((sum, { length }) => sum + length, 0);
    if (kept <= NAME_BYTES_MAX) this.#nameBytes.push(Buffer.from(bytes.subarray(0, NAME_BYTES_MAX + 1)));
  }
}

/** Maximum number of positions kept for a name. More of them are no accident. */
const SPANS_MAX = 15;

/** Decodes a name as JSON readers do: `mod\u0065l` is `model`. Empty if it is not a valid name. */
function nameOf(parts: readonly Buffer[]): string {
  const bytes = Buffer.concat(parts);
  if (bytes.length > NAME_BYTES_MAX) return '';
  const value = valueAt(Buffer.concat([QUOTE_BYTE, bytes, QUOTE_BYTE]));
  return typeof value === 'string' ? value : '';
}

const QUOTE_BYTE = Buffer.from('"');

/** Parses the value in these bytes; undefined if it is not JSON. */
export function valueAt(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
