/** A reply: an error of the engine, or its parts. Numbers are parts of digits. */
export type SocketReply = Error | readonly Buffer[];

const CODE = { ERROR: 0x2d, ARRAY: 0x2a, BULK: 0x24, LINE_END: 0x0d } as const;
/** Whatever is longer is from no engine: a channel carries a megabyte at most. */
const PART_BYTES_MAX = 2 ** 22;
const PARTS_MAX = 64;
/** With what each line begins. */
const CODES = Buffer.from('+-:$*');
const FOREIGN = 'this is not the protocol of Redis';

/**
 * Reads what an engine sends to a connection with subscriptions, in the second version of its protocol: lines, errors, and lists of strings and
 * numbers. The client library reads everything, in some fifty steps for each message.
 */
export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Takes over what has arrived. The bytes must not change later: messages are parts of them. */
  add(bytes: Buffer): void {
    const isRead = this.#at === this.#bytes.length;
    this.#bytes = isRead ? bytes : Buffer.concat([this.#bytes.subarray(this.#at), bytes]);
    this.#at = 0;
  }

  /** The next reply that has arrived as a whole. Throws for bytes that no engine sends. */
  next(): SocketReply | undefined {
    const from = this.#at;
    const reply = this.#read();
    if (reply === undefined) this.#at = from;
    return reply;
  }

  #read(): SocketReply | undefined {
    const code = this.#bytes[this.#at];
    if (code !== CODE.ARRAY) {
      const part = this.#part();
      return part && (code === CODE.ERROR ? new Error(part.toString()) : [part]);
    }
    const count = this.#count(PARTS_MAX);
    const parts: Buffer[] = [];
    while (count !== undefined && parts.length < count) {
      const part = this.#part();
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return count === undefined ? undefined : parts;
  }

  #part(): Buffer | undefined {
    if (this.#bytes[this.#at] !== CODE.BULK) return this.#line();
    const length = this.#count(PART_BYTES_MAX);
    const from = this.#at;
    if (length === undefined || from + length + 2 > this.#bytes.length) return undefined;
    this.#at = from + length + 2;
    return this.#bytes.subarray(from, from + length);
  }

  /** What a line has after its code. */
  #line(): Buffer | undefined {
    const code = this.#bytes[this.#at];
    if (code === undefined) return undefined;
    if (!CODES.includes(code)) throw new Error(FOREIGN);
    const end = this.#bytes.indexOf(CODE.LINE_END, this.#at);
    if (end < 0 || end + 2 > this.#bytes.length) return undefined;
    const line = this.#bytes.subarray(this.#at + 1, end);
    this.#at = end + 2;
    return line;
  }

  /** A length. Nothing that these connections are sent is absent. */
  #count(most: number): number | undefined {
    const line = this.#line();
    if (line === undefined) return undefined;
    const count = Number(line.toString('latin1'));
    if (!(Number.isInteger(count) && count >= 0 && count <= most)) throw new Error(FOREIGN);
    return count;
  }
}
