import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import {
  CANCEL_SLOT_WORDS,
  clearMarks,
  createCancelBuffer,
  markChoice,
  watchCancel,
  watchChoice,
} from '../../src/shared/cancel-board.ts';

const SLOTS = 4;

/** The coordinator's side: cancels the task that has this generation of the slot. */
function cancel(words: Int32Array, slot: number, generation: number): void {
  Atomics.store(words, slot * CANCEL_SLOT_WORDS, generation);
  Atomics.notify(words, slot * CANCEL_SLOT_WORDS);
}

function board(): Int32Array {
  return new Int32Array(createCancelBuffer(SLOTS));
}

/** How many waiters a slot still has. Wakes them, so it is asked once, at the end. */
function waiters(words: Int32Array, slot: number): number {
  return Atomics.notify(words, slot * CANCEL_SLOT_WORDS);
}

/** Lets everything run that has been woken: each waiter settles in a task of its own. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('watchCancel', () => {
  test('aborts at once when the task was cancelled before it began', () => {
    const words = board();
    cancel(words, 1, 7);
    const controller = new AbortController();
    const unwatch = watchCancel(words, { slot: 1, generation: 7 }, controller);
    expect(controller.signal.aborted).toBe(true);
    unwatch();
    expect(waiters(words, 1)).toBe(0);
  });

  test('aborts when the task is cancelled while it runs', async () => {
    const words = board();
    const controller = new AbortController();
    const unwatch = watchCancel(words, { slot: 1, generation: 7 }, controller);
    expect(controller.signal.aborted).toBe(false);
    const aborted = once(controller.signal, 'abort');
    cancel(words, 1, 7);
    await aborted;
    unwatch();
    expect(waiters(words, 1)).toBe(0);
  });

  test('does not abort a task that was cancelled after it had settled', async () => {
    const words = board();
    const controller = new AbortController();
    watchCancel(words, { slot: 1, generation: 7 }, controller)();
    cancel(words, 1, 7);
    await settle();
    expect(controller.signal.aborted).toBe(false);
  });

  // Schedule: task 7 settles; the coordinator, which does not know yet, cancels it; task 8 takes the slot.
  test('a late cancel of an old task does not touch its successor', async () => {
    const words = board();
    watchCancel(words, { slot: 1, generation: 7 }, new AbortController())();
    cancel(words, 1, 7);
    const successor = new AbortController();
    const unwatch = watchCancel(words, { slot: 1, generation: 8 }, successor);
    Atomics.notify(words, CANCEL_SLOT_WORDS);
    await settle();
    expect(successor.signal.aborted).toBe(false);
    const aborted = once(successor.signal, 'abort');
    cancel(words, 1, 8);
    await aborted;
    unwatch();
  });

  // Schedule: the successor waits; the cancel of the old task changes the word under it and wakes it.
  test('a cancel of another generation wakes the waiter, which waits on', async () => {
    const words = board();
    const controller = new AbortController();
    const unwatch = watchCancel(words, { slot: 1, generation: 8 }, controller);
    cancel(words, 1, 7);
    await settle();
    expect(controller.signal.aborted).toBe(false);
    const aborted = once(controller.signal, 'abort');
    cancel(words, 1, 8);
    await aborted;
    unwatch();
    expect(waiters(words, 1)).toBe(0);
  });

  test('cancelling one slot does not touch its neighbours', async () => {
    const words = board();
    const controllers = Array.from({ length: SLOTS }, () => new AbortController());
    const unwatch = controllers.map((controller, slot) => watchCancel(words, { slot, generation: 1 }, controller));
    const aborted = once((controllers[2] as AbortController).signal, 'abort');
    cancel(words, 2, 1);
    await aborted;
    await settle();
    expect(controllers.map((controller) => controller.signal.aborted)).toEqual([false, false, true, false]);
    for (const done of unwatch) done();
  });

  test('leaves no waiter behind, however many tasks a slot has seen', async () => {
    const words = board();
    for (let generation = 1; generation <= 200; generation++) {
      watchCancel(words, { slot: 3, generation }, new AbortController())();
    }
    await settle();
    expect(waiters(words, 3)).toBe(0);
  });

  test('may be ended twice', () => {
    const words = board();
    const unwatch = watchCancel(words, { slot: 0, generation: 1 }, new AbortController());
    unwatch();
    unwatch();
    expect(waiters(words, 0)).toBe(0);
  });
});

test('a slot has a cache line to itself', () => {
  expect(createCancelBuffer(SLOTS).byteLength).toBe(SLOTS * 64);
});

describe('watchChoice', () => {
  const TICKET = { slot: 1, generation: 7 };

  test('tells each choice that stands, also one that is withdrawn, and nothing after the task has settled', async () => {
    const words = board();
    const told: (number | undefined)[] = [];
    const unwatch = watchChoice(words, TICKET, (place) => told.push(place));
    for (const place of [0, 11, undefined, 11]) {
      markChoice(words, TICKET, place);
      await settle();
    }
    unwatch();
    markChoice(words, TICKET, 3);
    await settle();
    expect(told).toEqual([0, 11, undefined, 11]);
    expect(Atomics.notify(words, CANCEL_SLOT_WORDS + 2)).toBe(0);
  });

  test('tells a choice that stood before it began to watch, and the same choice once', async () => {
    const words = board();
    markChoice(words, TICKET, 2);
    const told: (number | undefined)[] = [];
    const unwatch = watchChoice(words, TICKET, (place) => told.push(place));
    markChoice(words, TICKET, 2);
    await settle();
    unwatch();
    expect(told).toEqual([2]);
  });

  // Schedule: between two turns of the coordinator a choice comes, is withdrawn and comes again.
  test('tells the newest of several choices that came at once', async () => {
    const words = board();
    const told: (number | undefined)[] = [];
    const unwatch = watchChoice(words, TICKET, (place) => told.push(place));
    for (const place of [4, undefined, 5]) markChoice(words, TICKET, place);
    await settle();
    unwatch();
    expect(told).toEqual([5]);
  });

  test('hears nothing of the task that had the slot before, nor of a neighbour', async () => {
    const words = board();
    markChoice(words, TICKET, 2);
    clearMarks(words, TICKET.slot);
    const told: (number | undefined)[] = [];
    const unwatch = watchChoice(words, { slot: 1, generation: 8 }, (place) => told.push(place));
    markChoice(words, { slot: 2, generation: 1 }, 0);
    await settle();
    unwatch();
    expect(told).toEqual([]);
  });

  test('leaves the other words of the slot alone', async () => {
    const words = board();
    const controller = new AbortController();
    const unwatch = watchCancel(words, TICKET, controller);
    markChoice(words, TICKET, TICKET.generation - 1);
    await settle();
    expect(controller.signal.aborted).toBe(false);
    unwatch();
  });
});
