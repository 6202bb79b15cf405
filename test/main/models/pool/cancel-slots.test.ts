import { describe, expect, test } from 'vitest';
import { CancelSlots } from '../../../../src/main/models/pool/cancel-slots.ts';
import { markChoice, watchCancel } from '../../../../src/shared/cancel-board.ts';
import type { CancelTicket } from '../../../../src/shared/tasks.ts';

function acquire(slots: CancelSlots): CancelTicket {
  const ticket = slots.acquire();
  if (ticket === undefined) throw new Error('no slot is free');
  return ticket;
}

/** Whether a worker that begins the task now is told that nobody wants it. */
function isCancelled(slots: CancelSlots, ticket: CancelTicket): boolean {
  const controller = new AbortController();
  const unwatch = watchCancel(new Int32Array(slots.buffer), ticket, controller);
  unwatch();
  return controller.signal.aborted;
}

describe('the slots', () => {
  test('are given out up to their number, and again when they come back', () => {
    const slots = new CancelSlots(3);
    const tickets = [acquire(slots), acquire(slots), acquire(slots)];
    expect(new Set(tickets.map(({ slot }) => slot)).size).toBe(3);
    expect(slots.acquire()).toBeUndefined();
    slots.release(tickets[1] as CancelTicket);
    expect(acquire(slots).slot).toBe(tickets[1]?.slot);
    expect(slots.acquire()).toBeUndefined();
  });

  test('give every task in one slot a generation of its own, and none the initial value of the word', () => {
    const slots = new CancelSlots(1);
    const generations = new Set<number>();
    for (let i = 0; i < 100; i++) {
      const ticket = acquire(slots);
      generations.add(ticket.generation);
      expect(isCancelled(slots, ticket)).toBe(false);
      slots.release(ticket);
    }
    expect(generations.size).toBe(100);
    expect(generations).not.toContain(0);
  });
});

describe('a cancellation', () => {
  test('tells its own task only', () => {
    const slots = new CancelSlots(3);
    const [before, cancelled, after] = [acquire(slots), acquire(slots), acquire(slots)];
    slots.cancel(cancelled);
    expect([before, cancelled, after].map((ticket) => isCancelled(slots, ticket))).toEqual([false, true, false]);
  });

  test('reaches a worker that waits', async () => {
    const slots = new CancelSlots(1);
    const ticket = acquire(slots);
    const controller = new AbortController();
    const aborted = new Promise((resolve) => controller.signal.addEventListener('abort', resolve));
    const unwatch = watchCancel(new Int32Array(slots.buffer), ticket, controller);
    slots.cancel(ticket);
    await aborted;
    unwatch();
  });

  test('does not pass to the next task of its slot', () => {
    const slots = new CancelSlots(1);
    const first = acquire(slots);
    slots.cancel(first);
    slots.release(first);
    expect(isCancelled(slots, acquire(slots))).toBe(false);
  });

  // Schedule: a task settles and gives its slot to the next one; the next one is cancelled; then the signal of the first
  // one aborts too, late.
  test('that comes late does not take back that of the next task', () => {
    const slots = new CancelSlots(1);
    const first = acquire(slots);
    slots.release(first);
    const next = acquire(slots);
    slots.cancel(next);
    slots.cancel(first);
    expect(isCancelled(slots, next)).toBe(true);
  });
});

test('a choice does not pass to the next task of its slot', () => {
  const slots = new CancelSlots(1);
  const first = acquire(slots);
  markChoice(new Int32Array(slots.buffer), first, 2);
  slots.release(first);
  const told: (number | undefined)[] = [];
  slots.onChoice(acquire(slots), (place) => told.push(place))();
  expect(told).toEqual([]);
});
