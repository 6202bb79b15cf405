import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EndpointGate, type Slot } from '../../../src/main/endpoints/endpoint-gate.ts';
import { flush } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NEVER = new AbortController().signal;

/** Lets those who were let in see it, at the time at which it happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await Promise.resolve();
}

/** A millisecond at a time, so that each caller sees the time at which it was let in. */
async function advance(clock: FakeClock, ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    clock.advance(1);
    await settle();
  }
}

/** Callers of one gate, and what they got, in the order in which they got it. */
class Callers {
  readonly clock = new FakeClock(1_000);
  readonly gate: EndpointGate;
  readonly order: string[] = [];
  readonly #slots = new Map<string, Slot>();

  constructor(slots: number, staggerMs = 0) {
    this.gate = new EndpointGate(this.clock, slots, staggerMs);
  }

  ask(name: string, signal: AbortSignal = NEVER): void {
    void Promise.resolve(this.gate.acquire(signal)).then((slot) => {
      this.order.push(slot === undefined ? `${name} gave up` : `${name} at ${this.clock.now()}`);
      if (slot !== undefined) this.#slots.set(name, slot);
    });
  }

  async release(name: string): Promise<void> {
    this.#slots.get(name)?.release();
    await flush();
  }
}

describe('the slots', () => {
  test('are given at once while there are any, without a promise', () => {
    const { gate } = new Callers(2);
    const first = gate.acquire(NEVER);
    expect(first).not.toBeInstanceOf(Promise);
    gate.acquire(NEVER);
    expect([gate.busy, gate.waiting]).toEqual([2, 0]);
    expect(gate.acquire(NEVER)).toBeInstanceOf(Promise);
    expect([gate.busy, gate.waiting]).toEqual([2, 1]);
  });

  test('go to those who wait in the order in which they came', async () => {
    const callers = new Callers(1);
    for (const name of ['a', 'b', 'c', 'd']) callers.ask(name);
    await flush();
    for (const name of ['a', 'b', 'c']) await callers.release(name);
    expect(callers.order).toEqual(['a at 1000', 'b at 1000', 'c at 1000', 'd at 1000']);
  });

  test('are never taken past those who wait', async () => {
    const callers = new Callers(1);
    callers.ask('a');
    callers.ask('b');
    await flush();
    const released = callers.release('a');
    callers.ask('c');
    await released;
    expect(callers.order).toEqual(['a at 1000', 'b at 1000']);
    expect([callers.gate.busy, callers.gate.waiting]).toEqual([1, 1]);
  });

  // Schedule: the event loop is held up past the end of the pause, and the next caller runs before the gate's own timer.
  test('are not taken past those who wait by one who comes when the pause is over but its timer is late', async () => {
    const callers = new Callers(8, 400);
    callers.clock.setTimer(400, () => callers.ask('c'));
    callers.ask('a');
    callers.ask('b');
    callers.clock.stall(500);
    await flush();
    callers.clock.advance(400);
    await flush();
    expect(callers.order.map((each) => each[0])).toEqual(['a', 'b', 'c']);
  });

  test('that are given back twice count once', async () => {
    const callers = new Callers(1);
    callers.ask('a');
    await flush();
    await callers.release('a');
    await callers.release('a');
    expect(callers.gate.busy).toBe(0);
    for (const name of ['b', 'c']) callers.ask(name);
    await flush();
    expect([callers.gate.busy, callers.gate.waiting]).toEqual([1, 1]);
    await callers.release('a');
    expect([callers.gate.busy, callers.gate.waiting]).toEqual([1, 1]);
  });

  test('are never more than there are, whatever happens in whatever order', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('ask' as const) }),
      fc.record({ kind: fc.constant('release' as const), nth: fc.nat(20) }),
      fc.record({ kind: fc.constant('abort' as const), nth: fc.nat(20) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(30) }),
    );
    const steps = fc.array(step, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 10), steps, async (slots, staggerMs, all) => {
        const clock = new FakeClock();
        const gate = new EndpointGate(clock, slots, staggerMs);
        const controllers: AbortController[] = [];
        const held: Slot[] = [];
        const starts: number[] = [];
        let settled = 0;
        for (const each of all) {
          if (each.kind === 'ask') {
            const controller = new AbortController();
            controllers.push(controller);
            void Promise.resolve(gate.acquire(controller.signal)).then((slot) => {
              settled++;
              if (slot === undefined) return;
              held.push(slot);
              starts.push(clock.now());
            });
          } else if (each.kind === 'release') held[each.nth % Math.max(1, held.length)]?.release();
          else if (each.kind === 'abort') controllers[each.nth % Math.max(1, controllers.length)]?.abort();
          else await advance(clock, each.ms);
          await settle();
          expect(gate.busy).toBeGreaterThanOrEqual(0);
          expect(gate.busy).toBeLessThanOrEqual(slots);
        }
        // Everyone who asked is served in the end, when slots are given back, and nothing is left.
        for (let turn = 0; turn < 100 && settled < controllers.length; turn++) {
          for (const slot of held) slot.release();
          await settle();
          await advance(clock, 10);
        }
        for (const slot of held) slot.release();
        expect([settled, gate.busy, gate.waiting]).toEqual([controllers.length, 0, 0]);
        for (const [i, at] of starts.entries()) {
          if (i > 0) expect(at - (starts[i - 1] as number)).toBeGreaterThanOrEqual(staggerMs);
        }
        expect(clock.pendingTimers).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a caller who gives up', () => {
  test('before asking gets nothing and takes no slot', () => {
    const { gate } = new Callers(1);
    expect(gate.acquire(AbortSignal.abort())).toBeUndefined();
    expect([gate.busy, gate.waiting]).toEqual([0, 0]);
  });

  test('while waiting leaves the queue at once, and the next one moves up', async () => {
    const callers = new Callers(1);
    const controller = new AbortController();
    callers.ask('a');
    callers.ask('b', controller.signal);
    callers.ask('c');
    await flush();
    controller.abort();
    await flush();
    expect(callers.gate.waiting).toBe(1);
    await callers.release('a');
    expect(callers.order).toEqual(['a at 1000', 'b gave up', 'c at 1000']);
  });

  test('after getting a slot keeps it until it is given back', async () => {
    const callers = new Callers(1);
    const controller = new AbortController();
    callers.ask('a', controller.signal);
    await flush();
    controller.abort();
    expect(callers.gate.busy).toBe(1);
    await callers.release('a');
    expect(callers.gate.busy).toBe(0);
  });
});

describe('a pause between starts', () => {
  test('lets one start at a time, to the millisecond', async () => {
    const callers = new Callers(8, 400);
    for (const name of ['a', 'b', 'c']) callers.ask(name);
    await flush();
    expect(callers.order).toEqual(['a at 1000']);
    callers.clock.advance(399);
    await flush();
    expect(callers.order).toEqual(['a at 1000']);
    callers.clock.advance(1);
    await flush();
    expect(callers.order).toEqual(['a at 1000', 'b at 1400']);
    callers.clock.advance(400);
    await flush();
    expect(callers.order).toEqual(['a at 1000', 'b at 1400', 'c at 1800']);
  });

  test('is over when nobody asked for as long', async () => {
    const callers = new Callers(8, 400);
    callers.ask('a');
    callers.clock.advance(400);
    callers.ask('b');
    await flush();
    expect(callers.order).toHaveLength(2);
  });

  test('also holds a caller who finds nobody waiting and a slot free', async () => {
    const callers = new Callers(8, 400);
    callers.ask('a');
    callers.clock.advance(399);
    callers.ask('b');
    await flush();
    expect(callers.order).toHaveLength(1);
    callers.clock.advance(1);
    await flush();
    expect(callers.order[1]).toBe('b at 1400');
  });

  test('does not give a slot that is not free when it ends', async () => {
    const callers = new Callers(1, 400);
    for (const name of ['a', 'b']) callers.ask(name);
    await flush();
    await advance(callers.clock, 1_000);
    expect(callers.order).toEqual(['a at 1000']);
    await callers.release('a');
    expect(callers.order).toEqual(['a at 1000', 'b at 2000']);
  });

  test('leaves no timer when the last caller who waited has given up', async () => {
    const callers = new Callers(8, 400);
    const controller = new AbortController();
    callers.ask('a');
    callers.ask('b', controller.signal);
    await flush();
    expect(callers.clock.pendingTimers).toBe(1);
    controller.abort();
    expect(callers.clock.pendingTimers).toBe(0);
  });

  test('leaves no timer when the gate is closed', () => {
    const callers = new Callers(8, 400);
    for (const name of ['a', 'b']) callers.ask(name);
    callers.gate.close();
    expect(callers.clock.pendingTimers).toBe(0);
  });
});
