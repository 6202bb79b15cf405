import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EngineTime } from '../../../../src/main/cluster/log/engine-time.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

it('is known for 5 s after a call', () => {
  const clock = new FakeClock(100);
  const time = new EngineTime(clock);
  expect([time.isKnown, time.now()]).toEqual([false, Number.NaN]);
  time.sample(90, 5_000);
  clock.advance(5_000);
  expect(time.isKnown).toBe(true);
  clock.advance(1);
  expect([time.isKnown, time.now()]).toEqual([false, Number.NaN]);
});

it('is never later than the truth, and at most a round trip earlier, whatever the calls took', () => {
  const ways = fc.array(
    fc.tuple(fc.double({ min: 0, max: 50, noNaN: true }), fc.double({ min: 0, max: 50, noNaN: true })),
    {
      minLength: 1,
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(ways, fc.integer({ min: -1e9, max: 1e12 }), (calls, skewMs) => {
      const clock = new FakeClock(1_000);
      const time = new EngineTime(clock);
      for (const [thereMs, backMs] of calls) {
        const sentMs = clock.now();
        clock.advance(thereMs);
        const engineMs = Math.floor(clock.now() + skewMs);
        clock.advance(backMs);
        time.sample(sentMs, engineMs);
      }
      const truthMs = clock.now() + skewMs;
      const roundTripMs = Math.max(...calls.map(([there, back]) => there + back));
      expect(time.now()).toBeLessThanOrEqual(truthMs + 1e-3);
      expect(time.now()).toBeGreaterThanOrEqual(truthMs - roundTripMs - 1.001);
      expect(time.earliest(truthMs)).toBeLessThanOrEqual(clock.now() + 1e-3);
      expect(time.earliest(truthMs)).toBeGreaterThanOrEqual(clock.now() - roundTripMs - 1.001);
    }),
  );
});

it('follows the clock of the engine when that is set', () => {
  for (const stepMs of [60_000, -60_000]) {
    const clock = new FakeClock(1_000);
    const time = new EngineTime(clock);
    for (let i = 0; i < 5; i++) {
      time.sample(clock.now(), clock.now() + (i < 4 ? 0 : stepMs));
      clock.advance(100);
    }
    expect(Math.abs(time.now() - (clock.now() + stepMs))).toBeLessThanOrEqual(1);
  }
});
