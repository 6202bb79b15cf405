import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SurvivalTimes } from '../../../../src/main/models/time/survival-times.ts';

interface Seen {
  readonly ms: number;
  readonly isCut: boolean;
}

/** The product-limit estimator, straight from its definition, without weights. */
function survivalOf(seen: readonly Seen[], ms: number): number {
  const ends = [...new Set(seen.filter(({ isCut }) => !isCut).map((each) => each.ms))].toSorted((a, b) => a - b);
  let surviving = 1;
  for (const end of ends.filter((each) => each <= ms)) {
    const atRisk = seen.filter((each) => each.ms >= end).length;
    surviving *= 1 - seen.filter((each) => !each.isCut && each.ms === end).length / atRisk;
  }
  return surviving;
}

function timesOf(seen: readonly Seen[]): SurvivalTimes {
  const times = new SurvivalTimes();
  for (const { ms, isCut } of seen) {
    if (isCut) times.cut(ms);
    else times.ended(ms);
  }
  return times;
}

/** What one call in doubt makes of a share. */
function doubted(share: number, witnesses: number): number {
  return (share * witnesses + 0.5) / (witnesses + 1);
}

describe('the chance to end in time', () => {
  // Durations a bucket or more apart, asked for between them; few calls, so that they weigh nearly alike.
  const call = fc.record({ ms: fc.integer({ min: 0, max: 7 }).map((nth) => 100 * 2 ** nth), isCut: fc.boolean() });

  test('is that of the product-limit estimator', () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 12 }), fc.integer({ min: 0, max: 7 }), (seen, nth) => {
        const ms = 140 * 2 ** nth;
        const witnesses = seen.reduce((sum, each) => sum + (each.isCut ? Math.min(1, each.ms / ms) : 1), 0);
        const chance = timesOf(seen).chanceWithin(ms);
        if (chance === undefined) expect(witnesses).toBeLessThan(0.55);
        else expect(Math.abs((chance as number) - doubted(1 - survivalOf(seen, ms), witnesses))).toBeLessThan(0.06);
      }),
    );
  });

  test('is not known before anything is', () => {
    expect(new SurvivalTimes().chanceWithin(100)).toBeUndefined();
    expect(new SurvivalTimes().chanceAfter(0, 100)).toBeUndefined();
    expect(new SurvivalTimes().remainingMs(0)).toBeUndefined();
  });

  test('is small where calls were cut after longer, and even where they were cut sooner', () => {
    const times = timesOf(Array.from({ length: 20 }, () => ({ ms: 400, isCut: true })));
    expect(times.chanceWithin(200)).toBeLessThan(0.05);
    // Half of the time was seen of each.
    expect(times.chanceWithin(800)).toBeCloseTo(doubted(0, 10), 1);
    const early = timesOf([{ ms: 100, isCut: true }]);
    expect(early.chanceWithin(800)).toBeUndefined();
  });

  test('counts slow calls that were cut: the quick ones alone would look like all', () => {
    const seen = Array.from({ length: 40 }, (_, nth) => ({ ms: nth % 2 === 0 ? 100 : 150, isCut: nth % 2 === 1 }));
    expect(timesOf(seen).chanceWithin(140)).toBeCloseTo(0.5, 1);
    expect(timesOf(seen.filter(({ isCut }) => !isCut)).chanceWithin(140)).toBeGreaterThan(0.95);
  });

  test('falls with calls that have run for longer already, and not with those that have just begun', () => {
    const times = timesOf(Array.from({ length: 4 }, () => ({ ms: 100, isCut: false })));
    const alone = times.chanceWithin(140) as number;
    expect(times.chanceWithin(140, [1, 1, 1, 1])).toBeCloseTo(alone, 2);
    expect(times.chanceWithin(140, [300, 300, 300, 300])).toBeCloseTo(0.5, 1);
    expect(new SurvivalTimes().chanceWithin(140, [1])).toBeUndefined();
  });

  test('follows a change: what is older weighs less and less', () => {
    const seen = Array.from({ length: 400 }, (_, nth) => ({ ms: nth < 200 ? 100 : 900, isCut: false }));
    expect(timesOf(seen).chanceWithin(300)).toBeLessThan(0.06);
    expect(timesOf(seen.slice(0, 200)).chanceWithin(300)).toBeGreaterThan(0.95);
    expect(timesOf(seen).count).toBeLessThan(70);
  });

  test('stays one however many calls there were', () => {
    const times = new SurvivalTimes();
    for (let nth = 0; nth < 5_000; nth++) times.ended(nth % 2 === 0 ? 100 : 400);
    expect(times.chanceWithin(200)).toBeCloseTo(0.5, 1);
    expect(times.count).toBeCloseTo(60.5, 0);
  });

  test('refuses what is no duration', () => {
    const times = new SurvivalTimes();
    for (const ms of [-1, Number.NaN]) times.ended(ms);
    expect(times.count).toBe(0);
    times.ended(1e12);
    expect(times.chanceWithin(86_000_000)).toBeLessThan(0.5);
  });
});

describe('a call that has run for a while', () => {
  const TWO_KINDS = Array.from({ length: 60 }, (_, nth) => ({ ms: nth % 2 === 0 ? 100 : 1_000, isCut: false }));

  test('has the chance of those that ran as long', () => {
    const times = timesOf(TWO_KINDS);
    expect(times.chanceAfter(0, 200)).toBeCloseTo(0.5, 1);
    expect(times.chanceAfter(200, 200)).toBeLessThan(0.05);
    expect(times.chanceAfter(200, 1_000)).toBeGreaterThan(0.95);
    // Nobody knows of a call that is older than all.
    expect(times.chanceAfter(5_000, 100)).toBeCloseTo(0.5, 1);
  });

  test('runs as much longer as half of those do', () => {
    const times = timesOf(TWO_KINDS);
    // What is learned is 5 % off at most, of the whole time.
    const isWhole = (ageMs: number, from: SurvivalTimes, wanted: number): void => {
      const wholeMs = ageMs + (from.remainingMs(ageMs) as number);
      expect(wholeMs / wanted).toBeGreaterThan(0.95);
      expect(wholeMs / wanted).toBeLessThan(1.05);
    };
    const mostlyQuick = Array.from({ length: 60 }, (_, nth) => ({ ms: nth % 3 === 0 ? 1_000 : 100, isCut: false }));
    isWhole(0, timesOf(mostlyQuick), 100);
    isWhole(200, times, 1_000);
    isWhole(900, times, 1_000);
    // Of those that ran for 200 ms, one in five ends at 1,000 and the others at 3,000.
    const kinds = [100, 100, 100, 100, 100, 1_000, 3_000, 3_000, 3_000, 3_000];
    isWhole(
      200,
      timesOf(Array.from({ length: 50 }, (_, nth) => ({ ms: kinds[nth % 10] as number, isCut: false }))),
      3_000,
    );
    // As long again.
    isWhole(3_000, times, 6_000);
  });
});

describe('what was saved', () => {
  test('counts for at most twenty calls, and is soon outweighed', () => {
    const times = new SurvivalTimes();
    times.restore([
      [100, 300],
      [1_000, 100],
    ]);
    expect(times.count).toBeCloseTo(20, 0);
    expect(times.chanceWithin(300)).toBeCloseTo(0.74, 1);
    for (let nth = 0; nth < 60; nth++) times.ended(1_000);
    expect(times.chanceWithin(300)).toBeLessThan(0.2);
  });

  test('counts for what it is where that is less, and for nothing where it is nothing', () => {
    const times = new SurvivalTimes();
    times.restore([]);
    expect(times.count).toBe(0);
    times.restore([[100, 3]]);
    expect(times.count).toBeCloseTo(3, 0);
  });
});

describe('how long a call takes on average', () => {
  test('is not known at first, and forgotten when all is', () => {
    const times = new SurvivalTimes();
    expect(times.meanMs()).toBeUndefined();
    times.ended(100);
    times.clear();
    expect([times.meanMs(), times.count]).toEqual([undefined, 0]);
  });

  test('is the mean of calls that ended: a spread counts', () => {
    const even = new SurvivalTimes();
    const spread = new SurvivalTimes();
    for (let call = 0; call < 30; call++) {
      even.ended(200);
      spread.ended(call % 10 === 0 ? 2_000 : 200);
    }
    expect(even.meanMs()).toBeGreaterThan(180);
    expect(even.meanMs()).toBeLessThan(220);
    expect(spread.meanMs()).toBeGreaterThan(300);
    expect(spread.meanMs()).toBeLessThan(500);
  });

  test('is twice as long as any that was seen where all were cut, and grows with those that still run', () => {
    const times = new SurvivalTimes();
    for (let call = 0; call < 5; call++) times.cut(300);
    expect(times.meanMs() as number).toBeCloseTo(600, -2);
    expect(times.meanMs([4_000]) as number).toBeGreaterThan(7_000);
  });

  test('counts what was cut as longer than it took, not as ended', () => {
    const times = new SurvivalTimes();
    for (let call = 0; call < 20; call++) {
      times.ended(1_000);
      times.cut(100);
    }
    expect(times.meanMs()).toBeGreaterThan(900);
    expect(times.meanMs()).toBeLessThan(1_100);
  });

  test('follows a change within about its memory', () => {
    const times = new SurvivalTimes(10);
    for (let call = 0; call < 100; call++) times.ended(100);
    for (let call = 0; call < 10; call++) times.ended(1_000);
    expect(times.meanMs()).toBeGreaterThan(550);
    const long = new SurvivalTimes(60);
    for (let call = 0; call < 100; call++) long.ended(100);
    for (let call = 0; call < 10; call++) long.ended(1_000);
    expect(long.meanMs()).toBeLessThan(400);
  });
});
