/** What waits to be written. A removal is written too. */
export type QueuedWrite =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array; readonly expiresAtWallMs: number }
  | { readonly kind: 'remove'; readonly key: Uint8Array };

/** The text of a key, for maps. */
function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/**
 * Writes that wait, one per key, the longest unchanged first. What was taken for a batch is still found until the batch
 * is settled, so a reader never sees an older decision in between.
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

  /** Adds a write; the newest of one key wins. At the bound the oldest one goes, and is returned. */
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

  /** Takes the next batch. The one before must be settled. */
  take(count: number): QueuedWrite[] {
    for (const [text, write] of this.#waiting) {
      if (this.#taken.size === count) break;
      this.#taken.set(text, write);
      this.#waiting.delete(text);
    }
    return [...this.#taken.values()];
  }

  /** The batch that was taken is on disk. */
  settle(): void {
    this.#taken = new Map();
  }

  /**
   * Nothing can be written for now. Every put becomes the removal of its key: what stands on disk under it is older, and
   * must not be served when the disk is back. Returns how many puts were given up.
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

  /** Forgets all, the batch that was taken too. */
  clear(): void {
    this.#waiting.clear();
    this.#taken = new Map();
  }
}
