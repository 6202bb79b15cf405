import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { CANCEL_SLOT_WORDS, createCancelBuffer, watchCancel } from '../../src/shared/cancel-board.ts';

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
