/** A write in the queue: a put or a removal. */
export type QueuedWrite =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array; readonly expiresAtWallMs: number }
  | { readonly kind: 'remove'; readonly key: Uint8Array };

/** Returns the text of a key, for use in maps. */
function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/**
 * Queue of writes, one per key, the one unchanged for longest first. A batch that was taken can be found until it is settled, so
 * a reader never sees an older decision in between.
 */
export class WriteQueue {
  readonly #max: number;
  readonly #waiting = new Map<string, QueuedWrite>();
  #taken = new Map<string, QueuedWrite>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Adds a write; the newest write of a key wins. If the queue is full, removes and returns the oldest one. */
  add(write: QueuedWrite): QueuedWrite | undefined {
    const text = textOf(write.key);
    this.#waiting.delete(text);
    this.#waiting.set(text, write);
    if (this.#waiting.size <= this.#max) return undefined;
    const [oldest] = this.#waiting as Iterable<[string, QueuedWrite]>;
    if (oldest === undefined) return undefined;
    this.#waiting.delete(oldest[0]);
    return oldest[1];
  }

  find(key: Uint8Array): QueuedWrite | undefined {
    const text = textOf(key);
    return this.#waiting.get(text) ?? this.#taken.get(text);
  }

  /** Takes the next batch. The previous one must be settled. */
  take(count: number): QueuedWrite[] {
    for (const [text, write] of this.#waiting) {
      if (this.#taken.size === count) break;
      this.#taken.set(text, write);
      this.#waiting.delete(text);
    }
    return [...this.#taken.values()];
  }

  /** Records that the batch taken is on disk. */
  settle(): void {
    this.#taken = new Map();
  }

  /**
   * Turns every put into a removal of its key, because nothing can be written for now: the value on disk is older, and must not
   * be served when the disk is back. Returns the number of puts given up.
   */
  giveUpPuts(): number {
    let puts = 0;
    for (const [text, { kind, key }] of new Map([...this.#taken, ...this.#waiting])) {
      if (kind === 'put') puts++;
      this.#waiting.set(text, { kind: 'remove', key });
    }
    this.#taken = new Map();
    return puts;
  }

  /** Empties the queue, including the batch taken. */
  clear(): void {
    this.#waiting.clear();
    this.#taken = new Map();
  }
}
