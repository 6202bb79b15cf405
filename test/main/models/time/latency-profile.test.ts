import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LatencyProfile, PHASES, type SavedProfile } from '../../../../src/main/models/time/latency-profile.ts';
import type { CallReport } from '../../../../src/shared/tasks.ts';

const CEILING_MS = 60_000;
const ALL_AT_CEILING = {
  headersMs: CEILING_MS,
  firstTokenMs: CEILING_MS,
  gapMs: CEILING_MS,
  totalMs: CEILING_MS,
};
const REPORT: CallReport = { queueMs: 2_000, firstTokenMs: 3_000, gapMsMax: 1_000, totalMs: 5_000 };

function answered(calls: number, report: CallReport = REPORT, profile = new LatencyProfile()): LatencyProfile {
  for (let call = 0; call < calls; call++) profile.answered(report, false);
  return profile;
}

function timedOut(times: number, profile: LatencyProfile, afterMs = 6_000): LatencyProfile {
  for (let i = 0; i < times; i++) profile.timedOut({ totalMs: afterMs });
  return profile;
}

function near(ms: number): [number, number] {
  return [ms * 0.95, ms * 1.05];
}

function expectNear(found: number | undefined, ms: number): void {
  const [low, high] = near(ms);
  expect(found).toBeGreaterThan(low);
  expect(found).toBeLessThan(high);
}

describe('timeouts', () => {
  test('are the ceiling while little is known', () => {
    // The first of twenty samples weighs less than one of today's.
    expect(answered(20).timeouts(CEILING_MS, false)).toEqual(ALL_AT_CEILING);
    expect(answered(21).timeouts(CEILING_MS, false).totalMs).toBeLessThan(CEILING_MS);
  });

  test('are twice what hardly any call took, phase by phase', () => {
    const { headersMs, firstTokenMs, gapMs, totalMs } = answered(500).timeouts(CEILING_MS, false);
    expectNear(headersMs, 4_000);
    expectNear(firstTokenMs, 6_000);
    expectNear(gapMs, 2_000);
    expectNear(totalMs, 10_000);
  });

  test('are those of the slow calls, if one of fifty is slow', () => {
    const profile = new LatencyProfile();
    for (let call = 0; call < 1_000; call++) {
      profile.answered({ ...REPORT, totalMs: call % 50 === 0 ? 20_000 : 5_000 }, false);
    }
    expectNear(profile.timeouts(CEILING_MS, false).totalMs, 40_000);
  });

  test('are never under a second', () => {
    const quick = answered(100, { queueMs: 1, firstTokenMs: 5, gapMsMax: 0.1, totalMs: 9 });
    expect(quick.timeouts(CEILING_MS, false)).toEqual({
      headersMs: 1_000,
      firstTokenMs: 1_000,
      gapMs: 1_000,
      totalMs: 1_000,
    });
    expect(quick.timeouts(300, false).totalMs).toBe(300);
  });

  test('are the ceiling where the model may have to be loaded', () => {
    expect(answered(500).timeouts(CEILING_MS, true)).toEqual(ALL_AT_CEILING);
  });

  test('of a phase that was never seen are bounded by the total', () => {
    const { headersMs, gapMs, totalMs } = answered(500, { totalMs: 5_000 }).timeouts(CEILING_MS, false);
    expect([headersMs, gapMs]).toEqual([totalMs, totalMs]);
  });

  test('are above nothing and within the total and the ceiling, whatever was seen', () => {
    const ms = fc.option(fc.double(), { nil: undefined });
    const call = fc.record(
      { queueMs: ms, firstTokenMs: ms, gapMsMax: ms, totalMs: fc.double() },
      { requiredKeys: ['totalMs'] },
    );
    const event = fc.oneof(call, fc.constantFrom('cold' as const, 'timeout' as const), fc.double());
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.integer({ min: 1, max: 100_000 }), (events, ceilingMs) => {
        const profile = new LatencyProfile();
        for (const each of events) {
          if (each === 'timeout') profile.timedOut({ totalMs: ceilingMs });
          else if (each === 'cold') profile.answered(REPORT, true);
          else if (typeof each === 'number') profile.cancelled({ totalMs: each });
          else profile.answered(each as CallReport, false);
        }
        const { totalMs, ...phases } = profile.timeouts(ceilingMs, false);
        expect(totalMs).toBeGreaterThan(0);
        expect(totalMs).toBeLessThanOrEqual(ceilingMs);
        for (const phaseMs of Object.values(phases)) {
          expect(phaseMs).toBeGreaterThan(0);
          expect(phaseMs).toBeLessThanOrEqual(totalMs);
        }
      }),
    );
  });
});

describe('after a timeout', () => {
  test('all timeouts are twice as wide, up to the ceiling', () => {
    const profile = answered(500);
    const { totalMs, gapMs } = profile.timeouts(CEILING_MS, false);
    timedOut(1, profile);
    expect(profile.timeouts(CEILING_MS, false)).toMatchObject({ totalMs: 2 * totalMs, gapMs: 2 * gapMs });
    timedOut(5, profile);
    expect(profile.timeouts(CEILING_MS, false)).toEqual(ALL_AT_CEILING);
  });

  test('they return with each answer', () => {
    const profile = timedOut(1, answered(500));
    const widenings = Array.from({ length: 8 }, () => answered(1, REPORT, profile).stats(CEILING_MS).widening);
    expect(widenings).toEqual([1.8, 1.62, 1.46, 1.31, 1.18, 1.06, 1, 1]);
  });

  test('of a hundred, forty answers are enough', () => {
    const profile = timedOut(100, answered(500));
    expect(profile.stats(CEILING_MS).widening).toBe(64);
    expect(answered(39, REPORT, profile).stats(CEILING_MS).widening).toBeGreaterThan(1);
    expect(answered(1, REPORT, profile).stats(CEILING_MS).widening).toBe(1);
  });

  // Schedule: a server that took 300 ms takes 20 s from now on, as when its model is replaced or leaves the GPU.
  test('a server that has become much slower for good is learned, and no timeout is in its way any more', () => {
    const profile = answered(500, { firstTokenMs: 100, totalMs: 300 });
    let timeouts = 0;
    for (let call = 0; call < 200; call++) {
      const { totalMs } = profile.timeouts(CEILING_MS, false);
      if (totalMs > 20_000) answered(1, { totalMs: 20_000 }, profile);
      else {
        timedOut(1, profile, totalMs);
        timeouts++;
      }
    }
    expect(timeouts).toBeLessThan(10);
    expect(profile.stats(CEILING_MS).widening).toBe(1);
    expect(profile.timeouts(CEILING_MS, false).totalMs).toBeGreaterThan(20_000);
  });
});

describe('what is expected', () => {
  test('is unknown before the first answer, and the median after', () => {
    const profile = new LatencyProfile();
    expect(profile.expectedMs).toBeUndefined();
    answered(1, { totalMs: 5_000 }, profile);
    expectNear(profile.expectedMs, 5_000);
  });

  test('of a phase is told when some twenty calls showed it', () => {
    expect(answered(20).quantile('gap', 0.5)).toBeUndefined();
    expectNear(answered(21).quantile('gap', 0.5), 1_000);
  });

  test('is not moved by a call for which the model may have been loaded', () => {
    const profile = answered(100);
    for (let i = 0; i < 50; i++) profile.answered({ ...REPORT, firstTokenMs: 30_000, totalMs: 40_000 }, true);
    expectNear(profile.expectedMs, 5_000);
    expectNear(profile.quantile('firstToken', 0.99), 3_000);
    expectNear(profile.quantile('load', 0.5), 30_000);
    profile.answered({ totalMs: 40_000 }, true);
    expectNear(profile.quantile('load', 1), 40_000);
  });

  test('is also learned from calls that were cancelled late, for those were the slow ones', () => {
    const profile = answered(100);
    for (let i = 0; i < 100; i++) profile.cancelled({ totalMs: 4_000 });
    expect(profile.stats(CEILING_MS).samples).toBe(answered(100).stats(CEILING_MS).samples);
    for (let i = 0; i < 100; i++) profile.cancelled({ totalMs: 9_000 });
    expectNear(profile.quantile('total', 0.9), 9_000);
    expectNear(profile.quantile('firstToken', 0.9), 3_000);
  });

  test('is also learned from calls that timed out, and soon: of late, most of them did', () => {
    const profile = answered(500);
    timedOut(60, profile, 20_000);
    expectNear(profile.expectedMs, 40_000);
    answered(60, REPORT, profile);
    expectNear(profile.expectedMs, 5_000);
  });

  test('is not learned from cancelled calls alone', () => {
    const profile = new LatencyProfile();
    for (let i = 0; i < 100; i++) profile.cancelled({ totalMs: 9_000 });
    expect(profile.expectedMs).toBeUndefined();
  });
});

describe('what is shown', () => {
  test('is each phase that was seen, and the timeouts', () => {
    const { samples, phases, timeouts, widening } = answered(100, { queueMs: 100, totalMs: 5_000 }).stats(CEILING_MS);
    expect(samples).toBeGreaterThan(85);
    expect(samples).toBeLessThanOrEqual(100);
    expect(Object.keys(phases)).toEqual(['queue', 'total']);
    for (const q of ['p50', 'p95', 'p99'] as const) expectNear(phases.total?.[q], 5_000);
    expect([timeouts.headersMs, widening]).toEqual([1_000, 1]);
  });
});

describe('what is saved', () => {
  test('counts for half when it is restored: the machine may be another', () => {
    const before = answered(100);
    before.answered({ ...REPORT, firstTokenMs: 30_000 }, true);
    const saved = JSON.parse(JSON.stringify(before.save())) as SavedProfile;
    expect(Object.keys(saved)).toEqual([...PHASES]);
    const after = new LatencyProfile();
    after.restore(saved);
    expect(after.expectedMs).toBe(before.expectedMs);
    expect(after.timeouts(CEILING_MS, false)).toEqual(before.timeouts(CEILING_MS, false));
    expectNear(after.stats(CEILING_MS).samples, before.stats(CEILING_MS).samples / 2);
    expect(Object.keys(after.stats(CEILING_MS).phases)).toEqual([...PHASES]);
  });

  test('of too few calls gives no timeouts', () => {
    const after = new LatencyProfile();
    after.restore(answered(30).save());
    expect(after.timeouts(CEILING_MS, false)).toEqual(ALL_AT_CEILING);
  });

  test('is soon outweighed', () => {
    const profile = new LatencyProfile();
    profile.restore(answered(1_000).save());
    answered(300, { totalMs: 500 }, profile);
    expectNear(profile.expectedMs, 500);
  });
});

describe('the chance to end in time', () => {
  const slowed = (slope: number): LatencyProfile => {
    const profile = new LatencyProfile();
    for (let call = 0; call < 120; call++) {
      const company = 1 + (call % 4);
      profile.answered({ totalMs: 200 * (1 + slope * (company - 1)) }, false, company);
    }
    return profile;
  };

  test('falls with company where calls slow one another, and does not where they do not', () => {
    expect(slowed(1).chanceWithin(300, 1)).toBeGreaterThan(0.8);
    expect(slowed(1).chanceWithin(300, 4)).toBeLessThan(0.2);
    expect(slowed(0).chanceWithin(300, 4)).toBeGreaterThan(0.95);
  });

  test('grows with what a running call has behind it, in its company', () => {
    const profile = slowed(1);
    expect(profile.chanceAfter(0, 150, 1)).toBeLessThan(0.3);
    expect(profile.chanceAfter(100, 150, 1)).toBeGreaterThan(0.7);
    expect(profile.chanceAfter(100, 150, 4)).toBeLessThan(0.3);
    const aloneMs = profile.remainingMs(0, 1) as number;
    expect(profile.remainingMs(0, 4)).toBeGreaterThan(2.5 * aloneMs);
  });

  test('knows of calls that were cut, by anyone, that they would have taken longer', () => {
    for (const cut of ['cancelled', 'timedOut'] as const) {
      const profile = new LatencyProfile();
      for (let call = 0; call < 30; call++) profile[cut]({ totalMs: 400 });
      expect(profile.chanceWithin(300)).toBeLessThan(0.05);
    }
  });

  test('does not count a load, and is not known before anything is', () => {
    const profile = new LatencyProfile();
    profile.answered({ totalMs: 9_000 }, true);
    expect([profile.chanceWithin(10_000), profile.chanceAfter(0, 1), profile.remainingMs(0)]).toEqual(
      Array(3).fill(undefined),
    );
  });

  test('is known after a restart', () => {
    const profile = new LatencyProfile();
    profile.restore(answered(30, { totalMs: 200 }).save());
    expect(profile.chanceWithin(300)).toBeGreaterThan(0.9);
    expect(profile.chanceWithin(100)).toBeLessThan(0.1);
  });
});

describe('what is usual', () => {
  test('is told of the third answer on, and only of answers', () => {
    const profile = new LatencyProfile();
    for (let call = 0; call < 20; call++) profile.timedOut({ totalMs: 5_000 });
    const told = [profile.usual];
    for (const totalMs of [300, 400, 500]) {
      profile.answered({ totalMs, firstTokenMs: totalMs / 10 }, false);
      told.push(profile.usual);
    }
    const nothing = { totalMs: undefined, begunMs: undefined };
    expect(told.slice(0, 3)).toEqual([nothing, nothing, nothing]);
    expect((told[3]?.totalMs ?? 0) / 400).toBeCloseTo(1, 1);
    expect((told[3]?.begunMs ?? 0) / 50).toBeCloseTo(1, 1);
  });
});
