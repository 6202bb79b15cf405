import { type InParts, PART_CHARS } from './in-parts.ts';
import { type JsonReading, jsonRule, parseJson, withoutMark } from './untrusted-json.ts';

/**
 * Parses a long JSON text in parts, so that the event loop can run between them. Members of a long list or object are located
 * first and parsed a few thousand at a time. The result equals that of `JSON.parse` for the whole text.
 */
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** Same as `parseJson`, in parts, for a text that a scan has passed. */
export function* parseJsonInParts(text: string): InParts<JsonReading> {
  if (text.length <= PART_CHARS) return parseJson(text);
  try {
    const plain = withoutMark(text);
    yield;
    return { value: yield* new JsonParts(plain).parse() };
  } catch (error) {
    // Positions in a part differ from those in the text.
    const message = (error as Error).message.replace(/ at position \d.*$/s, '');
    return { rule: jsonRule(text, new SyntaxError(message)) };
  }
}

class JsonParts {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  *parse(): InParts<unknown> {
    this.#skipBlanks();
    const value = yield* this.#value(this.#text.length);
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw new SyntaxError('Unexpected text after JSON');
    return value;
  }

  /** Parses the value that begins here; unless it is a list or object, it ends before `end`. */
  *#value(end: number): InParts<unknown> {
    const first = this.#text.charCodeAt(this.#at);
    yield;
    if (first === LIST) return yield* this.#list();
    if (first === OBJECT) return yield* this.#object();
    const from = this.#at;
    this.#at = Math.min(memberEnd(this.#text, from, Number.POSITIVE_INFINITY), end);
    yield;
    return JSON.parse(this.#text.slice(from, this.#at));
  }

  *#list(): InParts<unknown[]> {
    const list: unknown[] = [];
    for (let more = this.#enter(LIST_END); more; more = this.#goesOn(LIST_END)) {
      const members = this.#shortMembers();
      if (members === '') list.push(yield* this.#value(this.#text.length));
      else for (const member of notEmpty(JSON.parse(`[${members}]`) as unknown[])) list.push(member);
      yield;
    }
    return list;
  }

  *#object(): InParts<Record<string, unknown>> {
    const object: Record<string, unknown> = {};
    for (let more = this.#enter(OBJECT_END); more; more = this.#goesOn(OBJECT_END)) {
      const members = this.#shortMembers();
      if (members === '') {
        const name = this.#name();
        setMember(object, name, yield* this.#value(this.#text.length));
      } else {
        const part = JSON.parse(`{${members}}`) as Record<string, unknown>;
        for (const name of notEmpty(Object.keys(part))) setMember(object, name, part[name]);
      }
      yield;
    }
    return object;
  }

  /** Moves past the opening bracket. Returns false if the list or object is empty, after moving past its closing bracket too. */
  #enter(close: number): boolean {
    this.#at++;
    this.#skipBlanks();
    if (this.#text.charCodeAt(this.#at) !== close) return true;
    this.#at++;
    return false;
  }

  /** Moves past the comma after a member. Returns false at the end, after moving past the closing bracket. */
  #goesOn(close: number): boolean {
    this.#skipBlanks();
    const next = this.#text.charCodeAt(this.#at);
    if (next !== COMMA && next !== close) throw new SyntaxError("Expected ',' or the end of a list or object in JSON");
    this.#at++;
    if (next === COMMA) this.#skipBlanks();
    return next === COMMA;
  }

  /** Returns the text of the next members that together make a part; empty if the first member alone is longer. */
  #shortMembers(): string {
    const from = this.#at;
    let end = memberEnd(this.#text, from, from + PART_CHARS);
    if (end < 0) return '';
    while (this.#text.charCodeAt(end) === COMMA) {
      const next = memberEnd(this.#text, end + 1, from + PART_CHARS);
      if (next < 0) break;
      end = next;
    }
    this.#at = end;
    return this.#text.slice(from, end) || ' ';
  }

  #name(): string {
    const from = this.#at;
    if (this.#text.charCodeAt(from) !== QUOTE) throw new SyntaxError('Expected a name in JSON');
    this.#at = textEnd(this.#text, from) + 1;
    const name = JSON.parse(this.#text.slice(from, this.#at)) as string;
    this.#skipBlanks();
    if (this.#text.charCodeAt(this.#at++) !== COLON) throw new SyntaxError("Expected ':' after a name in JSON");
    this.#skipBlanks();
    return name;
  }

  #skipBlanks(): void {
    while (BLANKS.has(this.#text.charCodeAt(this.#at))) this.#at++;
  }
}

/** Throws if there are no members: a comma or an opening bracket has announced them. */
function notEmpty<T>(members: readonly T[]): readonly T[] {
  if (members.length === 0) throw new SyntaxError('Expected a member in JSON');
  return members;
}

/** Sets a member as JSON.parse does: `__proto__` is a name like any other. */
export function setMember(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

/** Returns where a member ends: the position of the comma or bracket after it, or of the end of the text. -1 if that is `stop` or later. */
function memberEnd(text: string, from: number, stop: number): number {
  const end = Math.min(text.length, stop);
  let depth = 0;
  for (let at = from; at < end; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = textEnd(text, at);
    else if (char === LIST || char === OBJECT) depth++;
    else if (depth === 0 && (char === COMMA || char === LIST_END || char === OBJECT_END)) return at;
    else if (char === LIST_END || char === OBJECT_END) depth--;
  }
  return stop > text.length ? text.length : -1;
}

/** Returns the position of the quote that closes the text that begins at `from`. */
function textEnd(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let start = at;
    while (text.charCodeAt(start - 1) === BACKSLASH) start--;
    if ((at - start) % 2 === 0) return at;
  }
  return text.length;
}
