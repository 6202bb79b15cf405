import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairShare } from '../../../../src/main/models/slots/fair-share.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function setUp(): { shares: FairShare; clock: FakeClock } {
  const clock = new FakeClock(1_000);
  return { shares: new FairShare(clock), clock };
}

describe('what an agent had lately', () => {
  test('is nothing at first, and one more with every call that is let in, each for itself', () => {
    const { shares } = setUp();
    expect(shares.servedLately('lydia')).toBe(0);
    for (const agent of ['lydia', 'lydia', 'serana']) shares.served(agent);
    expect([shares.servedLately('lydia'), shares.servedLately('serana'), shares.servedLately('jarl')]).toEqual([
      2, 1, 0,
    ]);
  });

  test('counts half after half a minute, and half of that after another one', () => {
    const { shares, clock } = setUp();
    for (let call = 0; call < 4; call++) shares.served('lydia');
    clock.advance(30_000);
    expect(shares.servedLately('lydia')).toBeCloseTo(2, 9);
    // A new call counts whole beside what has faded, and then fades with it.
    shares.served('lydia');
    expect(shares.servedLately('lydia')).toBeCloseTo(3, 9);
    clock.advance(30_000);
    expect(shares.servedLately('lydia')).toBeCloseTo(1.5, 9);
    clock.advance(3_600_000);
    expect(shares.servedLately('lydia')).toBeCloseTo(0, 9);
  });

  test('fades in the same way however often it is looked at', () => {
    const { shares, clock } = setUp();
    shares.served('lydia');
    for (let second = 0; second < 30; second++) {
      clock.advance(1_000);
      shares.servedLately('lydia');
      shares.rankMs('lydia', 1, 0, 100);
    }
    expect(shares.servedLately('lydia')).toBeCloseTo(0.5, 9);
  });

  test('never passes what a steady rate of calls comes to: one a second, and it is below 44', () => {
    const { shares, clock } = setUp();
    for (let second = 0; second < 3_600; second++) {
      clock.advance(1_000);
      shares.served('lydia');
    }
    expect(shares.servedLately('lydia')).toBeCloseTo(1 / (1 - 0.5 ** (1 / 30)), 3);
  });

  test('is known of 10,000 agents; beyond them the one that was heard of least lately is as one that had nothing', () => {
    const { shares } = setUp();
    for (let id = 0; id < 10_000; id++) shares.served(`agent ${id}`);
    expect(shares.servedLately('agent 0')).toBe(1);
    shares.served('one more');
    const known = [0, 1, 2].map((id) => shares.servedLately(`agent ${id}`));
    expect(known).toEqual([1, 0, 1]);
  });
});

describe('the rank', () => {
  test('of a plan that nobody competes with is its deadline', () => {
    const { shares } = setUp();
    expect(shares.rankMs('lydia', 0, 1_000, 11_000)).toBe(11_000);
  });

  test.each([
    [0, 11_000],
    [1, 8_500],
    [2, 6_000],
    [3, 3_500],
    [4, 1_000],
    [5, 1_000],
    [100, 1_000],
    [-1, 13_500],
    [-4, 21_000],
  ])('of priority %d moves by a quarter of its time each, ahead at most to its start', (priority, rankMs) => {
    const { shares } = setUp();
    expect(shares.rankMs('lydia', priority, 1_000, 11_000)).toBe(rankMs);
  });

  test('moves back by a fifth of its time for each call that its agent had lately, and for no other agent', () => {
    const { shares, clock } = setUp();
    const ranks = (): number[] => ['lydia', 'serana'].map((agent) => shares.rankMs(agent, 0, 1_000, 11_000));
    shares.served('lydia');
    expect(ranks()).toEqual([13_000, 11_000]);
    shares.served('lydia');
    expect(ranks()).toEqual([15_000, 11_000]);
    clock.advance(30_000);
    expect(ranks()).toEqual([13_000, 11_000]);
  });

  test('of one that had nothing passes that of one that had much, though the latter is urgent', () => {
    const { shares } = setUp();
    for (let call = 0; call < 5; call++) shares.served('busy');
    const busy = shares.rankMs('busy', 2, 1_000, 11_000);
    expect(shares.rankMs('quiet', 0, 1_000, 11_000)).toBeLessThan(busy);
    expect(shares.rankMs('quiet', 0, 1_000, 11_000)).toBeGreaterThan(shares.rankMs('other', 2, 1_000, 11_000));
  });

  const plan = fc.record({
    priority: fc.integer({ min: -1_000, max: 1_000 }),
    timeMs: fc.integer({ min: 1, max: 600_000 }),
    served: fc.integer({ min: 0, max: 50 }),
  });

  test('nobody is shut out: what begins once the clock has reached a rank comes after it, however urgent and new', () => {
    fc.assert(
      fc.property(plan, plan, fc.nat({ max: 100_000 }), (old, young, laterMs) => {
        const { shares, clock } = setUp();
        for (let call = 0; call < old.served; call++) shares.served('old');
        const startedAtMs = clock.now();
        const rankMs = shares.rankMs('old', old.priority, startedAtMs, startedAtMs + old.timeMs);
        expect(Number.isFinite(rankMs)).toBe(true);
        clock.advance(Math.max(0, rankMs - startedAtMs) + laterMs);
        for (let call = 0; call < young.served; call++) shares.served('young');
        const now = clock.now();
        expect(shares.rankMs('young', young.priority, now, now + young.timeMs)).toBeGreaterThanOrEqual(rankMs);
      }),
    );
  });

  test('is lower for more priority, and higher for a later deadline and for more that was had', () => {
    fc.assert(
      fc.property(plan, fc.nat({ max: 8 }), ({ priority, timeMs, served }, more) => {
        const { shares, clock } = setUp();
        for (let call = 0; call < served; call++) shares.served('lydia');
        const now = clock.now();
        const rankMs = shares.rankMs('lydia', priority, now, now + timeMs);
        expect(shares.rankMs('lydia', priority + more, now, now + timeMs)).toBeLessThanOrEqual(rankMs);
        expect(shares.rankMs('lydia', priority, now, now + timeMs + more)).toBeGreaterThanOrEqual(rankMs);
        shares.served('lydia');
        expect(shares.rankMs('lydia', priority, now, now + timeMs)).toBeGreaterThan(rankMs);
      }),
    );
  });
});

describe('turns', () => {
  test('an agent moves ahead by all the time since the first of its plans that no model has decided', () => {
    const { shares, clock } = setUp();
    expect(shares.waitedMs('lydia')).toBe(0);
    shares.asked('lydia');
    expect(shares.waitedMs('lydia')).toBe(0);
    clock.advance(5_000);
    shares.asked('lydia');
    clock.advance(2_000);
    expect(shares.waitedMs('lydia')).toBe(7_000);
    expect(shares.rankMs('lydia', 0, 8_000, 18_000, 7_000)).toBe(11_000);
    shares.decided('lydia');
    clock.advance(60_000);
    // It has not asked since.
    expect(shares.waitedMs('lydia')).toBe(0);
  });

  test('a plan of an agent for which models are at work has waited for nothing', () => {
    const { shares, clock } = setUp();
    shares.asked('lydia');
    clock.advance(5_000);
    const over = [shares.working('lydia'), shares.working('lydia')];
    over[0]?.();
    over[0]?.();
    expect(shares.waitedMs('lydia')).toBe(0);
    over[1]?.();
    expect(shares.waitedMs('lydia')).toBe(5_000);
  });

  test('whoever has waited longer is served first at the same deadline, however many plans it asked for', () => {
    const { shares, clock } = setUp();
    shares.asked('long');
    clock.advance(1_000);
    for (let plan = 0; plan < 9; plan++) shares.asked('short');
    clock.advance(30_000);
    const [long, short] = ['long', 'short'].map((agent) =>
      shares.rankMs(agent, 0, clock.now(), clock.now() + 5_000, shares.waitedMs(agent)),
    );
    expect(short).toBe((long as number) + 1_000);
  });

  test('urgency counts in shares of the usual wait where that is longer than the time of a plan', () => {
    const { shares, clock } = setUp();
    for (let turn = 0; turn < 200; turn++) {
      shares.asked('lydia');
      clock.advance(40_000);
      shares.decided('lydia');
    }
    const now = clock.now();
    expect(shares.stats().usualWaitMs).toBeCloseTo(40_000, -2);
    expect(now + 10_000 - shares.rankMs('serana', 2, now, now + 10_000)).toBeCloseTo(20_000, -2);
    expect(now + 90_000 - shares.rankMs('serana', 2, now, now + 90_000)).toBe(45_000);
  });

  test('are not taken where that is switched off', () => {
    const clock = new FakeClock(1_000);
    const shares = new FairShare(clock, { takeTurns: false });
    shares.asked('lydia');
    clock.advance(50_000);
    expect(shares.waitedMs('lydia')).toBe(0);
    shares.decided('lydia');
    expect(shares.rankMs('serana', 2, 51_000, 61_000)).toBe(56_000);
  });

  test('stats show how many agents wait, how long they usually do, and how many plans moved ahead', () => {
    const { shares, clock } = setUp();
    for (const agent of ['a', 'b', 'b', 'c']) shares.asked(agent);
    expect(shares.stats()).toEqual({ waitingAgents: 3, usualWaitMs: 0, movedAhead: 0 });
    clock.advance(2_000);
    shares.waitedMs('a');
    shares.decided('a');
    shares.decided('a');
    shares.decided('nobody');
    expect(shares.stats()).toEqual({ waitingAgents: 2, usualWaitMs: 100, movedAhead: 1 });
  });

  test('are remembered of twice as many agents as may have a plan in flight; who is forgotten waits no more', () => {
    const clock = new FakeClock(1_000);
    const shares = new FairShare(clock, { maxInFlight: 6_000 });
    for (let id = 0; id < 12_000; id++) shares.asked(`agent ${id}`);
    clock.advance(1_000);
    expect(shares.waitedMs('agent 0')).toBe(1_000);
    shares.asked('one more');
    shares.asked('and one more');
    expect([shares.waitedMs('agent 1'), shares.waitedMs('agent 3'), shares.stats().waitingAgents]).toEqual([
      0, 1_000, 12_000,
    ]);
  });
});
