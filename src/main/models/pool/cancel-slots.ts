import {
  CANCEL_SLOT_WORDS,
  clearMarks,
  createCancelBuffer,
  phaseOf,
  watchChoice,
  watchRead,
} from '../../../shared/cancel-board.ts';
import type { CallPhase } from '../../../shared/model-client/failures.ts';
import type { CancelTicket } from '../../../shared/tasks.ts';

/** The coordinator's side of cancel-board.ts: gives slots to tasks, and writes the cancel words. */
export class CancelSlots {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #generations: Int32Array;
  readonly #free: number[] = [];
  #unused = 0;

  constructor(slotCount: number) {
    this.buffer = createCancelBuffer(slotCount);
    this.#words = new Int32Array(this.buffer);
    this.#generations = new Int32Array(slotCount);
  }

  /** Takes a slot for a task; undefined if all slots are in use. */
  acquire(): CancelTicket | undefined {
    const slot = this.#free.pop() ?? (this.#unused < this.#generations.length ? this.#unused++ : undefined);
    if (slot === undefined) return undefined;
    // Generation 0 is the word's initial value and belongs to no task.
    const generation = ((this.#generations[slot] as number) + 1) | 0 || 1;
    this.#generations[slot] = generation;
    clearMarks(this.#words, slot);
    return { slot, generation };
  }

  /** Cancels a task. No effect after its release: the word may belong to a later task by then. */
  cancel(ticket: CancelTicket): void {
    if (this.#generations[ticket.slot] !== ticket.generation) return;
    const word = ticket.slot * CANCEL_SLOT_WORDS;
    Atomics.store(this.#words, word, ticket.generation);
    Atomics.notify(this.#words, word);
  }

  /** Calls `onRead` once, when the worker's model has read the prompt. Returns a function that unsubscribes; call it when the task settles. */
  onRead(ticket: CancelTicket, onRead: () => void): () => void {
    return watchRead(this.#words, ticket, onRead);
  }

  /** Calls `onChoice` when the current choice of the task has changed. Returns a function that unsubscribes; call it when the task settles. */
  onChoice(ticket: CancelTicket, onChoice: (place: number | undefined) => void): () => void {
    return watchChoice(this.#words, ticket, onChoice);
  }

  /** The phase that the task's call is in; undefined once its slot belongs to another task. */
  phaseOf(ticket: CancelTicket): CallPhase | undefined {
    return this.#generations[ticket.slot] === ticket.generation ? phaseOf(this.#words, ticket) : undefined;
  }

  /** Call only after the worker has settled the task, or its thread is gone. */
  release(ticket: CancelTicket): void {
    this.#free.push(ticket.slot);
  }
}
