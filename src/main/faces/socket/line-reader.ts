import { isUtf8 } from 'node:buffer';
import { defined } from '../../../shared/defined.ts';
import { type BoundsFault, boundsFault, hasUtf16Mark, JsonScan } from '../../../shared/untrusted-json.ts';
import { type ByteBudget, type ByteCharge, UNCHARGED_BYTES_MAX } from '../byte-budget.ts';
import { HeldBytes } from '../held-bytes.ts';

/**
 * Bytes in, lines out. The whole lines of a chunk are decoded at once: no character spans a line's end, and one decoding of
 * 64 kB costs less than three hundred of 200 bytes. What is left of a line at the end of a chunk is kept as bytes in one
 * buffer that grows up to the bound, so that many small chunks cost no more than their bytes. Where that grows large it is
 * scanned and charged as it comes: a line that nests too deep, holds too much or finds no room is dropped at once, and what is left
 * of it as it comes.
 */

/** A line that cannot be read. The next one can, except after `too-large`: whatever comes then is dropped. */
export interface LineFault {
  readonly fault: 'not-utf8' | 'utf-16' | 'too-large' | 'crowded' | BoundsFault;
}

const NEWLINE = 0x0a;
/** A line that comes whole in one piece is not large. */
const PIECE_BYTES = UNCHARGED_BYTES_MAX;

/** Whole lines, each with its end. */
interface Lines {
  readonly text: string;
  /** Of one line that is large: it was scanned as it came. */
  readonly large?: Large;
}

/** Of a line that is large. */
interface Large {
  readonly scan: JsonScan;
  readonly charge: ByteCharge | undefined;
}

export interface LineReaderOptions {
  /** Of all large lines together. Default: they are not charged. */
  readonly budget?: ByteBudget | undefined;
  /** A line that had not come whole was dropped, to make room. */
  readonly onDropped?: () => void;
}

export class LineReader {
  readonly #bytesMax: number;
  readonly #options: LineReaderOptions;
  /** Whole lines, or one that cannot be read. */
  readonly #blocks: (Lines | LineFault)[] = [];
  /** Where the next line begins in the first block. */
  #at = 0;
  /** The beginning of a line whose end has not come. */
  readonly #tail: HeldBytes;
  /** Of it, dropped ones too. */
  #tailBytes = 0;
  /** Of a beginning that is large. */
  #large: Large | undefined;
  /** Of the line that was taken last. */
  #charge: ByteCharge | undefined;
  /** The line whose end has not come has been answered already. */
  #isDropped = false;
  #isShut = false;

  /** `bytesMax` bounds a line without its end. */
  constructor(bytesMax: number, options: LineReaderOptions = {}) {
    this.#bytesMax = bytesMax;
    this.#options = options;
    this.#tail = new HeldBytes();
  }

  /** Whether there is a line to take. */
  get hasLine(): boolean {
    return this.#blocks.length > 0;
  }

  /** A stream may hand over a whole large line at once: it is taken as it comes over a wire. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) this.#push(chunk.subarray(at, at + PIECE_BYTES));
  }

  #push(chunk: Buffer): void {
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
    const { text, large } = block;
    const end = text.indexOf('\n', this.#at);
    const line = text.slice(this.#at, end);
    this.#at = end + 1;
    if (this.#at === text.length) {
      this.#blocks.shift();
      this.#at = 0;
    }
    this.#charge = large?.charge;
    const fault = large === undefined ? boundsFault(line) : undefined;
    return fault === undefined ? line : { fault };
  }

  /** The charge of the line that was taken last, if it was large: the taker's to release. */
  takeCharge(): ByteCharge | undefined {
    const charge = this.#charge;
    this.#charge = undefined;
    return charge;
  }

  /** Drops what it holds and whatever comes. */
  shut(): void {
    this.#isShut = true;
    for (const block of this.#blocks.splice(0)) if ('large' in block) block.large?.charge?.release();
    this.#at = 0;
    this.#refuseTail();
  }

  /** The end of the line that the tail is of. */
  #endTail(): void {
    const line = this.#tail.bytes;
    if (this.#isDropped) this.#forgetTail();
    else if (!isUtf8(line)) {
      this.#blocks.push({ fault: hasUtf16Mark(line) ? 'utf-16' : 'not-utf8' });
      this.#refuseTail();
    } else {
      const large = this.#large;
      large?.charge?.arrived();
      this.#blocks.push({ text: `${line.toString()}\n`, ...defined({ large }) });
      this.#forgetTail();
    }
  }

  #take(lines: Buffer): void {
    if (lines.length <= this.#bytesMax + 1 && isUtf8(lines)) {
      this.#blocks.push({ text: lines.toString() });
    } else this.#takeOneByOne(lines);
  }

  /** Where something is wrong with a line, or may be. */
  #takeOneByOne(lines: Buffer): void {
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(NEWLINE, start) + 1;
      if (end - 1 - start > this.#bytesMax) return this.#refuse();
      const line = lines.subarray(start, end);
      if (isUtf8(line)) this.#blocks.push({ text: line.toString() });
      else this.#blocks.push({ fault: hasUtf16Mark(line) ? 'utf-16' : 'not-utf8' });
      start = end;
    }
  }

  #keep(rest: Buffer): void {
    this.#tailBytes += rest.length;
    if (this.#tailBytes > this.#bytesMax) return this.#refuse();
    if (this.#isDropped) return;
    this.#tail.add(rest);
    if (this.#tailBytes <= UNCHARGED_BYTES_MAX) return;
    const fault = this.#largeFault(this.#large === undefined ? this.#tail.bytes : rest);
    if (fault !== undefined) this.#dropTail(fault);
  }

  #largeFault(added: Buffer): LineFault['fault'] | undefined {
    const { budget } = this.#options;
    this.#large ??= { scan: new JsonScan(), charge: budget?.charge(this.#onDropped) };
    const { scan, charge } = this.#large;
    return charge?.add(added.length) === false ? 'crowded' : scan.push(added);
  }

  /** Its charge has ended already. */
  readonly #onDropped = (): void => {
    this.#large = undefined;
    this.#dropTail('crowded');
    this.#options.onDropped?.();
  };

  /** Answers the line whose end has not come. What still comes of it is counted, and no more. */
  #dropTail(fault: LineFault['fault']): void {
    this.#large?.charge?.release();
    this.#large = undefined;
    this.#blocks.push({ fault });
    this.#isDropped = true;
    this.#tail.clear();
  }

  #refuse(): void {
    this.#isShut = true;
    this.#refuseTail();
    this.#blocks.push({ fault: 'too-large' });
  }

  #refuseTail(): void {
    this.#large?.charge?.release();
    this.#forgetTail();
  }

  #forgetTail(): void {
    this.#tail.clear();
    this.#tailBytes = 0;
    this.#large = undefined;
    this.#isDropped = false;
  }
}
