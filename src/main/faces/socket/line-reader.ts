import { isUtf8 } from 'node:buffer';

/**
 * Bytes in, lines out. The whole lines of a chunk are decoded at once: no character spans a line's end, and one decoding of
 * 64 kB costs less than three hundred of 200 bytes. What is left of a line at the end of a chunk is kept as bytes in one
 * buffer that grows up to the bound, so that many small chunks cost no more than their bytes.
 */

/** A line that cannot be read. The next one can, except after `too-large`: whatever comes then is dropped. */
export interface LineFault {
  readonly fault: 'not-utf8' | 'too-large';
}

const NEWLINE = 0x0a;
const TAIL_BYTES_MIN = 4_096;
const NOTHING = Buffer.alloc(0);

export class LineReader {
  readonly #bytesMax: number;
  /** Text of whole lines, each with its end, or one line that cannot be read. */
  readonly #blocks: (string | LineFault)[] = [];
  /** Where the next line begins in the first block. */
  #at = 0;
  /** The beginning of a line whose end has not come. */
  #tail = NOTHING;
  #tailBytes = 0;
  #isShut = false;

  /** `bytesMax` bounds a line without its end. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether there is a line to take. */
  get hasLine(): boolean {
    return this.#blocks.length > 0;
  }

  push(chunk: Buffer): void {
    if (this.#isShut) return;
    const last = chunk.lastIndexOf(NEWLINE);
    if (last === -1) return this.#keep(chunk);
    this.#take(this.#afterTail(chunk.subarray(0, last + 1)));
    if (last + 1 < chunk.length) this.#keep(chunk.subarray(last + 1));
  }

  /** The input is over: what has come of its last line is a line. */
  end(): void {
    if (this.#tailBytes > 0) this.push(Buffer.of(NEWLINE));
  }

  /** The next line, without its `\n`; undefined where none is whole. */
  next(): string | LineFault | undefined {
    const block = this.#blocks[0];
    if (typeof block !== 'string') {
      this.#blocks.shift();
      return block;
    }
    const end = block.indexOf('\n', this.#at);
    const line = block.slice(this.#at, end);
    this.#at = end + 1;
    if (this.#at === block.length) {
      this.#blocks.shift();
      this.#at = 0;
    }
    return line;
  }

  /** Drops what it holds and whatever comes. */
  shut(): void {
    this.#isShut = true;
    this.#blocks.length = 0;
    this.#at = 0;
    this.#dropTail();
  }

  #afterTail(lines: Buffer): Buffer {
    if (this.#tailBytes === 0) return lines;
    const whole = Buffer.concat([this.#tail.subarray(0, this.#tailBytes), lines]);
    this.#dropTail();
    return whole;
  }

  #take(lines: Buffer): void {
    if (lines.length <= this.#bytesMax + 1 && isUtf8(lines)) this.#blocks.push(lines.toString());
    else this.#takeOneByOne(lines);
  }

  /** Where something is wrong with a line, or may be. */
  #takeOneByOne(lines: Buffer): void {
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(NEWLINE, start) + 1;
      if (end - 1 - start > this.#bytesMax) return this.#refuse();
      const line = lines.subarray(start, end);
      this.#blocks.push(isUtf8(line) ? line.toString() : { fault: 'not-utf8' });
      start = end;
    }
  }

  #keep(rest: Buffer): void {
    const bytes = this.#tailBytes + rest.length;
    if (bytes > this.#bytesMax) return this.#refuse();
    if (bytes > this.#tail.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(2 * bytes, TAIL_BYTES_MIN), this.#bytesMax));
      this.#tail.copy(grown, 0, 0, this.#tailBytes);
      this.#tail = grown;
    }
    rest.copy(this.#tail, this.#tailBytes);
    this.#tailBytes = bytes;
  }

  #refuse(): void {
    this.#isShut = true;
    this.#dropTail();
    this.#blocks.push({ fault: 'too-large' });
  }

  #dropTail(): void {
    this.#tail = NOTHING;
    this.#tailBytes = 0;
  }
}
