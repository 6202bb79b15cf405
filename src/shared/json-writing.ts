import { type InParts, PART_CHARS, PART_MEMBERS } from './in-parts.ts';
import { wellFormed } from './well-formed.ts';

type Members = Readonly<Record<string, unknown>>;

/**
 * Writes the members of a large object in parts, so that the event loop can run between them: as `JSON.stringify` does, but as
 * UTF-8, without the braces, and with well-formed Unicode. `leftOut` names members that are not written.
 */
export function* membersInParts(object: Members, leftOut: ReadonlySet<string>): InParts<readonly Buffer[]> {
  const writer = new PartWriter();
  yield* writer.members(object, leftOut);
  return writer.end();
}

const NONE: ReadonlySet<string> = new Set();

class PartWriter {
  readonly #pieces: Buffer[] = [];
  #text = '';
  #count = 0;

  *members(object: Members, leftOut: ReadonlySet<string>): InParts<void> {
    let comma = '';
    for (const name of Object.keys(object)) {
      const value = object[name];
      if (leftOut.has(name) || !isWritten(value)) continue;
      this.#put(`${comma}${JSON.stringify(name.toWellFormed())}:`);
      yield* this.#value(value);
      comma = ',';
    }
  }

  end(): readonly Buffer[] {
    this.#flush();
    return this.#pieces;
  }

  *#value(value: unknown): InParts<void> {
    if (++this.#count % PART_MEMBERS === 0) yield;
    if (typeof value === 'string' && value.length > PART_CHARS) return yield* this.#longText(value);
    if (Array.isArray(value)) return yield* this.#list(value);
    if (!isPlain(value)) return this.#put(JSON.stringify(wellFormed(value)) ?? 'null');
    this.#put('{');
    yield* this.members(value, NONE);
    this.#put('}');
  }

  *#list(list: readonly unknown[]): InParts<void> {
    let comma = '[';
    for (const value of list) {
      this.#put(comma);
      yield* this.#value(value);
      comma = ',';
    }
    this.#put(list.length === 0 ? '[]' : ']');
  }

  *#longText(text: string): InParts<void> {
    this.#put('"');
    for (let from = 0; from < text.length; ) {
      const end = pieceEnd(text, from);
      this.#put(JSON.stringify(text.slice(from, end).toWellFormed()).slice(1, -1));
      from = end;
      yield;
    }
    this.#put('"');
  }

  #put(text: string): void {
    this.#text += text;
    if (this.#text.length >= PART_CHARS) this.#flush();
  }

  #flush(): void {
    this.#pieces.push(Buffer.from(this.#text));
    this.#text = '';
  }
}

/** Whether JSON can express a value. Other members of an object are left out. */
function isWritten(value: unknown): boolean {
  return value !== undefined && typeof value !== 'function' && typeof value !== 'symbol';
}

/** Whether a value is an object that is written member by member. */
function isPlain(value: unknown): value is Members {
  if (value === null || typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && typeof (value as Members).toJSON !== 'function';
}

/** Returns where the next piece of a long text ends: never between the halves of a character. */
function pieceEnd(text: string, from: number): number {
  const end = from + PART_CHARS;
  if (end >= text.length) return text.length;
  const isCut = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return isCut ? end - 1 : end;
}
