import type { SlotIndex } from '../../shared/store/store-layout.ts';
import { StoreWriter } from './store-writer.ts';

/** Number of slots that a clear empties at once, in less than a millisecond. */
const SWEPT_AT_ONCE = 64;

/** One domain's memory of what it has in the store. */
export interface StoreUser {
  /** A slot was emptied because it was evicted or removed. */
  retired(slot: SlotIndex): void;
  /** The store was cleared: by this domain, or by another one. */
  cleared(): void;
}

/** The shared store of all domains of a planner. Each domain keeps its own memory of which slots hold its decisions. */
export class DecisionStore {
  readonly entriesMax: number;
  readonly writer: StoreWriter;
  readonly #users: StoreUser[] = [];
  readonly #domains: number;
  #isSweeping = false;
  #isClosed = false;

  /** `domains`: how many share it. */
  constructor(entries: number, domains = 1) {
    this.entriesMax = entries;
    this.#domains = domains;
    this.writer = new StoreWriter(entries, (slot) => {
      for (const user of this.#users) user.retired(slot);
    });
  }

  get isShared(): boolean {
    return this.#domains > 1;
  }

  /** How many decisions of earlier runs a domain may bring back. */
  get restoredMax(): number {
    return Math.ceil(this.entriesMax / this.#domains);
  }

  join(user: StoreUser): void {
    this.#users.push(user);
  }

  /** Forgets every decision of every domain at once: no user may go on from a slot to what stands there later. The slots of many are emptied a few at a time, so that nothing waits for it. */
  clear(): void {
    this.writer.clear();
    for (const user of this.#users) user.cleared();
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
