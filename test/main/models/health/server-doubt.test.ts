import { describe, expect, test } from 'vitest';
import { CircuitBreaker } from '../../../../src/main/models/health/circuit-breaker.ts';
import { type AskReference, ServerDoubt, type ServerVerdict } from '../../../../src/main/models/health/server-doubt.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

class DoubtUnderTest {
  readonly clock = new FakeClock(1_000);
  readonly breaker = new CircuitBreaker(this.clock, { next: () => 0.5 });
  /** The models of the reference calls made so far. */
  readonly asked: string[] = [];
  readonly #open: ((verdict: ServerVerdict) => void)[] = [];
  signal: AbortSignal | undefined;
  readonly #ask: AskReference = (model, signal) => {
    this.asked.push(model);
    this.signal = signal;
    return new Promise((resolve) => this.#open.push(resolve));
  };
  readonly doubt = new ServerDoubt(this.breaker, this.#ask);

  raised(times: number, model = 'm'): void {
    for (let nth = 0; nth < times; nth++) this.doubt.raised(model);
  }

  async shows(verdict: ServerVerdict): Promise<void> {
    this.#open.shift()?.(verdict);
    await flush();
  }

  get state(): string {
    return this.breaker.stats().state;
  }
}

describe('failures that may be of the request', () => {
  test('open nothing where a good request is answered, however many there are', async () => {
    const under = new DoubtUnderTest();
    for (let nth = 0; nth < 20; nth++) {
      under.raised(5);
      expect(under.asked).toHaveLength(nth + 1);
      await under.shows('well');
      expect(under.state).toBe('closed');
    }
    expect(under.doubt.asked).toBe(20);
  });

  test('open the breaker where a good request of the same model fails too: five in a row, not four', async () => {
    const under = new DoubtUnderTest();
    under.raised(4);
    expect(under.asked).toEqual([]);
    under.raised(1, 'other');
    expect(under.asked).toEqual(['other']);
    expect(under.state).toBe('closed');
    await under.shows('ill');
    expect(under.breaker.stats()).toEqual({ state: 'open', opened: 1 });
  });

  test('say nothing of a server that answers others in between', () => {
    const under = new DoubtUnderTest();
    for (let nth = 0; nth < 20; nth++) {
      under.raised(4);
      under.doubt.cleared();
    }
    expect(under.asked).toEqual([]);
  });

  test('cause one good request at a time', async () => {
    const under = new DoubtUnderTest();
    under.raised(50);
    expect(under.asked).toHaveLength(1);
    await under.shows('well');
    under.raised(4);
    expect(under.asked).toHaveLength(1);
  });

  test('are asked about again where the good request showed nothing', async () => {
    const under = new DoubtUnderTest();
    under.raised(5);
    await under.shows('unknown');
    expect(under.state).toBe('closed');
    under.raised(1);
    expect(under.asked).toHaveLength(2);
  });

  test('are of the server where nothing is known to be good', () => {
    const clock = new FakeClock(1_000);
    const breaker = new CircuitBreaker(clock, { next: () => 0.5 });
    const doubt = new ServerDoubt(breaker, undefined);
    for (let nth = 0; nth < 5; nth++) doubt.raised('m');
    expect(breaker.isOpen).toBe(true);
  });
});

describe('the call that was to show whether the server is well again', () => {
  const probed = async (): Promise<DoubtUnderTest> => {
    const under = new DoubtUnderTest();
    under.raised(5);
    await under.shows('ill');
    under.clock.advance(500);
    expect(under.breaker.tryEnter()).toBe(true);
    under.raised(1);
    expect(under.asked).toHaveLength(2);
    // Nobody else is let in before that is known.
    expect(under.breaker.isOpen).toBe(true);
    return under;
  };

  test.each([
    ['well', 'closed'],
    ['ill', 'open'],
    ['unknown', 'half-open'],
  ] as const)('leaves it to a good request, which is %s: %s', async (verdict, state) => {
    const under = await probed();
    await under.shows(verdict);
    expect(under.state).toBe(state);
    if (verdict === 'unknown') expect(under.breaker.tryEnter()).toBe(true);
    if (verdict === 'ill') {
      // Longer than the first time.
      under.clock.advance(999);
      expect(under.state).toBe('open');
      under.clock.advance(1);
      expect(under.state).toBe('half-open');
    }
  });
});

test('closing ends the good request that is on its way', () => {
  const under = new DoubtUnderTest();
  under.raised(5);
  under.doubt.close();
  expect(under.signal?.aborted).toBe(true);
});
