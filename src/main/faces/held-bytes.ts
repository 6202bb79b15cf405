const BYTES_MIN = 4_096;
const BLOCK_BYTES = 65_536;
/** A shorter piece costs less to copy than to keep. */
const KEPT_PIECE_BYTES = 16_384;

/**
 * The bytes of a message so far: long pieces as received, short ones copied into blocks, because each entry of a list costs a hundred bytes. A single
 * growing buffer would leave twice its bytes to the garbage collector, for each of thousands of messages.
 */
export class HeldBytes {
  readonly #expected: number;
  /** Full pieces that precede the block being filled. */
  #pieces: Buffer[] = [];
  #block: Buffer | undefined;
  #blockLength = 0;
  #length = 0;

  /** `expected` is the length, if it is known and plausible. */
  constructor(expected = 0) {
    this.#expected = expected;
  }

  /** All bytes. Valid until the next `add`. */
  get bytes(): Buffer {
    this.#endBlock();
    const [only] = this.#pieces;
    const joined = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces, this.#length);
    this.#pieces = [joined];
    return joined;
  }

  add(piece: Buffer): void {
    this.#length += piece.length;
    // A piece that is a small part of a larger buffer would keep all of that alive.
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

  /** Fills the block; returns what did not fit. */
  #fill(piece: Buffer): Buffer {
    const wanted = Math.min(this.#blockLength + piece.length, BLOCK_BYTES);
    if (this.#block === undefined || wanted > this.#block.length) this.#block = this.#grown(wanted);
    const copied = piece.copy(this.#block, this.#blockLength);
    this.#blockLength += copied;
    if (this.#blockLength >= BLOCK_BYTES) this.#endBlock();
    return piece.subarray(copied);
  }

  /** The first block grows as needed; later ones have full size from the start. */
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
