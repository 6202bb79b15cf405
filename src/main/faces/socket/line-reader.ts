import { isUtf8 } from 'node:buffer';
import { defined } from '../../../shared/defined.ts';
import { type BoundsFault, boundsFault, hasUtf16Mark, JsonScan } from '../../../shared/untrusted-json.ts';
import { type ByteBudget, type ByteCharge, UNCHARGED_BYTES_MAX } from '../byte-budget.ts';
import { HeldBytes } from '../held-bytes.ts';

/**
 * Splits bytes into lines. The whole lines of a chunk are decoded at once: no character spans a line's end, and one decoding of 64 kB costs less than
 * three hundred of 200 bytes. An unfinished line is kept as bytes in one buffer that grows up to the limit, so that many small chunks cost only their
 * bytes. Once large, it is scanned and charged as it arrives: a line that nests too deep, holds too much or finds no room is dropped at once, and the
 * rest of it as it arrives.
 */

/** A line that cannot be read. The next one can, except after `too-large`: everything later is dropped. */
export interface LineFault {
  readonly fault: 'not-utf8' | 'utf-16' | 'too-large' | 'crowded' | BoundsFault;
}

const NEWLINE = 0x0a;
/** A line that arrives whole in one piece is not large. */
const PIECE_BYTES = UNCHARGED_BYTES_MAX;

/** Whole lines, each with its end. */
interface Lines {
  readonly text: string;
  /** Present for a single large line, scanned as it arrived. */
  readonly large?: Large;
}

interface Large {
  readonly scan: JsonScan;
  readonly charge: ByteCharge | undefined;
}

interface LineReaderOptions {
  /** Shared by all large lines. Default: they are not charged. */
  readonly budget?: ByteBudget | undefined;
  /** Called when an unfinished line was dropped to make room. */
  readonly onDropped?: () => void;
}

export class LineReader {
  readonly #bytesMax: number;
  readonly #options: LineReaderOptions;
  /** Whole lines, or one that cannot be read. */
  readonly #blocks: (Lines | LineFault)[] = [];
  /** Start of the next line in the first block. */
  #at = 0;
  /** The beginning of an unfinished line. */
  readonly #tail: HeldBytes;
  /** Length of the unfinished line, including dropped bytes. */
  #tailBytes = 0;
  /** Present if the unfinished line is large. */
  #large: Large | undefined;
  /** Charge of the line that was taken last. */
  #charge: ByteCharge | undefined;
  /** True if the unfinished line has already been answered. */
  #isDropped = false;
  #isShut = false;

  /** `bytesMax` limits a line, without its end. */
  constructor(bytesMax: number, options: LineReaderOptions = {}) {
    this.#bytesMax = bytesMax;
    this.#options = options;
    this.#tail = new HeldBytes();
  }

  get hasLine(): boolean {
    return this.#blocks.length > 0;
  }

  /** A stream may deliver a whole large line at once: it is processed in pieces, as from a wire. */
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

  /** Ends the input: what has arrived of the last line becomes a line. */
  end(): void {
    if (this.#tailBytes > 0) this.push(Buffer.of(NEWLINE));
  }

  /** The next line, without its `\n`; undefined if none is complete. */
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

  /** The charge of the line that was taken last, if it was large; the caller must release it. */
  takeCharge(): ByteCharge | undefined {
    const charge = this.#charge;
    this.#charge = undefined;
    return charge;
  }

  /** Drops all lines, present and future. */
  shut(): void {
    this.#isShut = true;
    for (const block of this.#blocks.splice(0)) if ('large' in block) block.large?.charge?.release();
    this.#at = 0;
    this.#refuseTail();
  }

  /** Ends the unfinished line. */
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

  /** Takes lines one by one, because one of them is or may be faulty. */
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

  /** Its charge has already ended. */
  readonly #onDropped = (): void => {
    this.#large = undefined;
    this.#dropTail('crowded');
    this.#options.onDropped?.();
  };

  /** Answers the unfinished line. The rest of it is only counted. */
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
