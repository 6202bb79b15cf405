import { expect, test } from 'vitest';
import { type EndpointFacts, NO_FACTS } from '../../../../src/main/models/discovery/endpoint-facts.ts';
import { type LoadedModels, MemoryWatch } from '../../../../src/main/models/memory/memory-watch.ts';
import { ModelMemory } from '../../../../src/main/models/memory/model-memory.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const STUDIO: EndpointFacts = {
  ...NO_FACTS,
  kind: 'lmstudio',
  models: [
    { id: 'a', loaded: true },
    { id: 'b', loaded: false },
  ],
};

const TEXT = { isComparable: true, isBroken: false };

class WatchUnderTest {
  readonly clock = new FakeClock(60_000);
  readonly memory = new ModelMemory(this.clock, true, new Set(['a', 'b']));
  asked = 0;
  answer: () => LoadedModels | undefined | Promise<LoadedModels | undefined> = () => undefined;
  readonly watch = new MemoryWatch(this.clock, this.memory, async () => {
    this.asked++;
    return this.answer();
  });

  async usedAfter(ms: number): Promise<number> {
    this.clock.advance(ms);
    this.watch.used();
    await flush();
    return this.asked;
  }
}

test('a server of several models that tells what is loaded is asked every five seconds of use, by no timer', async () => {
  const under = new WatchUnderTest();
  under.watch.learnt(STUDIO);
  expect(await under.usedAfter(0)).toBe(1);
  expect(await under.usedAfter(4_999)).toBe(1);
  expect(await under.usedAfter(1)).toBe(2);
  expect(under.clock.pendingTimers).toBe(0);
});

test.each<readonly [string, EndpointFacts]>([
  ['tells nothing', NO_FACTS],
  ['has one model', { ...STUDIO, models: [{ id: 'a', loaded: true }] }],
  ['does not tell what is loaded', { ...STUDIO, models: [{ id: 'a' }, { id: 'b' }] }],
])('one that %s is never asked', async (_, facts) => {
  const under = new WatchUnderTest();
  under.watch.learnt(facts);
  await under.watch.look();
  expect(await under.usedAfter(60_000)).toBe(0);
});

test('it is asked sooner after a call on a model that it had not told of', async () => {
  const under = new WatchUnderTest();
  under.watch.learnt(STUDIO);
  await under.usedAfter(0);
  under.answer = () => ({ names: new Set(['b']), count: 1 });
  under.memory.ended(under.memory.begins('b'), { totalMs: 5_000, firstTokenMs: 4_000 }, TEXT);
  expect(await under.usedAfter(499)).toBe(1);
  expect(await under.usedAfter(1)).toBe(2);
  expect([under.memory.isProven, under.memory.needsLoad('a')]).toEqual([true, true]);
});

test('an answer that a call has overtaken counts for nothing, and it is asked again', async () => {
  const under = new WatchUnderTest();
  under.watch.learnt(STUDIO);
  const late = Promise.withResolvers<LoadedModels>();
  under.answer = () => late.promise;
  await under.usedAfter(0);
  under.memory.begins('b');
  late.resolve({ names: new Set(['a']), count: 1 });
  await flush();
  expect(under.memory.needsLoad('b')).toBe(false);
  expect(await under.usedAfter(0)).toBe(2);
});

test('once closed, it asks nothing and learns nothing', async () => {
  const under = new WatchUnderTest();
  under.watch.learnt(STUDIO);
  const late = Promise.withResolvers<LoadedModels>();
  under.answer = () => late.promise;
  await under.usedAfter(0);
  under.watch.close();
  late.resolve({ names: new Set(['b']), count: 1 });
  await flush();
  expect(under.memory.stats().loaded).toEqual(['a']);
  expect(await under.usedAfter(60_000)).toBe(1);
});
