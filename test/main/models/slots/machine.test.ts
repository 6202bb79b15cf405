import { describe, expect, test } from 'vitest';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { Machine } from '../../../../src/main/models/slots/machine.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const flush = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(first = 2, second = 4) {
  const clock = new FakeClock(1_000);
  const machine = new Machine();
  const gates = [first, second].map((slots) => new EndpointGate(clock, slots, 0, machine));
  const [a, b] = gates as [EndpointGate, EndpointGate];
  return { clock, a, b };
}

const never = new AbortController().signal;
const take = (gate: EndpointGate): Slot => gate.acquire(never) as Slot;

describe('endpoints of one machine', () => {
  test('share the slots of the one that has most, and each keeps to its own', async () => {
    const { a, b } = setUp();
    const slots = [take(a), take(a)];
    expect([a.slots, b.slots, a.busy, b.busy, a.idle, b.idle]).toEqual([4, 4, 2, 2, 0, 2]);
    take(b);
    take(b);
    let got: Slot | undefined;
    void Promise.resolve(b.acquire(never)).then((slot) => {
      got = slot;
    });
    await flush();
    expect([got, a.waiting, b.ownWaiting, a.ownWaiting, b.ahead(Number.POSITIVE_INFINITY)]).toEqual([
      undefined,
      1,
      1,
      0,
      1,
    ]);
    slots[0]?.release();
    await flush();
    expect(got).toBeDefined();
    expect([a.ownBusy, b.ownBusy, b.busy]).toEqual([1, 3, 4]);
  });

  test('a slot that becomes free goes to whoever is first in the order of all', async () => {
    const { a, b } = setUp(4, 4);
    const slots = [take(a), take(a), take(b), take(b)];
    const order: string[] = [];
    const wait = (gate: EndpointGate, name: string, rankMs: number): void =>
      void Promise.resolve(gate.acquire(never, { rankMs })).then(() => order.push(name));
    wait(a, 'third', 30);
    wait(b, 'first', 10);
    wait(a, 'second', 20);
    for (const slot of slots) {
      slot.release();
      await flush();
    }
    expect(order).toEqual(['first', 'second', 'third']);
  });

  test('are company to each other', () => {
    const { clock, a, b } = setUp(4, 4);
    const slot = take(a);
    clock.advance(100);
    const other = take(b);
    expect(other.inFlight).toBe(2);
    clock.advance(100);
    expect([slot.meanCompany(), other.meanCompany()]).toEqual([1.5, 2]);
  });

  test('a waiter of a full machine sets no timer', async () => {
    const { clock, a, b } = setUp(4, 4);
    for (const gate of [a, a, b, b]) take(gate);
    void a.acquire(never);
    await flush();
    expect(clock.pendingTimers).toBe(0);
  });
});
