import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holdAfterAbort } from '../../../../src/main/models/slots/slot-hold.ts';
import { LatencyProfile } from '../../../../src/main/models/time/latency-profile.ts';

/** Of a model that takes so long to its first token, and in all: the latter for one call of three, less for the others. */
function profileOf(firstTokenMs: number, totalMs: number): LatencyProfile {
  const profile = new LatencyProfile();
  for (let call = 0; call < 300; call++) {
    profile.answered({ firstTokenMs, totalMs: call % 3 === 0 ? totalMs : totalMs / 2 }, false);
  }
  return profile;
}

const UNKNOWN = new LatencyProfile();

function expectNear(found: number, ms: number, withinMs: number): void {
  expect(Math.abs(found - ms)).toBeLessThanOrEqual(withinMs);
}

describe('the slot of a streamed call is held', () => {
  test('for a moment once its stream has begun', () => {
    expect(holdAfterAbort({ firstTokenMs: 900, totalMs: 1_000 }, profileOf(5_000, 9_000), true)).toBe(40);
    expect(holdAfterAbort({ firstTokenMs: 900, totalMs: 1_000 }, UNKNOWN, true)).toBe(40);
  });

  test('until its first token would have come, while none has', () => {
    const profile = profileOf(2_000, 9_000);
    expectNear(holdAfterAbort({ totalMs: 500 }, profile, true), 1_500, 100);
    expectNear(holdAfterAbort({ queueMs: 100, totalMs: 1_500 }, profile, true), 500, 100);
    expect(holdAfterAbort({ totalMs: 2_500 }, profile, true)).toBe(40);
  });

  test('for a quarter of a second where nothing is known, and for as long again once its response has begun', () => {
    expect(holdAfterAbort({ totalMs: 500 }, UNKNOWN, true)).toBe(250);
    expect(holdAfterAbort({ queueMs: 5, totalMs: 100 }, UNKNOWN, true)).toBe(250);
    expect(holdAfterAbort({ queueMs: 5, totalMs: 9_000 }, UNKNOWN, true)).toBe(9_000);
  });

  test('for as long again where calls that were cut have read for longer than those that are known', () => {
    const profile = profileOf(2_000, 9_000);
    for (let call = 0; call < 30; call++) profile.timedOut({ queueMs: 5, totalMs: 6_000 });
    const heldMs = holdAfterAbort({ queueMs: 5, totalMs: 6_000 }, profile, true);
    expect([heldMs > 5_000, heldMs <= 10_000]).toEqual([true, true]);
  });
});

describe('the slot of a call that is not streamed is held', () => {
  test('until three in four calls would be done', () => {
    expectNear(holdAfterAbort({ totalMs: 1_000 }, profileOf(500, 6_000), false), 5_000, 300);
    expect(holdAfterAbort({ totalMs: 7_000 }, profileOf(500, 6_000), false)).toBe(40);
  });

  test('although its first token is known: it is worked to its end', () => {
    expectNear(holdAfterAbort({ firstTokenMs: 500, totalMs: 1_000 }, profileOf(500, 6_000), false), 5_000, 300);
  });
});

test('is held for 40 ms at least and ten seconds at most, whatever is known', () => {
  const ms = fc.double({ min: 0, max: 1e7, noNaN: true });
  fc.assert(
    fc.property(
      ms,
      ms,
      ms,
      fc.option(ms, { nil: undefined }),
      fc.boolean(),
      (first, all, totalMs, firstTokenMs, isStreamed) => {
        const report = { totalMs, ...(firstTokenMs === undefined ? {} : { firstTokenMs }) };
        const holdMs = holdAfterAbort(report, profileOf(first, all), isStreamed);
        expect(holdMs).toBeGreaterThanOrEqual(40);
        expect(holdMs).toBeLessThanOrEqual(10_000);
      },
    ),
    { numRuns: 50 },
  );
});
