import { createHash } from 'node:crypto';
import { type InParts, PART_MEMBERS } from '../../../shared/in-parts.ts';
import type { AskedChat } from '../chat-request.ts';

/** Members that are not part of the question: how the answer is delivered, and to whom. The caller adds the model. */
const LEFT_OUT: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options', 'user']);

/** Text is hashed in pieces of about this many characters: hashing each member separately would take most of the time. */
const PIECE_CHARS = 16_384;
/** A larger request is neither cached nor shared: hashing 24 MB would block the event loop for a tenth of a second. */
export const KEYED_CHARS_MAX = 1_048_576;
/** A request with a wider object has no key either: its names would have to be sorted in one go. */
const KEYED_NAMES_MAX = 16_384;

/**
 * The exact key of a request, without its model: equal for bodies that differ only in the order of members, in `stream`, `stream_options` and `user`;
 * different for all others (SHA-256 of canonical JSON). Undefined if the request is longer than `KEYED_CHARS_MAX`, or an object in it wider than
 * `KEYED_NAMES_MAX`.
 */
export function* chatKeyInParts({ body, isLarge, isStreamed, isAssemblable }: AskedChat): InParts<string | undefined> {
  if (isLarge) yield;
  const json = new CanonicalJson();
  // An answer that cannot be assembled from a stream without loss gets a separate key for each way of asking.
  if (!isAssemblable) json.put(isStreamed ? 'stream' : 'whole');
  yield* json.writeObject(body, LEFT_OUT);
  return json.digest();
}

/** The key of a request when one particular model answers it. */
export function modelKey(key: string, model: string): string {
  return `${key} ${model}`;
}

/** Writes JSON with sorted object members straight into a hash. Stops writing when it gets too long. */
class CanonicalJson {
  readonly #hash = createHash('sha256');
  #piece = '';
  #charsLeft = KEYED_CHARS_MAX;
  #count = 0;

  put(text: string): void {
    this.#charsLeft -= text.length;
    this.#piece += text;
    if (this.#piece.length > PIECE_CHARS) this.#flush();
  }

  digest(): string | undefined {
    this.#flush();
    return this.#charsLeft < 0 ? undefined : this.#hash.digest('base64');
  }

  *writeObject(object: object, leftOut: ReadonlySet<string> | undefined): InParts<void> {
    const names = Object.keys(object);
    if (names.length > KEYED_NAMES_MAX) this.#charsLeft = -1;
    if (this.#charsLeft < 0) return;
    this.put('{');
    for (const name of names.sort()) {
      const value = (object as Readonly<Record<string, unknown>>)[name];
      if (value === undefined || leftOut?.has(name)) continue;
      this.put(JSON.stringify(name));
      this.put(':');
      yield* this.#write(value);
      this.put(',');
    }
    this.put('}');
  }

  *#write(value: unknown): InParts<void> {
    if (++this.#count % PART_MEMBERS === 0) yield;
    if (this.#charsLeft < 0) return;
    if (typeof value === 'string' && value.length > this.#charsLeft) this.#charsLeft = -1;
    else if (value === null || typeof value !== 'object') this.put(JSON.stringify(value) ?? 'null');
    else if (Array.isArray(value)) yield* this.#writeList(value);
    else yield* this.writeObject(value, undefined);
  }

  *#writeList(list: readonly unknown[]): InParts<void> {
    this.put('[');
    for (const member of list) {
      yield* this.#write(member);
      this.put(',');
    }
    this.put(']');
  }

  #flush(): void {
    this.#hash.update(this.#piece);
    this.#piece = '';
  }
}
