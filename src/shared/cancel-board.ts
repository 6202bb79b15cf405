import type { CancelTicket } from './tasks.ts';
import { UNWANTED } from './unwanted.ts';

/*
 * Cooperative cancellation: one Int32 per task in flight, in one SharedArrayBuffer.
 *
 *   word 0                16               32
 *        +----------------+----------------+----
 *        | slot 0         | slot 1         | ...      one cache line a slot: neighbours are cancelled at the same
 *        +----------------+----------------+----      moment, and contended adjacent atomics run 7.8 times slower
 *   slot   +0 CANCELLED   +1 READ
 *
 *   word       writer            readers          access    if the writer dies      if a reader dies
 *   CANCELLED  coordinator       the one worker   Atomics   the process is gone     its waiters die with it
 *                                that runs the task
 *   READ       that worker, of   coordinator      Atomics   the task is settled by  the process is gone
 *              tasks that prime                             the pool, which ends
 *                                                           the coordinator's wait
 *
 * A slot holds the generation that was cancelled last. A task is cancelled when its slot holds its own generation, so
 * nothing is reset between tasks and a late notify for an old task cannot touch its successor. A slot is given to the
 * next task only after the worker settled the last one, or its thread is gone.
 */
export const CANCEL_SLOT_WORDS = 16;
const READ = 1;

export function createCancelBuffer(slotCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(slotCount * CANCEL_SLOT_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The worker's side: aborts `controller` when the ticket is cancelled. Call the result when the task has settled. */
export function watchCancel(words: Int32Array, ticket: CancelTicket, controller: AbortController): () => void {
  const word = ticket.slot * CANCEL_SLOT_WORDS;
  let watching = true;
  const watch = (): void => {
    if (!watching) return;
    const value = Atomics.load(words, word);
    if (value === ticket.generation) return controller.abort(UNWANTED);
    const wait = Atomics.waitAsync(words as Int32Array<SharedArrayBuffer>, word, value);
    // Not async: the word changed between the load and the wait. It changes at most once per task, so this recurs once.
    if (wait.async) void wait.value.then(watch);
    else watch();
  };
  watch();
  return () => {
    watching = false;
    // Wakes this task's own waiter, which then ends: a waiter left behind would live as long as the thread.
    Atomics.notify(words, word);
  };
}

/** The worker's side: the model has read the prompt of this task. */
export function markRead(words: Int32Array, ticket: CancelTicket): void {
  const word = ticket.slot * CANCEL_SLOT_WORDS + READ;
  Atomics.store(words, word, ticket.generation);
  Atomics.notify(words, word);
}

/** The coordinator's side: hears once that a prompt has been read. Call the result when the task has settled. */
export function watchRead(words: Int32Array, ticket: CancelTicket, onRead: () => void): () => void {
  const word = ticket.slot * CANCEL_SLOT_WORDS + READ;
  let watching = true;
  const watch = (): void => {
    if (!watching) return;
    const value = Atomics.load(words, word);
    if (value === ticket.generation) return onRead();
    const wait = Atomics.waitAsync(words as Int32Array<SharedArrayBuffer>, word, value);
    if (wait.async) void wait.value.then(watch);
    else watch();
  };
  watch();
  return () => {
    watching = false;
    Atomics.notify(words, word);
  };
}
