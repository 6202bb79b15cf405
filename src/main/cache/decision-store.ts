import type { SlotIndex } from '../../shared/store/store-layout.ts';
import { StoreWriter } from './store-writer.ts';

/** Number of slots that a clear empties at once, in less than a millisecond. */
const SWEPT_AT_ONCE = 64;

/** The shared store of all domains of a planner. Each domain keeps its own memory of which slots hold its decisions. */
export class DecisionStore {
  readonly entriesMax: number;
  readonly writer: StoreWriter;
  readonly #onRetire: ((slot: SlotIndex) => void)[] = [];
  readonly #domains: number;
  #isSweeping = false;
  #isClosed = false;

  /** `domains`: how many share it. */
  constructor(entries: number, domains = 1) {
    this.entriesMax = entries;
    this.#domains = domains;
    this.writer = new StoreWriter(entries, (slot) => {
      for (const retire of this.#onRetire) retire(slot);
    });
  }

  get isShared(): boolean {
    return this.#domains > 1;
  }

  /** How many decisions of earlier runs a domain may bring back. */
  get restoredMax(): number {
    return Math.ceil(this.entriesMax / this.#domains);
  }

  /** `listener` is called with every slot that is emptied because it was evicted or removed. */
  onRetire(listener: (slot: SlotIndex) => void): void {
    this.#onRetire.push(listener);
  }

  /** Forgets every decision at once. The slots of many are emptied a few at a time, so that nothing waits for it. */
  clear(): void {
    this.writer.clear();
    if (!this.#isSweeping) this.#sweep();
  }

  close(): void {
    this.#isClosed = true;
  }

  #sweep(): void {
    this.#isSweeping = this.writer.sweep(SWEPT_AT_ONCE) && !this.#isClosed;
    if (this.#isSweeping) setImmediate(() => this.#sweep()).unref();
  }
}
