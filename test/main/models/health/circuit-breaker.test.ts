import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CircuitBreaker } from '../../../../src/main/models/health/circuit-breaker.ts';
import { type Random, seededRandom } from '../../../../src/shared/random.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const MIDDLE: Random = { next: () => 0.5 };
/** The longest that an endpoint is not asked. */
const REST_MS_MAX = 6_250;

function make(random: Random = MIDDLE): { clock: FakeClock; breaker: CircuitBreaker } {
  const clock = new FakeClock(1_000);
  return { clock, breaker: new CircuitBreaker(clock, random) };
}

/** One that has just opened for the first time: it rests for 500 ms. */
function opened(): { clock: FakeClock; breaker: CircuitBreaker } {
  const made = make();
  for (let i = 0; i < 5; i++) made.breaker.failed();
  expect(made.breaker.stats()).toEqual({ state: 'open', opened: 1 });
  return made;
}

/** One that lets a probe through, which it has. */
function probing(): { clock: FakeClock; breaker: CircuitBreaker } {
  const made = opened();
  made.clock.advance(500);
  expect(made.breaker.tryEnter()).toBe(true);
  return made;
}

/** How long it lets nobody in, to the millisecond. Takes the probe. */
function restMs({ clock, breaker }: { clock: FakeClock; breaker: CircuitBreaker }): number {
  let ms = 0;
  for (; !breaker.tryEnter(); ms++) clock.advance(1);
  return ms;
}

/** Tells outcomes, `o` for an answer and `x` for a failure, until it opens. How many it took, or undefined. */
function opensAfter(outcomes: string): number | undefined {
  const { breaker } = make();
  for (const [i, outcome] of [...outcomes].entries()) {
    expect(breaker.tryEnter()).toBe(true);
    if (outcome === 'o') breaker.succeeded();
    else breaker.failed();
    if (breaker.isOpen) return i + 1;
  }
  return undefined;
}

describe('warned by another node', () => {
  test('it stays closed, and opens at the first failure meanwhile', () => {
    const { clock, breaker } = make();
    breaker.succeeded();
    breaker.warn(500);
    expect([breaker.isOpen, breaker.restMs]).toEqual([false, 0]);
    breaker.succeeded();
    breaker.failed();
    expect([breaker.isOpen, breaker.restMs]).toEqual([true, 500]);
    clock.advance(200);
    expect(breaker.restMs).toBe(300);
  });

  test('and as always after that', () => {
    const { clock, breaker } = make();
    breaker.warn(500);
    clock.advance(500);
    breaker.failed();
    expect(breaker.isOpen).toBe(false);
  });
});

describe('tripped', () => {
  test('it opens at once, longer after a probe, and no further while it is open', () => {
    const closed = make();
    closed.breaker.succeeded();
    closed.breaker.trip();
    closed.breaker.trip();
    expect(closed.breaker.stats()).toEqual({ state: 'open', opened: 1 });
    expect(restMs(closed)).toBe(500);
    closed.breaker.trip();
    expect(closed.breaker.stats()).toEqual({ state: 'open', opened: 2 });
    expect(restMs(closed)).toBe(1_000);
  });
});

describe('it stays closed', () => {
  test('at first, and lets as many in as there are', () => {
    const { breaker } = make();
    for (let i = 0; i < 100; i++) expect(breaker.tryEnter()).toBe(true);
    expect([breaker.isOpen, breaker.stats()]).toEqual([false, { state: 'closed', opened: 0 }]);
  });

  test.each([1, 2, 3, 4])('in 5,000 outcomes of which one in ten is a failure (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const { breaker } = make();
    for (let i = 0; i < 5_000; i++) {
      if (random.next() < 0.1) breaker.failed();
      else breaker.succeeded();
      expect(breaker.isOpen).toBe(false);
    }
  });

  test('where calls are cancelled, however many', () => {
    const { breaker } = make();
    for (let i = 0; i < 1_000; i++) breaker.left();
    expect(breaker.tryEnter()).toBe(true);
  });
});

describe('it opens', () => {
  test.each([
    ['after five failures in a row', 'xxxxx', 5],
    ['not after four', 'xxxxo', undefined],
    ['after five in a row behind many answers', `${'o'.repeat(30)}xxxxx`, 35],
    ['when eight are seen and five failed', 'xoxoxoxx', 8],
    ['not when seven are seen and five failed', 'xxoxxox', undefined],
    ['not when four of eight failed', 'xoxoxoxo', undefined],
    ['when ten of sixteen failed', `${'o'.repeat(40)}${'xxxo'.repeat(3)}x`, 53],
    ['not when nine of sixteen failed', `${'o'.repeat(40)}${'xxxo'.repeat(3)}`, undefined],
    ['not when half of very many failed', 'xo'.repeat(500), undefined],
  ])('%s: %s', (_, outcomes, after) => {
    expect(opensAfter(outcomes)).toBe(after);
  });

  test.each([1, 2, 3, 4])('soon where three in four fail (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const outcomes = Array.from({ length: 40 }, () => (random.next() < 0.75 ? 'x' : 'o')).join('');
    expect(opensAfter(outcomes)).toBeLessThanOrEqual(40);
  });

  test('and lets nobody in until its time has passed', () => {
    const { clock, breaker } = opened();
    expect(breaker.isOpen).toBe(true);
    clock.advance(499);
    expect([breaker.tryEnter(), breaker.isOpen]).toEqual([false, true]);
    clock.advance(1);
    expect([breaker.isOpen, breaker.tryEnter()]).toEqual([false, true]);
  });

  test('once: what fails of the calls that had begun makes it no longer', () => {
    const { clock, breaker } = opened();
    for (let i = 0; i < 20; i++) breaker.failed();
    expect(breaker.stats().opened).toBe(1);
    expect(restMs({ clock, breaker })).toBe(500);
  });
});

describe('half open', () => {
  test('it lets one in, and nobody else before that call has ended', () => {
    const { clock, breaker } = probing();
    expect([breaker.isOpen, breaker.stats().state]).toEqual([true, 'half-open']);
    clock.advance(60_000);
    expect(Array.from({ length: 10 }, () => breaker.tryEnter())).not.toContain(true);
  });

  test('it closes with an answer, and begins anew', () => {
    const { breaker } = probing();
    breaker.succeeded();
    expect([breaker.isOpen, breaker.stats()]).toEqual([false, { state: 'closed', opened: 1 }]);
    for (let i = 0; i < 4; i++) breaker.failed();
    expect(breaker.isOpen).toBe(false);
    breaker.failed();
    expect(breaker.isOpen).toBe(true);
  });

  test('it opens for twice as long with each probe that fails, up to five seconds', () => {
    const made = probing();
    const rests = Array.from({ length: 6 }, () => {
      made.breaker.failed();
      return restMs(made);
    });
    expect(rests).toEqual([1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    expect(made.breaker.stats().opened).toBe(7);
    made.breaker.succeeded();
    for (let i = 0; i < 5; i++) made.breaker.failed();
    expect(restMs(made)).toBe(500);
  });

  test('it is asked again within 6.25 s after a thousand probes that failed', () => {
    const made = make(seededRandom(7));
    for (let i = 0; i < 5; i++) made.breaker.failed();
    for (let probe = 0; probe < 1_000; probe++) {
      made.clock.advance(REST_MS_MAX);
      expect(made.breaker.tryEnter()).toBe(true);
      made.breaker.failed();
    }
  });

  test.each([
    [0, 375],
    [0.999_999, 625],
  ])('when it is asked again is spread by chance (%d)', (chance, ms) => {
    const made = make({ next: () => chance });
    for (let i = 0; i < 5; i++) made.breaker.failed();
    expect(restMs(made)).toBe(ms);
  });

  test('a probe that is cancelled makes room for the next', () => {
    const { breaker } = probing();
    for (let i = 0; i < 100; i++) {
      expect(breaker.tryEnter()).toBe(false);
      breaker.left();
      expect([breaker.isOpen, breaker.tryEnter()]).toEqual([false, true]);
    }
    breaker.succeeded();
    expect(breaker.stats()).toEqual({ state: 'closed', opened: 1 });
  });
});

// Schedule: calls begin, the breaker opens, and they end before and after the probe does.
describe('calls that began before it opened', () => {
  test('close it when they are answered: the server is alive', () => {
    const { breaker } = opened();
    breaker.succeeded();
    expect([breaker.isOpen, breaker.tryEnter()]).toEqual([false, true]);
  });

  test('count for nothing when they fail while it is open, and it then closes', () => {
    const { clock, breaker } = opened();
    for (let i = 0; i < 10; i++) breaker.failed();
    clock.advance(500);
    expect(breaker.tryEnter()).toBe(true);
    breaker.succeeded();
    for (let i = 0; i < 4; i++) breaker.failed();
    expect(breaker.isOpen).toBe(false);
  });

  test('open it again when they fail while it is half open, and the probe may still close it', () => {
    const { breaker } = probing();
    breaker.failed();
    expect(breaker.stats()).toEqual({ state: 'open', opened: 2 });
    breaker.succeeded();
    expect(breaker.stats().state).toBe('closed');
  });

  test('do nothing when they are cancelled while it is open', () => {
    const { clock, breaker } = opened();
    breaker.left();
    expect(breaker.isOpen).toBe(true);
    expect(restMs({ clock, breaker })).toBe(500);
  });
});

test('whatever ends in whatever order, it asks again within 6.25 s of the last end, and one answer then closes it', () => {
  const step = fc.oneof(
    fc.constantFrom('enter' as const, 'failed' as const, 'succeeded' as const, 'left' as const),
    fc.nat(3_000),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, seed) => {
      const { clock, breaker } = make(seededRandom(seed));
      let inFlight = 0;
      for (const each of steps) {
        const probesBefore = breaker.stats().state === 'half-open';
        if (typeof each === 'number') clock.advance(each);
        else if (each === 'enter') {
          const wasOpen = breaker.isOpen;
          const isIn = breaker.tryEnter();
          expect(isIn).toBe(!wasOpen);
          if (isIn) inFlight++;
          if (isIn && probesBefore) expect(breaker.tryEnter()).toBe(false);
        } else if (inFlight > 0) {
          inFlight--;
          breaker[each]();
        }
      }
      for (; inFlight > 0; inFlight--) breaker.failed();
      clock.advance(REST_MS_MAX);
      expect(breaker.tryEnter()).toBe(true);
      breaker.succeeded();
      expect(breaker.stats().state).toBe('closed');
    }),
    { numRuns: 300 },
  );
});
