import { describe, expect, test } from 'vitest';
import { type EndpointFacts, NO_FACTS } from '../../../../src/main/models/discovery/endpoint-facts.ts';
import { FactsWatch } from '../../../../src/main/models/discovery/facts-watch.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function llama(slots: number | undefined, more: Partial<EndpointFacts> = {}): EndpointFacts {
  return {
    ...NO_FACTS,
    kind: 'llamacpp',
    models: [{ id: 'm', loaded: true }],
    ...(slots === undefined ? {} : { slots }),
    ...more,
  };
}

class WatchUnderTest {
  readonly clock = new FakeClock(1_000);
  readonly learnt: EndpointFacts[] = [];
  /** What the server tells now. */
  tells: EndpointFacts | Promise<EndpointFacts> = llama(2);
  signal: AbortSignal | undefined;
  readonly watch = new FactsWatch(
    this.clock,
    async (signal) => {
      this.signal = signal;
      return this.tells;
    },
    (facts) => this.learnt.push(facts),
  );

  /** It answers a call after so long. */
  async answers(afterMs: number): Promise<number> {
    this.clock.advance(afterMs);
    this.watch.answered();
    await flush();
    return this.watch.asked;
  }
}

describe('a server that told what it is', () => {
  test('is not asked again for two minutes, and then once', async () => {
    const under = new WatchUnderTest();
    under.watch.learnt(llama(4));
    expect(await under.answers(119_999)).toBe(0);
    expect(await under.answers(1)).toBe(1);
    expect(under.learnt).toEqual([llama(2)]);
    expect(await under.answers(60_000)).toBe(1);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('is asked at its first answer after a failure that may be a restart, and not before that', async () => {
    const under = new WatchUnderTest();
    under.watch.learnt(llama(4));
    under.clock.advance(10_000);
    under.watch.doubted();
    under.watch.doubted();
    expect(under.watch.asked).toBe(0);
    expect(await under.answers(0)).toBe(1);
    expect(under.learnt).toEqual([llama(2)]);
    expect(await under.answers(10_000)).toBe(1);
  });

  test('is asked once a second at most, however often its connection fails', async () => {
    const under = new WatchUnderTest();
    under.watch.learnt(llama(4));
    under.watch.doubted();
    expect(await under.answers(999)).toBe(0);
    expect(await under.answers(1)).toBe(1);
    under.watch.doubted();
    expect(await under.answers(999)).toBe(1);
    expect(await under.answers(1)).toBe(2);
  });

  test('is asked again where its connection failed while it was asked', async () => {
    const under = new WatchUnderTest();
    under.watch.learnt(llama(4));
    const { promise, resolve } = Promise.withResolvers<EndpointFacts>();
    under.tells = promise;
    under.watch.doubted();
    expect(await under.answers(1_000)).toBe(1);
    under.watch.doubted();
    expect(await under.answers(1_000)).toBe(1);
    resolve(llama(3));
    await flush();
    under.tells = llama(2);
    expect(await under.answers(0)).toBe(2);
    expect(under.learnt).toEqual([llama(3), llama(2)]);
  });

  test('keeps what it is silent about at a busy moment, unless it is another kind by now', async () => {
    const under = new WatchUnderTest();
    under.watch.learnt(llama(4, { tellsSlots: true }));
    under.tells = llama(undefined, { models: [] });
    await under.answers(120_000);
    expect(under.learnt).toEqual([llama(4, { tellsSlots: true })]);
    const other: EndpointFacts = { ...NO_FACTS, kind: 'vllm', models: [{ id: 'v' }] };
    under.tells = other;
    await under.answers(120_000);
    expect(under.learnt[1]).toEqual(other);
  });
});

describe('a server that told nothing', () => {
  test('is asked at its first answer, then at longer and longer intervals until it tells', async () => {
    const under = new WatchUnderTest();
    under.watch.learnt(NO_FACTS);
    under.tells = NO_FACTS;
    const askedAfterMs: number[] = [];
    let sinceMs = 0;
    for (let ms = 0; ms < 600_000; ms += 500) {
      const before = under.watch.asked;
      sinceMs += 500;
      if ((await under.answers(500)) > before) {
        askedAfterMs.push(sinceMs);
        sinceMs = 0;
      }
    }
    expect(askedAfterMs.slice(0, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000]);
    expect(under.learnt).toEqual([]);
    under.tells = llama(2);
    await under.answers(120_000);
    expect(under.learnt).toEqual([llama(2)]);
  });
});

test('what is learnt after closing is dropped, and the question is given up', async () => {
  const under = new WatchUnderTest();
  const { promise, resolve } = Promise.withResolvers<EndpointFacts>();
  under.tells = promise;
  await under.answers(1_000);
  under.watch.close();
  expect(under.signal?.aborted).toBe(true);
  resolve(llama(2));
  await flush();
  expect(under.learnt).toEqual([]);
});
