import { isUtf8 } from 'node:buffer';
import { type BoundsFault, boundsFault, JsonScan } from '../../../shared/untrusted-json.ts';
import { HeldBytes } from '../held-bytes.ts';

/**
 * Bytes in, lines out. The whole lines of a chunk are decoded at once: no character spans a line's end, and one decoding of
 * 64 kB costs less than three hundred of 200 bytes. What is left of a line at the end of a chunk is kept as bytes in one
 * buffer that grows up to the bound, so that many small chunks cost no more than their bytes. Where that grows large it is
 * scanned as it comes: a line that nests too deep or holds too much is dropped at once, and what is left of it as it comes.
 */

/** A line that cannot be read. The next one can, except after `too-large`: whatever comes then is dropped. */
export interface LineFault {
  readonly fault: 'not-utf8' | 'too-large' | BoundsFault;
}

const NEWLINE = 0x0a;
/** A shorter beginning of a line waits for its end to be looked at. */
const UNSCANNED_BYTES_MAX = 65_536;

/** Whole lines, each with its end. */
interface Lines {
  readonly text: string;
  /** Whether it is one line, which was scanned as it came. */
  readonly isScanned: boolean;
}

export class LineReader {
  readonly #bytesMax: number;
  /** Whole lines, or one that cannot be read. */
  readonly #blocks: (Lines | LineFault)[] = [];
  /** Where the next line begins in the first block. */
  #at = 0;
  /** The beginning of a line whose end has not come. */
  readonly #tail: HeldBytes;
  /** Of it, dropped ones too. */
  #tailBytes = 0;
  /** Of a beginning that is large. */
  #scan: JsonScan | undefined;
  /** The line whose end has not come has been answered already. */
  #isDropped = false;
  #isShut = false;

  /** `bytesMax` bounds a line without its end. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#tail = new HeldBytes(bytesMax);
  }

  /** Whether there is a line to take. */
  get hasLine(): boolean {
    return this.#blocks.length > 0;
  }

  push(chunk: Buffer): void {
    if (this.#isShut) return;
    let rest = chunk;
    if (this.#tailBytes > 0) {
      const end = chunk.indexOf(NEWLINE);
      this.#keep(end === -1 ? chunk : chunk.subarray(0, end));
      if (end === -1 || this.#isShut) return;
      this.#endTail();
      rest = chunk.subarray(end + 1);
    }
    const last = rest.lastIndexOf(NEWLINE);
    if (last !== -1) this.#take(rest.subarray(0, last + 1));
    if (last + 1 < rest.length && !this.#isShut) this.#keep(rest.subarray(last + 1));
  }

  /** The input is over: what has come of its last line is a line. */
  end(): void {
    if (this.#tailBytes > 0) this.push(Buffer.of(NEWLINE));
  }

  /** The next line, without its `\n`; undefined where none is whole. */
  next(): string | LineFault | undefined {
    const block = this.#blocks[0];
    if (block === undefined || 'fault' in block) {
      this.#blocks.shift();
      return block;
    }
    const { text, isScanned } = block;
    const end = text.indexOf('\n', this.#at);
    const line = text.slice(this.#at, end);
    this.#at = end + 1;
    if (this.#at === text.length) {
      this.#blocks.shift();
      this.#at = 0;
    }
    const fault = isScanned ? undefined : boundsFault(line);
    return fault === undefined ? line : { fault };
  }

  /** Drops what it holds and whatever comes. */
  shut(): void {
    this.#isShut = true;
    this.#blocks.length = 0;
    this.#at = 0;
    this.#dropTail();
  }

  /** The end of the line that the tail is of. */
  #endTail(): void {
    if (!this.#isDropped) {
      const line = this.#tail.bytes;
      if (isUtf8(line)) this.#blocks.push({ text: `${line.toString()}\n`, isScanned: this.#scan !== undefined });
      else this.#blocks.push({ fault: 'not-utf8' });
    }
    this.#dropTail();
  }

  #take(lines: Buffer): void {
    if (lines.length <= this.#bytesMax + 1 && isUtf8(lines)) {
      this.#blocks.push({ text: lines.toString(), isScanned: false });
    } else this.#takeOneByOne(lines);
  }

  /** Where something is wrong with a line, or may be. */
  #takeOneByOne(lines: Buffer): void {
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(NEWLINE, start) + 1;
      if (end - 1 - start > this.#bytesMax) return this.#refuse();
      const line = lines.subarray(start, end);
      if (isUtf8(line)) this.#blocks.push({ text: line.toString(), isScanned: false });
      else this.#blocks.push({ fault: 'not-utf8' });
      start = end;
    }
  }

  #keep(rest: Buffer): void {
    this.#tailBytes += rest.length;
    if (this.#tailBytes > this.#bytesMax) return this.#refuse();
    if (this.#isDropped) return;
    this.#tail.add(rest);
    const fault = this.#tailFault(rest);
    if (fault === undefined) return;
    this.#blocks.push({ fault });
    this.#isDropped = true;
    this.#tail.clear();
  }

  #tailFault(rest: Buffer): BoundsFault | undefined {
    if (this.#scan !== undefined) return this.#scan.push(rest);
    if (this.#tailBytes <= UNSCANNED_BYTES_MAX) return undefined;
    this.#scan = new JsonScan();
    return this.#scan.push(this.#tail.bytes);
  }

  #refuse(): void {
    this.#isShut = true;
    this.#dropTail();
    this.#blocks.push({ fault: 'too-large' });
  }

  #dropTail(): void {
    this.#tail.clear();
    this.#tailBytes = 0;
    this.#scan = undefined;
    this.#isDropped = false;
  }
}
