const BYTES_MIN = 4_096;
const NOTHING = Buffer.alloc(0);

/**
 * What has come of a message, in one buffer that grows up to `bytesMax`: many small pieces cost no more than their bytes, where a
 * list of them would cost a hundred bytes each.
 */
export class HeldBytes {
  readonly #bytesMax: number;
  #held: Buffer;
  #length = 0;

  /** `expected` where its length is known, and short enough to be believed. */
  constructor(bytesMax: number, expected = 0) {
    this.#bytesMax = bytesMax;
    this.#held = expected === 0 ? NOTHING : Buffer.allocUnsafe(expected);
  }

  /** All of it. Valid until the next `add`. */
  get bytes(): Buffer {
    return this.#held.subarray(0, this.#length);
  }

  /** May be asked to hold no more than `bytesMax`. */
  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(2 * length, BYTES_MIN), this.#bytesMax));
      this.#held.copy(grown, 0, 0, this.#length);
      this.#held = grown;
    }
    piece.copy(this.#held, this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#held = NOTHING;
    this.#length = 0;
  }
}
