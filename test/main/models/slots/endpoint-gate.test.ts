import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Ask, Lane, Slot } from '../../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

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

  constructor(slots: number | (() => number), staggerMs = 0) {
    this.gate = new EndpointGate(this.clock, slots, staggerMs);
  }

  ask(name: string, signal: AbortSignal = NEVER, lane: Lane = 'foreground'): void {
    void Promise.resolve(this.gate.acquire(signal, { lane })).then((slot) => {
      this.order.push(slot === undefined ? `${name} gave up` : `${name} at ${this.clock.now()}`);
      if (slot !== undefined) this.#slots.set(name, slot);
    });
  }

  askInBackground(name: string, signal: AbortSignal = NEVER): void {
    this.ask(name, signal, 'background');
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

describe('background work', () => {
  test('gets a slot at once while nobody waits', () => {
    const { gate } = new Callers(1);
    expect(gate.acquire(NEVER, { lane: 'background' })).not.toBeInstanceOf(Promise);
    expect([gate.busy, gate.isIdle]).toEqual([1, false]);
  });

  test('is served when nobody else waits, however long it has waited', async () => {
    const callers = new Callers(1);
    callers.ask('a');
    callers.askInBackground('late 1');
    callers.askInBackground('late 2');
    for (const name of ['b', 'c']) callers.ask(name);
    await flush();
    for (const name of ['a', 'b', 'c', 'late 1']) await callers.release(name);
    expect(callers.order.map((each) => each.replace(' at 1000', ''))).toEqual(['a', 'b', 'c', 'late 1', 'late 2']);
  });

  test('does not stand in the way of one who finds a slot free', () => {
    const { gate, clock } = new Callers(3, 400);
    gate.acquire(NEVER);
    clock.advance(400);
    gate.acquire(NEVER, { lane: 'background' });
    expect(gate.acquire(NEVER, { lane: 'background' })).toBeInstanceOf(Promise);
    expect(gate.acquire(NEVER)).not.toBeInstanceOf(Promise);
  });

  test('that gives up leaves the queue and its timer', async () => {
    const callers = new Callers(8, 400);
    const controller = new AbortController();
    callers.ask('a');
    callers.askInBackground('late', controller.signal);
    await flush();
    expect([callers.gate.isIdle, callers.clock.pendingTimers]).toEqual([false, 1]);
    controller.abort();
    await flush();
    expect([callers.gate.isIdle, callers.clock.pendingTimers]).toEqual([true, 0]);
    expect(callers.order).toEqual(['a at 1000', 'late gave up']);
  });

  test('is served when the last one before it gives up', async () => {
    const callers = new Callers(8, 400);
    const controller = new AbortController();
    callers.ask('a');
    callers.ask('b', controller.signal);
    callers.askInBackground('late');
    await flush();
    controller.abort();
    await advance(callers.clock, 400);
    expect(callers.order).toEqual(['a at 1000', 'b gave up', 'late at 1400']);
    expect(callers.clock.pendingTimers).toBe(0);
  });

  test('that asks with a signal that is aborted gets nothing', () => {
    const { gate } = new Callers(1);
    expect(gate.acquire(AbortSignal.abort(), { lane: 'background' })).toBeUndefined();
    expect(gate.isIdle).toBe(true);
  });
});

describe('a pause between starts and the background', () => {
  test('background work waits for the pause after every start', async () => {
    const callers = new Callers(8, 400);
    callers.ask('a');
    for (const name of ['late 1', 'late 2']) callers.askInBackground(name);
    await flush();
    await advance(callers.clock, 1_000);
    expect(callers.order).toEqual(['a at 1000', 'late 1 at 1400', 'late 2 at 1800']);
  });

  test('nobody else waits for the pause after background work', async () => {
    const callers = new Callers(8, 400);
    callers.askInBackground('late');
    await settle();
    await advance(callers.clock, 1);
    callers.ask('a');
    await flush();
    expect(callers.order).toEqual(['late at 1000', 'a at 1001']);
  });

  // Schedule: the event loop is held up past the end of the pause, and background work asks before the gate's own timer.
  test.each(['foreground', 'background'] as const)(
    'passes nobody who waits in the %s when the timer is late',
    async (lane) => {
      const callers = new Callers(8, 400);
      callers.clock.setTimer(400, () => callers.askInBackground('late'));
      callers.ask('a');
      callers.ask('b', NEVER, lane);
      callers.clock.stall(500);
      await flush();
      callers.clock.advance(400);
      await flush();
      expect(callers.order.map((each) => each.split(' ')[0])).toEqual(['a', 'b', 'late']);
    },
  );

  // Schedule: a starts; 400 ms later background work does, and more of it background work waits for the end of its pause; b comes and goes first.
  test('who comes while background work waits for the pause starts when its own is over', async () => {
    const callers = new Callers(8, 400);
    callers.ask('a');
    await flush();
    await advance(callers.clock, 400);
    callers.askInBackground('late 1');
    await settle();
    await advance(callers.clock, 100);
    callers.askInBackground('late 2');
    callers.ask('b');
    callers.ask('c');
    await settle();
    await advance(callers.clock, 1_000);
    expect(callers.order).toEqual(['a at 1000', 'late 1 at 1400', 'b at 1500', 'c at 1900', 'late 2 at 2300']);
    expect(callers.clock.pendingTimers).toBe(0);
  });
});

describe('isIdle', () => {
  test('says that there is a slot which nobody waits for', () => {
    const { gate } = new Callers(2);
    expect(gate.isIdle).toBe(true);
    const first = gate.acquire(NEVER) as Slot;
    expect(gate.isIdle).toBe(true);
    gate.acquire(NEVER);
    expect(gate.isIdle).toBe(false);
    first.release();
    expect(gate.isIdle).toBe(true);
  });

  test.each(['foreground', 'background'] as const)('is false while somebody in the %s waits for the pause', (lane) => {
    const { gate, clock } = new Callers(8, 400);
    gate.acquire(NEVER);
    void gate.acquire(NEVER, { lane });
    expect(gate.isIdle).toBe(false);
    clock.advance(400);
    expect(gate.isIdle).toBe(true);
  });
});

describe('pressure', () => {
  function pressed(slots: number, staggerMs = 0): { callers: Callers; count: () => number } {
    const callers = new Callers(slots, staggerMs);
    let presses = 0;
    callers.gate.onPressure = () => {
      presses++;
      return false;
    };
    return { callers, count: () => presses };
  }

  test('is told for those who wait behind background work, in a turn of the loop of its own', async () => {
    const { callers, count } = pressed(2);
    callers.askInBackground('late');
    callers.ask('a');
    await flush();
    expect(count()).toBe(0);
    callers.ask('b');
    expect(count()).toBe(0);
    await flush();
    expect(count()).toBe(1);
    callers.ask('c');
    await flush();
    // Both who wait are looked at.
    expect(count()).toBe(3);
    callers.gate.close();
  });

  test('is told for the first sixteen, a few in each turn', async () => {
    const { callers, count } = pressed(1);
    callers.askInBackground('late');
    for (let nth = 0; nth < 40; nth++) callers.ask(`${nth}`);
    for (let turn = 0; turn < 5; turn++) await flush();
    expect(count()).toBe(16);
    callers.gate.close();
  });

  test('is told again while somebody waits behind background work: it may take longer than was thought', async () => {
    const { callers, count } = pressed(1);
    callers.askInBackground('late');
    callers.ask('a');
    await flush();
    expect(count()).toBe(1);
    await advance(callers.clock, 101);
    expect(count()).toBe(2);
    callers.gate.close();
    expect(callers.clock.pendingTimers).toBe(0);
  });

  test('is not told where no background work is in the way, nor for background work', async () => {
    const { callers, count } = pressed(1);
    callers.ask('a');
    callers.ask('b');
    callers.askInBackground('late');
    callers.ask('c', AbortSignal.abort());
    await flush();
    expect(count()).toBe(0);
  });

  test('that frees a slot on the spot lets in who told it', async () => {
    const callers = new Callers(1);
    const late = callers.gate.acquire(NEVER, { lane: 'background' }) as Slot;
    callers.gate.onPressure = () => {
      late.release();
      return true;
    };
    callers.ask('a');
    await flush();
    expect(callers.order).toEqual(['a at 1000']);
    expect([callers.gate.busy, callers.gate.waiting]).toEqual([1, 0]);
  });
});

/** Callers of a gate with one slot, which is taken: who asks waits. The order in which the others are served. */
async function servedOf(asks: Readonly<Record<string, Ask>>): Promise<string[]> {
  const gate = new EndpointGate(new FakeClock(), 1, 0);
  const first = gate.acquire(NEVER) as Slot;
  const served: string[] = [];
  for (const [name, ask] of Object.entries(asks)) {
    void (gate.acquire(NEVER, ask) as Promise<Slot>).then((slot) => {
      served.push(name);
      slot.release();
    });
  }
  first.release();
  await flush();
  expect(gate.busy).toBe(0);
  return served;
}

describe('those who wait are served', () => {
  test('by rank, and those without one last', async () => {
    const served = await servedOf({ none: {}, late: { rankMs: 900 }, soon: { rankMs: 300 }, now: { rankMs: -5 } });
    expect(served).toEqual(['now', 'soon', 'late', 'none']);
  });

  test('in the order in which they came where ranks are equal', async () => {
    const ask = { rankMs: 500 };
    expect(await servedOf({ a: ask, b: ask, c: { rankMs: 501 }, d: ask })).toEqual(['a', 'b', 'd', 'c']);
  });

  test('before all background work, whatever the ranks', async () => {
    const served = await servedOf({ late: { lane: 'background', rankMs: 0 }, low: { rankMs: 9_000 }, none: {} });
    expect(served).toEqual(['low', 'none', 'late']);
  });

  test('in this order, whoever comes', async () => {
    const rank = fc.constantFrom(-1, 1, 2, 3, Number.POSITIVE_INFINITY);
    await fc.assert(
      fc.asyncProperty(fc.array(rank, { maxLength: 20 }), async (ranks) => {
        const served = await servedOf(Object.fromEntries(ranks.map((rankMs, i) => [`caller ${i}`, { rankMs }])));
        const ranked = [...ranks.entries()].sort(([i, a], [j, b]) => (a === b ? i - j : a - b));
        expect(served).toEqual(ranked.map(([i]) => `caller ${i}`));
      }),
    );
  });

  test('by rank also when the first comes while others wait for the pause', async () => {
    const { gate, clock } = new Callers(8, 400);
    gate.acquire(NEVER);
    const order: string[] = [];
    void Promise.resolve(gate.acquire(NEVER, { rankMs: 900 })).then(() => order.push('a'));
    void Promise.resolve(gate.acquire(NEVER, { rankMs: 800 })).then(() => order.push('b'));
    await advance(clock, 800);
    expect(order).toEqual(['b', 'a']);
  });
});

test('ahead() is how many are served before one of a rank: those of its own too', () => {
  const { gate } = new Callers(1);
  expect(gate.ahead(0)).toBe(0);
  gate.acquire(NEVER);
  expect(gate.ahead(0)).toBe(0);
  for (const rankMs of [100, 200, 200, 300]) gate.acquire(NEVER, { rankMs });
  gate.acquire(NEVER);
  gate.acquire(NEVER, { lane: 'background', rankMs: 0 });
  const ranks = [99, 100, 199, 200, 300, Number.POSITIVE_INFINITY];
  expect(ranks.map((rankMs) => gate.ahead(rankMs))).toEqual([0, 1, 1, 3, 4, 5]);
});

describe('slots', () => {
  test('are as many as are told to be at work, however they come and go', () => {
    const step = fc.oneof(
      fc.constant({ isAsked: true }),
      fc.record({ release: fc.nat(6), holdMs: fc.nat(3) }),
      fc.record({ limit: fc.integer({ min: 1, max: 6 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new FakeClock();
        let limit = 3;
        const gate = new EndpointGate(clock, () => limit, 0);
        const taken: Slot[] = [];
        for (const each of steps) {
          if ('limit' in each) limit = each.limit;
          else if ('release' in each) {
            taken.splice(each.release, 1)[0]?.release(each.holdMs);
            clock.advance(3);
          } else if (gate.idle > 0) {
            taken.push(gate.acquire(NEVER) as Slot);
            expect(taken.at(-1)?.inFlight).toBe(taken.length);
          }
          expect(gate.busy).toBe(taken.length);
        }
      }),
    );
  });
});

describe('a slot that is held after an abort', () => {
  test('is busy to the millisecond, and then goes to who waits', async () => {
    const callers = new Callers(1);
    const slot = callers.gate.acquire(NEVER) as Slot;
    callers.ask('a');
    slot.release(250);
    expect([callers.gate.busy, callers.gate.held, callers.gate.isIdle]).toEqual([1, 1, false]);
    callers.clock.advance(249);
    await flush();
    expect(callers.order).toEqual([]);
    callers.clock.advance(1);
    await flush();
    expect(callers.order).toEqual(['a at 1250']);
    expect([callers.gate.busy, callers.gate.held, callers.clock.pendingTimers]).toEqual([1, 0, 0]);
  });

  test('counts among those at work', () => {
    const { gate, clock } = new Callers(3);
    (gate.acquire(NEVER) as Slot).release(100);
    expect((gate.acquire(NEVER) as Slot).inFlight).toBe(2);
    clock.advance(100);
    expect((gate.acquire(NEVER) as Slot).inFlight).toBe(2);
  });

  test('is held once, and what is told later changes nothing', () => {
    const { gate, clock } = new Callers(1);
    const slot = gate.acquire(NEVER) as Slot;
    slot.release(100);
    slot.release();
    slot.release(900);
    expect([gate.held, clock.pendingTimers]).toEqual([1, 1]);
    clock.advance(100);
    expect([gate.busy, gate.held, clock.pendingTimers]).toEqual([0, 0, 0]);
  });

  test.each([0, -1, Number.NaN])('for no time is free at once: %d', (holdMs) => {
    const { gate, clock } = new Callers(1);
    (gate.acquire(NEVER) as Slot).release(holdMs);
    expect([gate.busy, clock.pendingTimers]).toEqual([0, 0]);
  });

  // A planner closes its gates before the calls that it cancelled have ended.
  test('leaves no timer and no slot when the gate is closed, before or after', () => {
    const { gate, clock } = new Callers(2);
    const slots = [gate.acquire(NEVER), gate.acquire(NEVER)] as Slot[];
    slots[0]?.release(5_000);
    gate.close();
    // Found by the simulation, seed 1: what was held stayed taken for ever.
    expect([gate.busy, gate.held, clock.pendingTimers]).toEqual([1, 0, 0]);
    slots[1]?.release(5_000);
    expect([gate.busy, gate.held, clock.pendingTimers]).toEqual([0, 0, 0]);
  });
});

test('a closed gate sets no timer for those who still wait', () => {
  const { gate, clock } = new Callers(2, 400);
  const slot = gate.acquire(NEVER) as Slot;
  void gate.acquire(NEVER);
  gate.close();
  slot.release();
  void gate.acquire(NEVER);
  expect(clock.pendingTimers).toBe(0);
});

describe('slots that come and go while calls run', () => {
  function changing(limit: number): { callers: Callers; set: (slots: number) => void } {
    let now = limit;
    return {
      callers: new Callers(() => now),
      set: (slots) => {
        now = slots;
      },
    };
  }
  const names = (callers: Callers): string[] => callers.order.map((each) => each.replace(' at 1000', ''));

  test('fewer: nobody is let in until enough have ended', async () => {
    const { callers, set } = changing(3);
    for (const name of ['a', 'b', 'c', 'd']) callers.ask(name);
    await flush();
    set(1);
    expect([callers.gate.slots, callers.gate.busy, callers.gate.idle]).toEqual([1, 3, 0]);
    for (const name of ['a', 'b']) await callers.release(name);
    expect(names(callers)).toEqual(['a', 'b', 'c']);
    await callers.release('c');
    expect(names(callers)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('more: those who wait are let in when the gate is woken', async () => {
    const { callers, set } = changing(1);
    for (const name of ['a', 'b', 'c', 'd']) callers.ask(name);
    set(3);
    callers.gate.wake();
    await flush();
    expect(names(callers)).toEqual(['a', 'b', 'c']);
    expect([callers.gate.busy, callers.gate.waiting]).toEqual([3, 1]);
  });

  test('more: those who wait are let in by the next one who asks, and before it', async () => {
    const { callers, set } = changing(1);
    for (const name of ['a', 'b']) callers.ask(name);
    set(2);
    callers.ask('c');
    await flush();
    expect(names(callers)).toEqual(['a', 'b']);
    expect(callers.gate.waiting).toBe(1);
  });

  test('more: those who wait in the background too', async () => {
    const { callers, set } = changing(1);
    callers.ask('a');
    callers.askInBackground('late');
    set(2);
    callers.gate.wake();
    await flush();
    expect(names(callers)).toEqual(['a', 'late']);
  });
});

describe('idle', () => {
  test('is how many slots are free that nobody waits for', () => {
    let slots = 3;
    const gate = new EndpointGate(new FakeClock(), () => slots, 0);
    expect(gate.idle).toBe(3);
    const first = gate.acquire(NEVER) as Slot;
    gate.acquire(NEVER);
    expect(gate.idle).toBe(1);
    first.release(100);
    expect(gate.idle).toBe(1);
    slots = 1;
    expect([gate.idle, gate.isIdle]).toEqual([0, false]);
    void gate.acquire(NEVER);
    slots = 5;
    expect([gate.idle, gate.isIdle]).toEqual([2, false]);
    gate.wake();
    expect([gate.idle, gate.isIdle]).toEqual([2, true]);
  });

  test('is told when a slot becomes free, and not when it goes to the next', async () => {
    const { callers, count } = idling(1);
    callers.ask('a');
    callers.ask('b');
    await flush();
    await callers.release('a');
    expect(count()).toBe(0);
    await callers.release('b');
    expect(count()).toBe(1);
  });

  test('is told when a hold ends, not when it begins', () => {
    const { callers, count } = idling(1);
    (callers.gate.acquire(NEVER) as Slot).release(100);
    expect(count()).toBe(0);
    callers.clock.advance(100);
    expect(count()).toBe(1);
  });

  test('is told when the last one who waited for the pause was let in, or gave up', async () => {
    const { callers, count } = idling(8, 400);
    const controller = new AbortController();
    callers.ask('a');
    callers.ask('b');
    callers.ask('c', controller.signal);
    await advance(callers.clock, 400);
    expect([callers.order.length, count()]).toEqual([2, 0]);
    controller.abort();
    expect(count()).toBe(1);
    callers.ask('d');
    await advance(callers.clock, 400);
    expect([callers.order.length, count()]).toEqual([4, 2]);
  });

  test('is told when there are more slots than before', () => {
    let slots = 1;
    const gate = new EndpointGate(new FakeClock(), () => slots, 0);
    let told = 0;
    gate.onIdle = () => {
      told++;
    };
    gate.acquire(NEVER);
    gate.wake();
    expect(told).toBe(0);
    slots = 2;
    gate.wake();
    expect(told).toBe(1);
  });

  test('who is told may take the slot on the spot', () => {
    const { callers } = idling(1);
    const { gate } = callers;
    let taken: unknown;
    gate.onIdle = () => {
      taken = gate.acquire(NEVER, { lane: 'background' });
    };
    (gate.acquire(NEVER) as Slot).release();
    expect(taken).toMatchObject({ inFlight: 1 });
    expect(gate.busy).toBe(1);
  });

  function idling(slots: number, staggerMs = 0): { callers: Callers; count: () => number } {
    const callers = new Callers(slots, staggerMs);
    let told = 0;
    callers.gate.onIdle = () => {
      told++;
    };
    return { callers, count: () => told };
  }
});

/** One who asks for a slot, how long after the one before, and when it gives the slot back or gives up. */
const visit = fc.record({
  lane: fc.constantFrom<Lane>('foreground', 'background'),
  afterMs: fc.nat(12),
  holdsMs: fc.nat(30),
  givesUpMs: fc.option(fc.nat(25), { nil: undefined }),
});
type Visit = typeof visit extends fc.Arbitrary<infer T> ? T : never;

/**
 * When each of the foreground got its slot. Background work makes room as soon as it is told, or stays away. Who gives up
 * does so between two milliseconds: at the very moment of a grant, the order of timers would decide who was first.
 */
async function startsOf(visits: readonly Visit[], slots: number, staggerMs: number, isBackgroundAway: boolean) {
  const clock = new FakeClock();
  const gate = new EndpointGate(clock, slots, staggerMs);
  const started = new Map<number, number | undefined>();
  const late = new Set<Slot>();
  gate.onPressure = () => {
    const isMade = late.size > 0;
    for (const slot of late) slot.release();
    late.clear();
    return isMade;
  };
  for (const [index, { lane, afterMs, holdsMs, givesUpMs }] of visits.entries()) {
    await advance(clock, afterMs);
    if (lane === 'background' && isBackgroundAway) continue;
    const controller = new AbortController();
    if (givesUpMs !== undefined) clock.setTimer(givesUpMs + 0.5, () => controller.abort());
    void Promise.resolve(gate.acquire(controller.signal, { lane })).then((slot) => {
      if (lane === 'foreground') started.set(index, slot && clock.now());
      else if (slot !== undefined) late.add(slot);
      if (slot !== undefined) clock.setTimer(holdsMs, () => slot.release());
    });
    await flush();
  }
  await advance(clock, 600);
  expect([gate.busy, gate.waiting, gate.isIdle, clock.pendingTimers]).toEqual([0, 0, true, 0]);
  return started;
}

test('no one in the foreground is later for the background, whatever happens in whatever order', async () => {
  const visits = fc.array(visit, { maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(visits, fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 7), async (all, slots, staggerMs) => {
      const beside = await startsOf(all, slots, staggerMs, false);
      expect(beside).toEqual(await startsOf(all, slots, staggerMs, true));
    }),
    { numRuns: 100 },
  );
});

describe('calls with a deadline', () => {
  const HURRIED: Ask = { rankMs: 5, need: { model: 'm', kind: 'text', deadlineMs: 9_000 } };

  function narrow(slots: number, width: number): EndpointGate {
    const { gate } = new Callers(slots);
    gate.widthMax = () => width;
    return gate;
  }

  test('are let in up to the width, others up to the slots', async () => {
    const gate = narrow(4, 1);
    const first = gate.acquire(NEVER, HURRIED) as Slot;
    expect(first).not.toBeInstanceOf(Promise);
    const second = gate.acquire(NEVER, HURRIED);
    expect(second).toBeInstanceOf(Promise);
    expect([gate.width, gate.free, gate.idle, gate.waiting]).toEqual([1, 0, 0, 1]);
    const chat = gate.acquire(NEVER, { rankMs: 1 });
    expect(await chat).toBeDefined();
    expect(gate.busy).toBe(2);
    first.release();
    expect(await second).toBeDefined();
  });

  test('and that read have a width of their own', async () => {
    const gate = narrow(4, 4);
    gate.widthMax = (kind) => (kind === 'read' ? 2 : 1);
    const read: Ask = { rankMs: 6, need: { model: 'm', kind: 'read', deadlineMs: 9_000 } };
    expect(gate.acquire(NEVER, HURRIED)).not.toBeInstanceOf(Promise);
    const first = gate.acquire(NEVER, read) as Slot;
    expect(first).not.toBeInstanceOf(Promise);
    expect(gate.acquire(NEVER, read)).not.toBeInstanceOf(Promise);
    const third = gate.acquire(NEVER, read);
    expect(third).toBeInstanceOf(Promise);
    first.release();
    expect(await third).toBeDefined();
    expect([gate.busy, gate.waiting]).toEqual([3, 0]);
  });

  test('hold up nobody behind them who has none', async () => {
    const gate = narrow(2, 1);
    const first = gate.acquire(NEVER, HURRIED) as Slot;
    const chat = gate.acquire(NEVER) as Slot;
    void gate.acquire(NEVER, HURRIED);
    const next = gate.acquire(NEVER);
    chat.release();
    expect(await next).toBeDefined();
    expect([gate.busy, gate.waiting]).toEqual([2, 1]);
    first.release();
    await flush();
    expect([gate.busy, gate.waiting]).toEqual([2, 0]);
  });

  test('keep their place of the width while their slot is held', async () => {
    const gate = narrow(2, 1);
    (gate.acquire(NEVER, HURRIED) as Slot).release(500);
    expect([gate.held, gate.free, gate.heldLeftMs]).toEqual([1, 0, [500]]);
    const next = gate.acquire(NEVER, HURRIED);
    gate.endHolds();
    expect(await next).toBeDefined();
    expect([gate.held, gate.busy]).toEqual([0, 1]);
  });

  test('of a width below one are let in one at a time', () => {
    expect(narrow(4, 0).width).toBe(1);
    expect(narrow(4, Number.POSITIVE_INFINITY).width).toBe(4);
  });
});

test('a hold goes on while the server is known to work, for ten seconds at most', () => {
  const { gate, clock } = new Callers(1);
  let isBusy = true;
  gate.isHeldOn = () => isBusy;
  (gate.acquire(NEVER) as Slot).release(500);
  clock.advance(900);
  expect(gate.held).toBe(1);
  isBusy = false;
  clock.advance(100);
  expect(gate.held).toBe(0);
  isBusy = true;
  (gate.acquire(NEVER) as Slot).release(500);
  clock.advance(9_000);
  expect(gate.held).toBe(1);
  clock.advance(1_200);
  expect(gate.held).toBe(0);
});
