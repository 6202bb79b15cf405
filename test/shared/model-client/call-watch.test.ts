import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/shared/clock.ts';
import { CallWatch, type PhaseLimits } from '../../../src/shared/model-client/call-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const LIMITS: PhaseLimits = { headersMs: 1_000, firstTokenMs: 3_000, gapMs: 500 };
const TOTAL_MS = 10_000;

class Watched {
  readonly clock = new FakeClock(70_000);
  /** When it said that it takes too long, from the start of the call. */
  readonly said: number[] = [];
  readonly watch: CallWatch;

  constructor(limits: PhaseLimits | undefined = LIMITS, totalMs = TOTAL_MS) {
    this.watch = new CallWatch(this.clock, totalMs, limits, (afterMs) => this.said.push(afterMs));
  }

  token(afterMs: number): void {
    this.clock.advance(afterMs);
    this.watch.token();
  }
}

describe('it says that a call takes too long', () => {
  /** Passes so much time, and then the one millisecond over the limit. */
  function expectLimit(watched: Watched, beforeMs: number, saidMs: number): void {
    watched.clock.advance(beforeMs);
    expect(watched.said).toEqual([]);
    watched.clock.advance(1);
    expect(watched.said).toEqual([saidMs]);
  }

  test('when the headers do', () => {
    expectLimit(new Watched(), 999, 1_000);
  });

  test('when the first token does, headers or not', () => {
    const watched = new Watched();
    watched.clock.advance(900);
    watched.watch.headers();
    expectLimit(watched, 2_099, 3_000);
    expectLimit(new Watched({ ...LIMITS, headersMs: 5_000 }), 2_999, 3_000);
  });

  test('when the next token does', () => {
    const watched = new Watched();
    watched.token(900);
    expectLimit(watched, 499, 1_400);
    const later = new Watched();
    for (const ms of [900, 499, 499, 10]) later.token(ms);
    expectLimit(later, 499, 2_408);
  });

  test('when all of it does, however lively it is', () => {
    const watched = new Watched();
    watched.watch.headers();
    for (let i = 0; i < 33; i++) watched.token(300);
    expectLimit(watched, 99, TOTAL_MS);
  });

  test('only when all of it does, where phases have no limits', () => {
    const watched = new Watched();
    const total = new CallWatch(watched.clock, TOTAL_MS, undefined, (afterMs) => watched.said.push(afterMs));
    watched.watch.dispose();
    total.headers();
    total.token();
    expectLimit(watched, 9_999, TOTAL_MS);
  });

  test('at once where there is no time', () => {
    const watched = new Watched(LIMITS, 0);
    watched.clock.advance(0);
    expect(watched.said).toEqual([0]);
  });

  test('once, whatever still comes', () => {
    const watched = new Watched();
    watched.clock.advance(1_000);
    watched.watch.headers();
    watched.token(100);
    watched.token(100);
    watched.clock.advance(60_000);
    expect(watched.said).toEqual([1_000]);
    expect(watched.clock.pendingTimers).toBe(0);
  });

  // Schedule: the event loop is held up past the limit; the token that came meanwhile is read before the timer fires.
  test('not when a token is read before its timer, late as that is', () => {
    const clock = new FakeClock();
    const said: number[] = [];
    clock.setTimer(0, () => watch.token());
    const watch = new CallWatch(clock, TOTAL_MS, LIMITS, (afterMs) => said.push(afterMs));
    clock.stall(2_000);
    expect(said).toEqual([]);
    clock.advance(499);
    expect(said).toEqual([]);
    clock.advance(1);
    expect(said).toEqual([2_500]);
  });

  test('when its timer fires a fraction of a millisecond early, as those of Node may', () => {
    const clock = new FakeClock();
    const early: Clock = {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      setTimer: (delayMs, fire) => clock.setTimer(delayMs - 0.75, fire),
      nextTurn: (fire) => clock.nextTurn(fire),
    };
    const said: number[] = [];
    new CallWatch(early, TOTAL_MS, LIMITS, (afterMs) => said.push(afterMs));
    clock.advance(999.25);
    expect(said).toEqual([999.25]);
  });
});

describe('only tokens extend', () => {
  test('headers do not, come as they may', () => {
    const watched = new Watched();
    for (let i = 0; i < 100; i++) {
      watched.clock.advance(25);
      watched.watch.headers();
    }
    watched.clock.advance(500);
    expect(watched.said).toEqual([3_000]);
  });

  test('headers between tokens do not', () => {
    const watched = new Watched();
    watched.token(500);
    for (let i = 0; i < 10; i++) {
      watched.watch.headers();
      watched.clock.advance(50);
    }
    expect(watched.said).toEqual([1_000]);
  });

  test('tokens do, without headers too', () => {
    const watched = new Watched();
    for (let i = 0; i < 20; i++) watched.token(450);
    expect(watched.said).toEqual([]);
  });
});

describe('what is measured', () => {
  test('is nothing before it happens', () => {
    const { watch } = new Watched();
    expect([watch.queueMs, watch.firstTokenMs, watch.gapMsMax]).toEqual([undefined, undefined, 0]);
  });

  test('is the first of the headers, the first token and the longest pause', () => {
    const watched = new Watched();
    const { watch } = watched;
    watched.clock.advance(100);
    watch.headers();
    watched.clock.advance(50);
    watch.headers();
    for (const ms of [200, 0, 400, 30]) watched.token(ms);
    expect([watch.startedAtMs, watch.queueMs, watch.firstTokenMs, watch.gapMsMax]).toEqual([70_000, 100, 350, 400]);
  });
});

describe('disposed', () => {
  test.each([
    ['before the headers', (): void => {}],
    ['after the headers', (watched: Watched) => watched.watch.headers()],
    ['after a token', (watched: Watched) => watched.token(10)],
  ])('%s, it is silent and sets no timer', (_, reach) => {
    const watched = new Watched();
    reach(watched);
    watched.watch.dispose();
    expect(watched.clock.pendingTimers).toBe(0);
    watched.watch.headers();
    watched.watch.token();
    watched.watch.dispose();
    expect(watched.clock.pendingTimers).toBe(0);
    watched.clock.advance(60_000);
    expect(watched.said).toEqual([]);
  });
});

test('whatever comes when: one timer at most, and it says so at the first limit that is passed', () => {
  const ms = fc.integer({ min: 1, max: 800 });
  const limit = fc.integer({ min: 1, max: 1_500 });
  const happening = fc.record({ afterMs: fc.nat(400), kind: fc.constantFrom('headers' as const, 'token' as const) });
  const limits = fc.record({ headersMs: limit, firstTokenMs: limit, gapMs: ms });
  fc.assert(
    fc.property(limits, limit, fc.array(happening, { maxLength: 30 }), (phases, totalMs, happenings) => {
      const { clock, watch, said } = new Watched(phases, totalMs);
      // The same, said plainly: when it is due, given what has happened.
      const seen: { headers?: number; token?: number } = {};
      const dueMs = (): number => {
        const phaseMs =
          seen.token !== undefined
            ? seen.token + phases.gapMs
            : Math.min(phases.firstTokenMs, seen.headers === undefined ? phases.headersMs : Number.POSITIVE_INFINITY);
        return Math.min(totalMs, phaseMs);
      };
      let nowMs = 0;
      for (const { afterMs, kind } of happenings) {
        clock.advance(afterMs);
        nowMs += afterMs;
        // Up to a millisecond early, so that a timer that fires a little early is not set again.
        if (dueMs() <= nowMs) break;
        watch[kind]();
        seen[kind] = kind === 'token' ? nowMs : (seen.headers ?? nowMs);
        expect(clock.pendingTimers).toBe(1);
        if (said.length > 0) break;
      }
      const due = dueMs();
      clock.advance(10_000);
      watch.token();
      clock.advance(10_000);
      expect(said).toHaveLength(1);
      expect(said[0]).toBeGreaterThanOrEqual(due - 1);
      expect(said[0]).toBeLessThanOrEqual(due);
      expect(clock.pendingTimers).toBe(0);
    }),
    { numRuns: 500 },
  );
});
