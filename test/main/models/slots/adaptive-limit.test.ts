import { describe, expect, test } from 'vitest';
import { AdaptiveLimit } from '../../../../src/main/models/slots/adaptive-limit.ts';
import { LimitedCalls, type ServerTimes } from './support/slot-server.ts';

const SEEDS = [1, 2, 3];
const MAX = 64;

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}

/** So many calls, each with the same time and as many at work as the limit allows. */
function observe(limit: AdaptiveLimit, calls: number, firstTokenMs: (inFlight: number) => number, model = 'a'): void {
  for (let call = 0; call < calls; call++) {
    const inFlight = limit.now;
    limit.observe({ model, firstTokenMs: firstTokenMs(inFlight), inFlight });
  }
}

describe('slots that the server told', () => {
  test('are the limit, whatever is seen', () => {
    const limit = new AdaptiveLimit(MAX, 3);
    observe(limit, 500, (inFlight) => 100 * inFlight);
    observe(limit, 500, () => 100);
    for (let i = 0; i < 100; i++) limit.dropped();
    expect([limit.now, limit.isKnown]).toEqual([3, true]);
  });

  test('are at least one, and no more than may be used', () => {
    expect(new AdaptiveLimit(MAX, 0).now).toBe(1);
    expect(new AdaptiveLimit(8, 8).now).toBe(8);
    expect(new AdaptiveLimit(8, 9).now).toBe(8);
  });
});

describe('slots that the server does not tell', () => {
  test('are four at first, or as many as may be used', () => {
    const limit = new AdaptiveLimit(MAX);
    expect([limit.now, limit.isKnown]).toEqual([4, false]);
    expect(new AdaptiveLimit(3).now).toBe(3);
  });

  const servers: readonly (readonly [string, Partial<ServerTimes>])[] = [
    ['long answers', {}],
    ['short answers', { writeMs: 75 }],
    ['prompts that are read already, half of them', { prefixHits: 0.5 }],
  ];
  const cases = servers.flatMap(([name, times]) =>
    (['endless', 'plans'] as const).flatMap((demand) => [1, 2, 4, 16].map((slots) => ({ name, times, demand, slots }))),
  );
  test.each(cases)('are found: $slots, $name, demand of $demand', ({ times, demand, slots }) => {
    for (const seed of SEEDS) {
      const calls = new LimitedCalls(new AdaptiveLimit(MAX), slots, demand, seed, times);
      calls.run(1_000);
      const limits = calls.run(1_500);
      expect(Math.min(...limits)).toBeGreaterThanOrEqual(1);
      expect(mean(limits)).toBeGreaterThan(slots / 1.6);
      expect(mean(limits)).toBeLessThan(slots * 1.6);
    }
  });

  test.each(['endless', 'plans'] as const)('are found again when there are fewer or more, demand of %s', (demand) => {
    for (const [before, after] of [
      [16, 4],
      [16, 1],
      [4, 1],
      [1, 4],
      [4, 16],
    ] as const) {
      const calls = new LimitedCalls(new AdaptiveLimit(MAX), before, demand, 1);
      calls.run(2_000);
      calls.slots = after;
      calls.run(1_500);
      const limits = calls.run(1_500);
      expect(mean(limits), `${before} -> ${after}`).toBeGreaterThan(after / 1.6);
      expect(mean(limits), `${before} -> ${after}`).toBeLessThan(after * 1.6);
    }
  });

  // All slots share one processor: sixteen at once are as slow together as two or three in turn.
  test('are no more than help where each slows down the others', () => {
    const calls = new LimitedCalls(new AdaptiveLimit(MAX), 16, 'endless', 1, { slowdown: 0.25 });
    calls.run(1_000);
    const limits = mean(calls.run(1_500));
    expect(limits).toBeGreaterThan(2);
    expect(limits).toBeLessThan(8);
  });
});

describe('the limit', () => {
  test.each([1, 2, 4, 16])('does not creep while one call follows the other, at %i slots', (slots) => {
    const calls = new LimitedCalls(new AdaptiveLimit(MAX), slots, 'single', 1);
    expect(new Set(calls.run(3_000))).toEqual(new Set([4]));
  });

  test('stays where it was learned when the demand ends', () => {
    const limit = new AdaptiveLimit(MAX);
    new LimitedCalls(limit, 16, 'endless', 1).run(2_000);
    const learned = limit.now;
    for (let call = 0; call < 2_000; call++)
      limit.observe({ model: 'a', firstTokenMs: 100 + (call % 50), inFlight: 1 });
    expect(limit.now).toBe(learned);
  });

  test('does not creep while it is nearly reached', () => {
    const limit = new AdaptiveLimit(MAX);
    for (let call = 0; call < 2_000; call++) {
      limit.observe({ model: 'a', firstTokenMs: 100, inFlight: 2 + (call % 2) });
      expect(limit.now).toBe(4);
    }
  });

  test('grows fast until a queue is seen, and slower after it', () => {
    const callsTo16 = (limit: AdaptiveLimit): number => {
      let calls = 0;
      for (; limit.now < 16; calls++) observe(limit, 1, () => 100);
      return calls;
    };
    const fresh = callsTo16(new AdaptiveLimit(MAX));
    const burnt = new AdaptiveLimit(MAX);
    burnt.dropped();
    expect(fresh).toBeLessThan(200);
    expect(callsTo16(burnt)).toBeGreaterThan(2 * fresh);
  });

  test('is never more than may be used', () => {
    const limit = new AdaptiveLimit(6);
    observe(limit, 2_000, () => 100);
    expect(limit.now).toBe(6);
  });

  test('falls by a seventh with each call that is refused or not answered, down to one', () => {
    const limit = new AdaptiveLimit(MAX);
    const seen = Array.from({ length: 12 }, () => {
      limit.dropped();
      return limit.now;
    });
    expect(seen).toEqual([3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test('rises again after calls were refused', () => {
    const limit = new AdaptiveLimit(MAX);
    for (let i = 0; i < 50; i++) limit.dropped();
    observe(limit, 2_000, () => 100);
    expect(limit.now).toBeGreaterThan(8);
  });

  // The slow one is always asked last: with the times of both in one, that looks like a queue.
  test('holds each model against itself', () => {
    const limits = (models: readonly [string, string]): number[] => {
      const limit = new AdaptiveLimit(2);
      return Array.from({ length: 500 }, () => {
        const { now } = limit;
        limit.observe({ model: models[0], firstTokenMs: 100, inFlight: 1 });
        limit.observe({ model: models[1], firstTokenMs: 1_000, inFlight: now });
        return now;
      });
    };
    expect(mean(limits(['fast', 'slow']))).toBeGreaterThan(1.8);
    expect(mean(limits(['one', 'one']))).toBeLessThan(1.3);
  });

  test('is not moved by times that are none', () => {
    const limit = new AdaptiveLimit(MAX);
    for (const firstTokenMs of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0]) observe(limit, 500, () => firstTokenMs);
    expect(limit.now).toBe(4);
    observe(limit, 2_000, () => 100);
    expect(limit.now).toBeGreaterThan(8);
  });

  test('is learned of more models than are kept', () => {
    const limit = new AdaptiveLimit(MAX);
    for (let model = 0; model < 200; model++) observe(limit, 100, () => 100, `model ${model}`);
    expect(limit.now).toBeGreaterThan(8);
  });
});

test('a limit that is always reached is halved for some calls, to see how long they take then', () => {
  const limits = new LimitedCalls(new AdaptiveLimit(MAX), 4, 'endless', 1).run(60);
  expect(limits.filter((each) => each === 2).length).toBeGreaterThanOrEqual(20);
  expect(limits.at(-1)).toBeGreaterThanOrEqual(3);
});
