import { isUtf8 } from 'node:buffer';
import { type InParts, PART_MEMBERS } from './in-parts.ts';
import { backslashesBefore, nextMark } from './json-scan.ts';

/**
 * Bounds JSON from elsewhere before it is parsed. `JSON.parse` takes half a microsecond and 40 bytes for a level, and nearly a
 * microsecond and 200 bytes for an empty member: 24 MB of brackets block a thread for seconds. A scan takes a nanosecond a byte,
 * keeps only counts, and accepts bytes as they arrive. It finds what is too deep or too wide; the parser decides whether it is
 * JSON.
 */

/** Limits that both sides of every wire keep. The largest valid request has 100,000 actions and a Q-value for each. */
export const JSON_LIMITS = {
  depth: 128,
  /** Members of one list or object. */
  members: 100_000,
  /** Members of all lists and objects of a text together. */
  membersInAll: 250_000,
} as const;

export type BoundsFault = 'too-deep' | 'too-wide';

/** The rule that a text breaks, as the end of a sentence that begins with its name. */
export const BOUNDS_RULES: Readonly<Record<BoundsFault, string>> = {
  'too-deep': `must not nest deeper than ${JSON_LIMITS.depth} levels`,
  'too-wide': `must hold at most ${JSON_LIMITS.members} members in one list or object and ${JSON_LIMITS.membersInAll} in all`,
};

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const MEANS_NOTHING = new Uint8Array(256).fill(1);
for (const byte of [QUOTE, COMMA, LIST, LIST_END, OBJECT, OBJECT_END]) MEANS_NOTHING[byte as number] = 0;
const TEXTS_MAX = 2 * JSON_LIMITS.membersInAll + 1;
/** Maximum run of digits and blanks scanned here. After a longer run, the next byte that counts is found by a native search, twenty times as fast. */
const PLAIN_BYTES_MAX = 8;
const MARKS = /["[\]{},]/g;
/** Number of bytes of a text that are scanned here before `indexOf` pays off. */
const SHORT_TEXT_BYTES = 24;

/** Counts one JSON text of UTF-8 bytes, in pieces of any size. A list or object counts one member more than it has commas, even if empty. */
export class JsonScan {
  /** Number of members of the open lists and objects, by level. */
  readonly #members = new Uint32Array(JSON_LIMITS.depth + 2);
  #depth = 0;
  #inAll = 0;
  #texts = 0;
  #isInText = false;
  /** True if the last bytes ended within a text, with a backslash that escapes the next byte. */
  #isEscaped = false;
  #fault: BoundsFault | undefined;

  /** Returns the limit that the bytes so far exceed. After that, no further byte is examined. */
  push(bytes: Uint8Array): BoundsFault | undefined {
    if (this.#fault === undefined) this.#scan(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return this.#fault;
  }

  #scan(bytes: Buffer): void {
    let at = this.#isInText ? this.#afterText(bytes, 0) : 0;
    let chars = '';
    let plain = 0;
    while (at < bytes.length) {
      const byte = bytes[at++] as number;
      if (MEANS_NOTHING[byte] === 1) {
        if (++plain < PLAIN_BYTES_MAX) continue;
        if (chars === '') chars = bytes.toString('latin1');
        at = nextMark(MARKS, chars, at);
        plain = 0;
        continue;
      }
      plain = 0;
      if (byte === QUOTE) {
        if (!this.#countText()) return;
        at = this.#afterText(bytes, at);
      } else if (byte === LIST_END || byte === OBJECT_END) {
        if (this.#depth > 0) this.#depth--;
        // Input that closes more than it opened is not JSON, which the parser rejects; but it is not scanned forever.
        else if (!this.#countText()) return;
      } else {
        if (byte !== COMMA && !this.#open()) return;
        if (!this.#count()) return;
      }
    }
  }

  #open(): boolean {
    this.#depth++;
    if (this.#depth > JSON_LIMITS.depth) this.#fault = 'too-deep';
    else this.#members[this.#depth] = 0;
    return this.#fault === undefined;
  }

  #count(): boolean {
    const members = (this.#members[this.#depth] as number) + 1;
    this.#members[this.#depth] = members;
    this.#inAll++;
    if (members <= JSON_LIMITS.members && this.#inAll <= JSON_LIMITS.membersInAll) return true;
    this.#fault = 'too-wide';
    return false;
  }

  /** Counts a text. JSON has at most a name and a value for each member. */
  #countText(): boolean {
    if (++this.#texts <= TEXTS_MAX) return true;
    this.#fault = 'too-wide';
    return false;
  }

  /** Returns the position after the text that `start` is in; the end of the bytes if the text does not end in them. */
  #afterText(bytes: Buffer, start: number): number {
    let at = start;
    this.#isInText = true;
    if (this.#isEscaped && at < bytes.length) {
      this.#isEscaped = false;
      at++;
    }
    while (at < bytes.length) {
      const stop = Math.min(at + SHORT_TEXT_BYTES, bytes.length);
      while (at < stop) {
        const byte = bytes[at++];
        if (byte === QUOTE) return this.#leaveText(at);
        if (byte === BACKSLASH) at++;
      }
      if (at >= bytes.length) break;
      // A long text: skip to its next quote with a native search, which is faster than any loop here.
      const quote = bytes.indexOf(QUOTE, at);
      const end = quote < 0 ? bytes.length : quote;
      const isEven = backslashesBefore(bytes, end, at) % 2 === 0;
      if (quote >= 0 && isEven) return this.#leaveText(quote + 1);
      at = isEven ? end : end + 1;
    }
    // The byte after a last backslash is the first one of the next piece.
    this.#isEscaped = at > bytes.length;
    return bytes.length;
  }

  #leaveText(at: number): number {
    this.#isInText = false;
    return at;
  }
}

/** Returns the limit that a whole text exceeds. Runs for every message: most are too short to be wide, and open few brackets. */
export function boundsFault(text: string): BoundsFault | undefined {
  if (text.length <= JSON_LIMITS.members && !opensMore(text, JSON_LIMITS.depth)) return undefined;
  return new JsonScan().push(Buffer.from(text));
}

function opensMore(text: string, count: number): boolean {
  let left = count;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (--left < 0) return true;
  }
  return false;
}

export type JsonReading = { readonly value: unknown } | { readonly rule: string };

export const UTF16_RULE = 'must be UTF-8, and is UTF-16';
const BYTE_ORDER_MARK = 0xfeff;

/** Whether bytes are UTF-16, as Windows programs write it: by its byte order mark, or by the zero half of a character. */
export function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  return hasUtf16Mark(bytes) || (bytes.length > 1 && (first === 0) !== (second === 0));
}

/** Whether bytes begin with the mark of UTF-16, before an ASCII character or nothing. */
export function hasUtf16Mark(bytes: Uint8Array): boolean {
  const [first, second, third, fourth] = bytes;
  if (first === 0xff && second === 0xfe) return fourth === 0 || bytes.length < 4;
  return first === 0xfe && second === 0xff && (third === 0 || bytes.length < 4);
}

type TextReading = { readonly text: string } | { readonly rule: string };

/** Returns the text of bytes from a file or a body, without a byte order mark; else the rule that they break. */
export function readText(bytes: Uint8Array): TextReading {
  if (isUtf16(bytes)) return { rule: UTF16_RULE };
  if (!isUtf8(bytes)) return { rule: 'must be UTF-8' };
  return { text: withoutMark(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) };
}

export function withoutMark(text: string): string {
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/** Parses a text within the limits; else returns the rule that it breaks, as the end of a sentence that begins with its name. */
export function readJson(text: string): JsonReading {
  const fault = boundsFault(text);
  return fault === undefined ? parseJson(text) : { rule: BOUNDS_RULES[fault] };
}

/** Same as `readJson`, for a text that a scan has passed. */
export function parseJson(text: string): JsonReading {
  try {
    return { value: JSON.parse(withoutMark(text)) };
  } catch (error) {
    return { rule: jsonRule(text, error) };
  }
}

/** Returns the rule that a text breaks if a parser has rejected it. */
export function jsonRule(text: string, error: unknown): string {
  const isWide = text.length > 1 && (text.charCodeAt(0) === 0) !== (text.charCodeAt(1) === 0);
  return isWide ? UTF16_RULE : `must be JSON (${(error as Error).message})`;
}

/** The size of a value, with all its lists and objects. */
export interface Extent {
  readonly members: number;
  /** Characters of all texts and names. */
  readonly chars: number;
}

/**
 * Measures a value that was passed as an object, not as text; returns the limit that it exceeds, if any. Counts as the scan
 * does, without recursion: a value that refers to itself is too deep.
 */
export function* extentInParts(root: unknown): InParts<Extent | BoundsFault> {
  const values: unknown[] = [root];
  const levels = [1];
  let [inAll, chars, seen] = [0, 0, 0];
  for (let value = values.pop(); value !== undefined; value = values.pop()) {
    const level = levels.pop() as number;
    if (level > JSON_LIMITS.depth) return 'too-deep';
    const names = Array.isArray(value) ? undefined : Object.keys(value as object);
    const members = (names ?? (value as unknown[])).length;
    inAll += Math.max(members, 1);
    if (members > JSON_LIMITS.members || inAll > JSON_LIMITS.membersInAll) return 'too-wide';
    for (let index = 0; index < members; index++) {
      const name = names?.[index];
      const member = (value as Record<string | number, unknown>)[name ?? index];
      chars += (name?.length ?? 0) + (typeof member === 'string' ? member.length : 0);
      if (++seen % PART_MEMBERS === 0) yield;
      if (member === null || typeof member !== 'object') continue;
      values.push(member);
      levels.push(level + 1);
    }
  }
  return { members: inAll, chars };
}

export function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object';
}

/** Whether a value is an object with members, not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !Array.isArray(value);
}
