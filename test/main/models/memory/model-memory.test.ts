import { describe, expect, test } from 'vitest';
import type { LoadedModels } from '../../../../src/main/models/memory/memory-watch.ts';
import { ModelMemory } from '../../../../src/main/models/memory/model-memory.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const MODELS = ['a', 'b', 'c'] as const;

function loaded(...names: string[]): LoadedModels {
  return { names: new Set(names), count: names.length };
}

const TEXT = { isComparable: true, isBroken: false };

class MemoryUnderTest {
  readonly clock = new FakeClock();
  readonly memory: ModelMemory;

  constructor(isOn = true, wanted: readonly string[] = MODELS) {
    this.memory = new ModelMemory(this.clock, isOn, new Set(wanted));
    this.memory.lists(MODELS);
  }

  call(model: string, firstTokenMs = 100): void {
    const visit = this.memory.begins(model);
    this.clock.advance(firstTokenMs);
    this.memory.ended(visit, { totalMs: firstTokenMs, firstTokenMs }, TEXT);
  }

  get needed(): string[] {
    return MODELS.filter((model) => this.memory.needsLoad(model));
  }
}

describe('a server that tells what it has in memory', () => {
  test('has all of the models: none needs a load, and what comes and goes otherwise is no matter', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a', 'b', 'c'));
    under.call('a');
    under.memory.told(loaded('a', 'c'));
    expect([under.memory.isShort, under.needed, under.memory.stats().loads]).toEqual([false, [], 0]);
  });

  test('and puts one out for another: the one that is not there needs a load', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a', 'b', 'c'));
    under.memory.told(loaded('b', 'c'));
    // Put out for being idle, as it seems.
    expect(under.needed).toEqual([]);
    under.call('a');
    under.memory.told(loaded('a', 'c'));
    expect([under.memory.isProven, under.memory.fits, under.needed]).toEqual([true, 2, ['b']]);
  });

  test('and has some of them at the start is taken to have room for no more until that is known', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a'));
    expect([under.memory.isShort, under.memory.isProven, under.needed]).toEqual([true, false, ['b', 'c']]);
    under.call('b');
    under.memory.told(loaded('a', 'b'));
    expect([under.memory.fits, under.needed]).toEqual([2, ['c']]);
    under.call('c');
    under.memory.told(loaded('a', 'b', 'c'));
    expect([under.memory.isShort, under.needed]).toEqual([false, []]);
  });

  test('and loads what somebody else asks for is noticed', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a'));
    under.memory.told(loaded('another'));
    expect([under.memory.isProven, under.needed]).toEqual([true, ['a', 'b', 'c']]);
  });

  test('of one configured model only is never short of memory for it', () => {
    const under = new MemoryUnderTest(true, ['a']);
    under.memory.told(loaded());
    expect(under.memory.isShort).toBe(false);
  });

  test('is not judged where that is switched off', () => {
    const under = new MemoryUnderTest(false);
    under.memory.told(loaded('a'));
    under.memory.told(loaded('b'));
    expect([under.memory.isShort, under.needed, under.memory.fits]).toEqual([false, [], Number.POSITIVE_INFINITY]);
  });
});

test('a model that was not asked for minutes has gone for being idle, whoever came', () => {
  const under = new MemoryUnderTest();
  under.memory.told(loaded('a', 'b', 'c'));
  under.clock.advance(239_999);
  under.call('b', 1);
  under.memory.told(loaded('b', 'c', 'another'));
  expect([under.memory.isShort, under.needed]).toEqual([false, []]);
  under.memory.told(loaded('c', 'third'));
  expect([under.memory.isProven, under.needed]).toEqual([true, ['a', 'b']]);
});

test('of a model that the server does not list nothing is concluded', () => {
  const under = new MemoryUnderTest();
  under.memory.told(loaded('a', 'b', 'c'));
  under.call('by another name');
  under.memory.told(loaded('a', 'b', 'd'));
  expect([under.memory.isProven, under.memory.isUnsure]).toEqual([true, false]);
  expect(under.memory.needsLoad('by another name')).toBe(false);
});

describe('a load', () => {
  test('takes as long as the latest one of the model, else as those of others, else some seconds; less as it goes on', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a'));
    expect(under.memory.loadMs('a')).toBe(0);
    expect(under.memory.loadMs('b')).toBe(5_000);
    const visit = under.memory.begins('b');
    under.clock.advance(2_000);
    expect(under.memory.loadMs('b')).toBe(3_000);
    under.clock.advance(2_000);
    under.memory.ended(visit, { totalMs: 4_500, firstTokenMs: 4_000 }, TEXT);
    expect([under.memory.loadMs('b'), under.memory.usualLoadMs('b'), under.memory.loadMs('a')]).toEqual([
      0, 4_000, 4_000,
    ]);
  });

  test('that was cut takes at least that long', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a'));
    under.memory.ended(under.memory.begins('b'), { totalMs: 9_000 }, TEXT);
    expect(under.memory.usualLoadMs('b')).toBe(9_000);
  });

  test('is counted once, however many calls wait for it', () => {
    const under = new MemoryUnderTest();
    under.memory.told(loaded('a'));
    const visits = ['b', 'b', 'b'].map((model) => under.memory.begins(model));
    expect(visits.map(({ isLoad, isCold }) => [isLoad, isCold])).toEqual([
      [true, true],
      [false, true],
      [false, true],
    ]);
    expect(under.memory.stats().loads).toBe(1);
  });
});

describe('a server that does not tell', () => {
  const slow = 4_000;

  function swap(under: MemoryUnderTest, times: number): void {
    for (let nth = 0; nth < times; nth++) under.call(MODELS[nth % 3] as string, slow);
  }

  test('is taken for one that holds all while no load was seen', () => {
    const under = new MemoryUnderTest();
    for (let nth = 0; nth < 60; nth++) under.call(MODELS[nth % 3] as string, 300);
    expect(under.memory.isShort).toBe(false);
  });

  test('is suspected where all calls after other models take long, and then one model is asked alone', () => {
    const under = new MemoryUnderTest();
    swap(under, 12);
    expect([under.memory.isShort, under.memory.isProven]).toEqual([true, false]);
    expect(under.needed).toHaveLength(2);
    const [there = ''] = under.memory.stats().loaded;
    for (let nth = 0; nth < 6; nth++) under.call(there, 300);
    expect([under.memory.isProven, under.memory.fits]).toEqual([true, 2]);
  });

  test('is cleared where calls of one model alone take as long, and not suspected again for long', () => {
    const under = new MemoryUnderTest();
    swap(under, 12);
    const [there = ''] = under.memory.stats().loaded;
    for (let nth = 0; nth < 6; nth++) under.call(there, slow);
    expect(under.memory.isShort).toBe(false);
    swap(under, 60);
    expect(under.memory.isShort).toBe(false);
  });

  test('is cleared by one quick call of a model that was thought to be gone', () => {
    const under = new MemoryUnderTest();
    swap(under, 12);
    const [there = ''] = under.memory.stats().loaded;
    for (let nth = 0; nth < 6; nth++) under.call(there, 300);
    under.call(under.needed[0] as string, 300);
    expect(under.memory.isShort).toBe(false);
  });
});
