import { CALL_PHASES, type CallPhase } from './model-client/failures.ts';
import type { CancelTicket } from './tasks.ts';
import { UNWANTED } from './unwanted.ts';

/*
 * Cooperative cancellation, and what a worker reports about a task before its result: a few Int32 per task in flight, in
 * one SharedArrayBuffer.
 *
 *   word 0                        16                       32
 *        +------------------------+------------------------+----
 *        | slot 0                 | slot 1                 | ...      one cache line a slot: neighbours are cancelled at
 *        +------------------------+------------------------+----      the same moment, and contended adjacent atomics
 *   slot   +0 CANCELLED   +1 READ   +2 CHOICE   +3 PHASE              run 7.8 times slower
 *
 *   word       writer            readers          access    if the writer dies      if a reader dies
 *   CANCELLED  coordinator       the one worker   Atomics   the process is gone     its waiters die with it
 *                                that runs the task
 *   READ       that worker, of   coordinator      Atomics   the task is settled by  the process is gone
 *              tasks that prime                             the pool, which ends
 *                                                           the coordinator's wait
 *   CHOICE     coordinator: 0,   coordinator      Atomics   the same                the process is gone
 *              before the task
 *              is sent; then
 *              that worker
 *   PHASE      as CHOICE         coordinator      Atomics   the same                the process is gone
 *
 * CANCELLED and READ hold the generation of the task they were last written for. A task is cancelled when its slot holds
 * its own generation, so nothing is reset between tasks and a late notify for an old task cannot touch its successor. A
 * slot is given to the next task only after the worker settled the last one, or its thread is gone.
 *
 * CHOICE holds the place of the action that is the current choice, from 1, or 0 for none. It may change many times, and
 * only the newest value matters. A generation would need a second word, and a reader that never sees the two apart;
 * instead it is cleared when the slot is given out, while no worker may write it, and the message that carries the task
 * publishes the 0 before the worker's first write. PHASE holds the place of the call's phase in CALL_PHASES, under the
 * same rule; nothing waits for it, so a phase costs its worker one store.
 */
export const CANCEL_SLOT_WORDS = 16;
const READ = 1;
const CHOICE = 2;
const PHASE = 3;

export function createCancelBuffer(slotCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(slotCount * CANCEL_SLOT_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** Worker side: aborts `controller` when the ticket is cancelled. Returns a function that unsubscribes; call it when the task settles. */
export function watchCancel(words: Int32Array, ticket: CancelTicket, controller: AbortController): () => void {
  return watchWord(words, ticket.slot * CANCEL_SLOT_WORDS, ticket, () => controller.abort(UNWANTED));
}

/** Calls `onMarked` once, when a word holds the generation of the ticket. Returns a function that unsubscribes; call it when the task settles. */
function watchWord(words: Int32Array, word: number, ticket: CancelTicket, onMarked: () => void): () => void {
  let watching = true;
  const watch = (): void => {
    if (!watching) return;
    const value = Atomics.load(words, word);
    if (value === ticket.generation) return onMarked();
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

/** Worker side: marks that the model has read the prompt of this task. */
export function markRead(words: Int32Array, ticket: CancelTicket): void {
  const word = ticket.slot * CANCEL_SLOT_WORDS + READ;
  Atomics.store(words, word, ticket.generation);
  Atomics.notify(words, word);
}

/** Coordinator side: calls `onRead` once, when the prompt has been read. Returns a function that unsubscribes; call it when the task settles. */
export function watchRead(words: Int32Array, ticket: CancelTicket, onRead: () => void): () => void {
  return watchWord(words, ticket.slot * CANCEL_SLOT_WORDS + READ, ticket, onRead);
}

/** Coordinator side: clears the choice and phase of a slot's last task before the slot is given out. */
export function clearMarks(words: Int32Array, slot: number): void {
  Atomics.store(words, slot * CANCEL_SLOT_WORDS + CHOICE, 0);
  Atomics.store(words, slot * CANCEL_SLOT_WORDS + PHASE, 0);
}

/** Worker side: marks that the call of this task has entered a phase. */
export function markPhase(words: Int32Array, ticket: CancelTicket, phase: CallPhase): void {
  Atomics.store(words, ticket.slot * CANCEL_SLOT_WORDS + PHASE, CALL_PHASES.indexOf(phase));
}

/** Coordinator side: returns the phase of this task's call. Valid only while the slot belongs to the task. */
export function phaseOf(words: Int32Array, ticket: CancelTicket): CallPhase {
  return CALL_PHASES[Atomics.load(words, ticket.slot * CANCEL_SLOT_WORDS + PHASE)] ?? 'connect';
}

/** Worker side: marks the current choice, as the place of its action from 0; undefined if it was withdrawn. */
export function markChoice(words: Int32Array, ticket: CancelTicket, place: number | undefined): void {
  const word = ticket.slot * CANCEL_SLOT_WORDS + CHOICE;
  Atomics.store(words, word, place === undefined ? 0 : place + 1);
  Atomics.notify(words, word);
}

/** Coordinator side: calls `onChoice` when the current choice has changed. Returns a function that unsubscribes; call it when the task settles. */
export function watchChoice(
  words: Int32Array,
  ticket: CancelTicket,
  onChoice: (place: number | undefined) => void,
): () => void {
  const word = ticket.slot * CANCEL_SLOT_WORDS + CHOICE;
  let watching = true;
  let told = 0;
  const watch = (): void => {
    while (watching) {
      const value = Atomics.load(words, word);
      if (value !== told) {
        told = value;
        onChoice(value === 0 ? undefined : value - 1);
        continue;
      }
      const wait = Atomics.waitAsync(words as Int32Array<SharedArrayBuffer>, word, value);
      // Not async: the word changed between the load and the wait, so it is read again. It changes at most once per network read.
      if (wait.async) return void wait.value.then(watch);
    }
  };
  watch();
  return () => {
    watching = false;
    Atomics.notify(words, word);
  };
}
