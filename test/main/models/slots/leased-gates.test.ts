import { describe, expect, test } from 'vitest';
import { AdaptiveLimit } from '../../../../src/main/models/slots/adaptive-limit.ts';
import type { Ask, Slot } from '../../../../src/main/models/slots/ask.ts';
import { cuttable } from '../../../../src/main/models/slots/cuttable.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { LeasedGates, type SharedEndpoint } from '../../../../src/main/models/slots/leased-gates.ts';
import { Machine } from '../../../../src/main/models/slots/machine.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const never = new AbortController().signal;
const flush = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const take = (gate: EndpointGate, ask: Ask = {}): Slot => gate.acquire(never, ask) as Slot;
const needing = (deadlineMs: number): Ask => ({ need: { model: 'm', kind: 'text', deadlineMs } });

function sharedOf(gate: EndpointGate, limit = new AdaptiveLimit(64, 4)): SharedEndpoint {
  return {
    gate,
    get learnedSlots() {
      return limit.learned;
    },
    adoptSlots: (slots) => limit.adopt(slots),
    restMs: 0,
    doubt: () => {},
  };
}

class Budget {
  held = 0;
  reach = 0;
  share = 1;
  othersBusy = 0;
  changes = 0;

  changed(): void {
    this.changes++;
  }
}

function setUp(gates = 1, limit?: AdaptiveLimit) {
  const clock = new FakeClock(1_000);
  const machine = gates > 1 ? new Machine() : undefined;
  const all = Array.from({ length: gates }, () => new EndpointGate(clock, () => limit?.now ?? 4, 0, machine));
  const endpoints = all.map((gate) => sharedOf(gate, limit)) as [SharedEndpoint, ...SharedEndpoint[]];
  const demand = new LeasedGates({ clock, endpoints, callMs: 500, lateMs: 100 });
  const budget = new Budget();
  demand.share(budget);
  return { clock, demand, budget, gate: all[0] as EndpointGate, gates: all };
}

describe('a gate with a shared budget', () => {
  test('starts as many calls as are held, tells what waits, and starts more when it is woken', async () => {
    const { gate, demand, budget } = setUp();
    budget.held = 1;
    take(gate);
    const waiting = gate.acquire(never) as Promise<Slot>;
    void gate.acquire(never, { lane: 'background' });
    expect([demand.busy, demand.waiting, demand.waitingInBackground, demand.limit]).toEqual([1, 1, 1, 4]);
    const before = budget.changes;
    budget.held = 2;
    demand.wake();
    await waiting;
    expect([demand.busy, demand.waiting, budget.changes > before]).toEqual([2, 0, true]);
  });

  test('plans with its share, and calls idle only what is in reach', () => {
    const { gate, budget } = setUp();
    Object.assign(budget, { held: 1, reach: 2, share: 3 });
    expect([gate.slots, gate.limit, gate.width, gate.idle]).toEqual([3, 4, 3, 2]);
    take(gate);
    expect([gate.idle, gate.free]).toEqual([1, 2]);
    budget.reach = 1;
    expect([gate.idle, gate.isIdle]).toEqual([0, false]);
  });

  test('uses its part of the width, and wants no slots beyond it', () => {
    const { gate, demand, budget } = setUp();
    gate.widthMax = () => 2;
    Object.assign(budget, { held: 2, reach: 2, share: 2 });
    expect(gate.width).toBe(1);
    take(gate, needing(2_000));
    void gate.acquire(never, needing(2_000));
    expect(demand.waiting).toBe(0);
    // A chat has no deadline, and does not wait for the width.
    take(gate);
    void gate.acquire(never);
    expect(demand.waiting).toBe(1);
  });

  test('counts calls of other nodes as company', () => {
    const { clock, gate, budget } = setUp();
    Object.assign(budget, { held: 2, othersBusy: 2 });
    const slot = take(gate);
    clock.advance(100);
    expect([slot.inFlight, slot.meanCompany()]).toEqual([3, 3]);
  });

  test('of one machine shares one budget with the others', async () => {
    const { demand, budget, gates } = setUp(2);
    const [a, b] = gates as [EndpointGate, EndpointGate];
    budget.held = 2;
    const slot = take(a);
    take(b);
    let isServed = false;
    void Promise.resolve(b.acquire(never)).then(() => {
      isServed = true;
    });
    expect([demand.busy, demand.waiting, demand.limit]).toEqual([2, 1, 4]);
    slot.release();
    await flush();
    expect([isServed, demand.busy]).toEqual([true, 2]);
  });
});

describe('calls that have lost their leases', () => {
  test('are cut: background work first, then the newest, and nothing twice', () => {
    const { clock, gate, demand, budget } = setUp();
    budget.held = 4;
    const cuts: string[] = [];
    const call = (name: string, ask: Ask = {}): Slot => {
      const slot = take(gate, ask);
      cuttable(gate, slot, never).addEventListener('abort', () => {
        cuts.push(name);
        slot.release(40);
      });
      clock.advance(10);
      return slot;
    };
    call('old');
    call('late', { lane: 'background' });
    call('new');
    demand.shed(3);
    expect(cuts).toEqual([]);
    demand.shed(1);
    expect(cuts).toEqual(['late', 'new']);
    expect([demand.busy, demand.held]).toEqual([3, 2]);
    demand.shed(1);
    expect(cuts).toHaveLength(2);
  });

  test('without a shared budget no call can be cut', () => {
    const gate = new EndpointGate(new FakeClock(), 1, 0);
    const slot = take(gate);
    expect([cuttable(gate, slot, never), slot.cut]).toEqual([never, undefined]);
  });
});

describe('the latest end', () => {
  test('is that of the calls at work with their time for late work, or of a call that may still start', () => {
    const { clock, gate, demand, budget } = setUp();
    budget.held = 2;
    expect(demand.endsMs).toBeCloseTo(600, -1);
    take(gate, needing(3_000));
    clock.advance(500);
    expect(demand.endsMs).toBe(2_100);
    take(gate);
    expect(demand.endsMs).toBeGreaterThan(1e9);
  });
});

describe('the latest end, once many calls were seen', () => {
  test('is not before calls were seen for a while, however many reports there are', () => {
    const { clock, gate, demand, budget } = setUp();
    budget.held = 2;
    take(gate, needing(clock.now() + 30_000));
    for (let report = 0; report < 500; report++) {
      clock.advance(4);
      void demand.endsMs;
    }
    expect(demand.endsMs).toBeGreaterThan(25_000);
  });

  test('remembers a long call for minutes, however many reports there are', () => {
    const { clock, gate, demand, budget } = setUp();
    budget.held = 2;
    const work = (ms: number): void => {
      const slot = take(gate, needing(clock.now() + 30_000));
      clock.advance(ms);
      void demand.endsMs;
      slot.release();
    };
    for (let report = 0; report < 100; report++) work(400);
    work(5_000);
    for (let report = 0; report < 4_000; report++) work(5);
    expect(demand.endsMs).toBeGreaterThan(9_000);
  });

  test('is twice the longest time that a call has taken lately, also for one without a deadline', () => {
    const { clock, gate, demand, budget } = setUp();
    budget.held = 2;
    for (let report = 0; report < 100; report++) {
      const slot = take(gate, needing(clock.now() + 30_000));
      clock.advance(50);
      void demand.endsMs;
      slot.release();
      clock.advance(350);
    }
    expect(demand.endsMs).toBeCloseTo(900, -1);
    take(gate);
    clock.advance(300);
    expect(demand.endsMs).toBeCloseTo(1_400, -1);
  });
});

describe('a learned number of slots', () => {
  test('is agreed on: the nodes follow whoever moves it', () => {
    const limit = new AdaptiveLimit(64);
    const { demand } = setUp(1, limit);
    expect([demand.learned, demand.hasMoved]).toEqual([4, false]);
    demand.agree(6);
    expect([demand.learned, demand.hasMoved, demand.limit]).toEqual([6, false, 6]);
    limit.dropped();
    expect([demand.learned, demand.hasMoved]).toEqual([5, true]);
  });

  test('stays as it is where the server tells it, or a machine has several endpoints', () => {
    const known = setUp(1, new AdaptiveLimit(64, 4)).demand;
    known.agree(8);
    expect([known.learned, known.limit]).toEqual([undefined, 4]);
    expect(setUp(2, new AdaptiveLimit(64)).demand.learned).toBeUndefined();
  });
});
