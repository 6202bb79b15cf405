import { describe, expect, test } from 'vitest';
import { AskingTimes } from '../../../src/main/foresight/asking-times.ts';
import { type GuessKind, GuessRecord } from '../../../src/main/foresight/guess-record.ts';
import { SlotPrice } from '../../../src/main/foresight/slot-price.ts';
import { TimeGate } from '../../../src/main/foresight/time-gate.ts';
import { type Stakes, WorthGate } from '../../../src/main/foresight/worth-gate.ts';

describe('the time gate', () => {
  const times = new AskingTimes();
  for (let i = 0; i < 20; i++) {
    times.record('slow', 'camp', 4_000);
    times.record('quick', 'fight', 500);
  }
  const gate = new TimeGate(times);

  test('opens while the wait and the model fit into the usual time, and not beyond', () => {
    expect(gate.opens('slow', 'camp', 1_000, 2_700)).toBe(true);
    expect(gate.opens('slow', 'camp', 1_000, 3_300)).toBe(false);
    expect(gate.opens('quick', 'fight', 0, 400)).toBe(true);
    expect(gate.opens('quick', 'fight', 400, 400)).toBe(false);
  });

  test('stays shut in a scene that nobody is known to have left', () => {
    expect(gate.opens('slow', 'fight', 0, 400)).toBe(true);
    expect(gate.opens('slow', 'map', 0, 1)).toBe(false);
  });

  test('chooses the nearest horizon for which there is time', () => {
    expect(gate.horizon('quick', 'fight', 0, 300, [1, 2, 4])).toBe(1);
    expect(gate.horizon('quick', 'fight', 0, 1_500, [1, 2, 4])).toBe(4);
    expect(gate.horizon('quick', 'fight', 0, 5_000, [1, 2, 4])).toBeUndefined();
  });
});

test('usual times are each agent’s own, and forget', () => {
  const times = new AskingTimes();
  for (let i = 0; i < 3; i++) times.record('a', 'camp', 1_000);
  expect(times.usualMs('a', 'camp')).toBeUndefined();
  for (let i = 0; i < 9; i++) times.record('a', 'camp', 1_000);
  for (let i = 0; i < 9; i++) times.record('b', 'camp', 8_000);
  expect((times.usualMs('a', 'camp') as number) / 1_000).toBeCloseTo(1, 1);
  expect((times.usualMs('b', 'camp') as number) / 8_000).toBeCloseTo(1, 1);
  for (let i = 0; i < 300; i++) times.record('a', 'camp', 3_000);
  expect((times.usualMs('a', 'camp') as number) / 3_000).toBeCloseTo(1, 1);
});

describe('the worth gate', () => {
  const kind: GuessKind = { source: 'experience', scene: 'camp', likelihood: 0.6, horizon: 1 };
  const idle: Stakes = { savedMs: 1_000, callMs: 1_000, askedChance: 0, heldMs: 0 };

  function judged(used: number, wasted: number, of = kind): WorthGate {
    const gate = new WorthGate();
    for (let i = 0; i < used; i++) gate.judged(of, true);
    for (let i = 0; i < wasted; i++) gate.judged(of, false);
    return gate;
  }

  test('is shut without evidence, also of likely guesses', () => {
    expect(new WorthGate().opens({ ...kind, likelihood: 1 }, idle)).toBe(false);
    expect(new WorthGate().usedLow(kind)).toBe(0);
  });

  test('opens where guesses were used, and not where few were', () => {
    expect(judged(30, 10).opens(kind, idle)).toBe(true);
    expect(judged(8, 30).opens(kind, idle)).toBe(false);
  });

  test('a lower bound counts: three of four open nothing, thirty of forty do', () => {
    expect(judged(3, 1).opens(kind, idle)).toBe(false);
    expect(judged(30, 10).opens(kind, idle)).toBe(true);
  });

  test('a slot that somebody is likely to need has a price', () => {
    const gate = judged(24, 16);
    expect(gate.opens(kind, { ...idle, askedChance: 0.1, heldMs: 1_000 })).toBe(true);
    expect(gate.opens(kind, { ...idle, askedChance: 0.9, heldMs: 1_000 })).toBe(false);
    expect(gate.opens(kind, { ...idle, askedChance: 0.9, heldMs: 200 })).toBe(true);
  });

  test('nothing is worth a call that saves no time', () => {
    expect(judged(300, 0).opens(kind, { ...idle, savedMs: 0 })).toBe(false);
  });

  test('sources, horizons and bands of likelihood have each their own evidence', () => {
    const gate = judged(40, 0);
    expect(gate.opens({ ...kind, source: 'host' }, idle)).toBe(false);
    expect(gate.opens({ ...kind, horizon: 2 }, idle)).toBe(false);
    expect(gate.opens({ ...kind, likelihood: 0.3 }, idle)).toBe(false);
    expect(gate.opens({ ...kind, likelihood: 0.7 }, idle)).toBe(true);
  });

  test('a scene is judged by all scenes until it has evidence of its own', () => {
    const gate = judged(100, 0);
    const elsewhere = { ...kind, scene: 'sea' };
    for (let i = 0; i < 18; i++) {
      expect(gate.opens(elsewhere, idle)).toBe(true);
      gate.judged(elsewhere, false);
    }
    for (let i = 0; i < 6; i++) gate.judged(elsewhere, false);
    expect(gate.opens(elsewhere, idle)).toBe(false);
    expect(gate.opens(kind, idle)).toBe(true);
  });

  test('closes when guesses become useless, and opens again when they are used', () => {
    const gate = judged(200, 0);
    for (let i = 0; i < 600; i++) gate.judged(kind, false);
    expect(gate.opens(kind, idle)).toBe(false);
    for (let i = 0; i < 600; i++) gate.judged(kind, true);
    expect(gate.opens(kind, idle)).toBe(true);
  });

  test('lets one of a hundred silent decisions try', () => {
    const gate = new WorthGate();
    const tries = Array.from({ length: 300 }, () => gate.tries());
    expect(tries.filter(Boolean)).toHaveLength(3);
    expect(tries.indexOf(true)).toBe(99);
  });
});

test('the chance that a model is needed grows with the time and with how often one is', () => {
  const price = new SlotPrice();
  expect(price.chanceWithin(1_000)).toBe(0);
  for (let i = 0; i < 50; i++) price.asked(1_000 * i);
  expect(price.chanceWithin(1_000)).toBeCloseTo(1 - Math.exp(-1));
  expect(price.chanceWithin(100)).toBeLessThan(0.1);
  for (let i = 0; i < 100; i++) price.asked(50_000 + 10 * i);
  expect(price.chanceWithin(1_000)).toBeGreaterThan(0.99);
});

test('what a host claims is believed until there is evidence, and less where it was wrong', () => {
  const record = new GuessRecord();
  const told: GuessKind = { source: 'host', scene: 'camp', likelihood: 0.8, horizon: 1 };
  expect(record.usedLow(told)).toBe(0);
  expect(record.claimedLow(told)).toBeGreaterThan(0.5);
  expect(record.claimedLow(told)).toBeLessThan(0.8);
  expect(record.claimedLow({ ...told, likelihood: 0 })).toBe(0);
  for (let i = 0; i < 400; i++) record.judged(told, i % 10 === 0);
  expect(record.claimedLow(told)).toBeLessThan(0.2);
  for (let i = 0; i < 1_000; i++) record.judged(told, true);
  expect(record.claimedLow(told)).toBeGreaterThan(0.9);
});
