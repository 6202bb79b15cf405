const BYTES_MIN = 4_096;
const BLOCK_BYTES = 65_536;
/** A shorter piece costs less to copy than to keep. */
const KEPT_PIECE_BYTES = 16_384;

/**
 * What has come of a message: long pieces as they came, short ones copied into blocks, where a list of them would cost a hundred bytes
 * each. One buffer that grows would leave twice its bytes behind for the garbage collector, of each of thousands of messages.
 */
export class HeldBytes {
  readonly #expected: number;
  /** Whole ones, and before the block that is being filled. */
  #pieces: Buffer[] = [];
  #block: Buffer | undefined;
  #blockLength = 0;
  #length = 0;

  /** `expected` where its length is known, and short enough to be believed. */
  constructor(expected = 0) {
    this.#expected = expected;
  }

  /** All of it. Valid until the next `add`. */
  get bytes(): Buffer {
    this.#endBlock();
    const [only] = this.#pieces;
    const joined = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces, this.#length);
    this.#pieces = [joined];
    return joined;
  }

  add(piece: Buffer): void {
    this.#length += piece.length;
    // One that is a small part of what it was cut from would keep all of that.
    if (piece.length >= KEPT_PIECE_BYTES && piece.length * 2 >= piece.buffer.byteLength) {
      this.#endBlock();
      this.#pieces.push(piece);
    } else for (let rest = piece; rest.length > 0; ) rest = this.#fill(rest);
  }

  clear(): void {
    this.#pieces = [];
    this.#block = undefined;
    this.#blockLength = 0;
    this.#length = 0;
  }

  /** What did not fit. */
  #fill(piece: Buffer): Buffer {
    const wanted = Math.min(this.#blockLength + piece.length, BLOCK_BYTES);
    if (this.#block === undefined || wanted > this.#block.length) this.#block = this.#grown(wanted);
    const copied = piece.copy(this.#block, this.#blockLength);
    this.#blockLength += copied;
    if (this.#blockLength >= BLOCK_BYTES) this.#endBlock();
    return piece.subarray(copied);
  }

  /** The first block grows with what comes; further ones are whole from the start. */
  #grown(wanted: number): Buffer {
    const isFirst = this.#pieces.length === 0;
    const bytes = isFirst ? Math.max(this.#expected, 2 * wanted, BYTES_MIN) : BLOCK_BYTES;
    const grown = Buffer.allocUnsafeSlow(
      Math.min(isFirst && wanted <= this.#expected ? this.#expected : bytes, BLOCK_BYTES),
    );
    this.#block?.copy(grown, 0, 0, this.#blockLength);
    return grown;
  }

  #endBlock(): void {
    if (this.#block === undefined) return;
    this.#pieces.push(this.#block.subarray(0, this.#blockLength));
    this.#block = undefined;
    this.#blockLength = 0;
  }
}
