import { describe, expect, test } from 'vitest';
import { SurvivalTimes } from '../../../../src/main/endpoints/time/survival-times.ts';

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
