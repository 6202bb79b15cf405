/**
 * Bytes of one answer on their way to one client, in order, no faster than it takes them. Beyond `BEHIND_BYTES` the queue is pressed,
 * and whoever writes to it should stop.
 */
const BEHIND_BYTES = 1_048_576;

export class ByteQueue {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #isEnded = false;
  #isPressed = false;
  #wake: (() => void) | undefined;
  /** Whether a client takes from it: before that, what has come is only held. */
  #isRead = false;
  /** Called when the queue becomes pressed, and when it is not any longer. */
  onPressure: (isPressed: boolean) => void = () => {};

  /** Bytes that nobody has taken yet. */
  get length(): number {
    return this.#bytes;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#changed();
  }

  /** No more will come. */
  end(): void {
    this.#isEnded = true;
    this.#changed();
  }

  /** What has come since the last time, as soon as there is something; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    this.#isRead = true;
    while (this.#bytes === 0 && !this.#isEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#bytes === 0 ? undefined : this.take();
  }

  /** All that is here. */
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
