/**
 * The bytes of one answer for one client, in order, as fast as the client takes them. Above `BEHIND_BYTES` the queue is pressed, and its writer
 * should stop.
 */
const BEHIND_BYTES = 1_048_576;

export class ByteQueue {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #isEnded = false;
  #isPressed = false;
  #wake: (() => void) | undefined;
  /** True once a client takes from it: before that, bytes are only held. */
  #isRead = false;
  /** Called when the queue becomes pressed, and when it no longer is. */
  onPressure: (isPressed: boolean) => void = () => {};

  /** Number of bytes not taken yet. */
  get length(): number {
    return this.#bytes;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#changed();
  }

  /** Marks the end of the answer. */
  end(): void {
    this.#isEnded = true;
    this.#changed();
  }

  /** The bytes since the last call, as soon as there are some; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    this.#isRead = true;
    while (this.#bytes === 0 && !this.#isEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#bytes === 0 ? undefined : this.take();
  }

  /** Takes all bytes that have arrived. */
  take(): Buffer {
    const taken = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    this.#changed();
    return taken;
  }

  #changed(): void {
    this.#wake?.();
    this.#wake = undefined;
    const isPressed = this.#isRead && !this.#isEnded && this.#bytes > BEHIND_BYTES;
    if (isPressed === this.#isPressed) return;
    this.#isPressed = isPressed;
    this.onPressure(isPressed);
  }
}
