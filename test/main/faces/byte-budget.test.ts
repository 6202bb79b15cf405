import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteBudget, type ByteCharge } from '../../../src/main/faces/byte-budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function make(bytesMax: number, inAllMax?: number) {
  const clock = new FakeClock();
  const inAll = inAllMax === undefined ? undefined : new ByteBudget(inAllMax, clock);
  const budget = new ByteBudget(bytesMax, clock, inAll);
  const dropped: string[] = [];
  const begin = (name: string, from = budget): ByteCharge => from.charge(() => dropped.push(name));
  return { clock, inAll, budget, dropped, begin };
}

describe('a budget of bytes', () => {
  test('is full to the last byte, and what alone is larger finds no room', () => {
    const { budget, begin, dropped } = make(100);
    const one = begin('one');
    expect(one.add(100)).toBe(true);
    expect(one.add(1)).toBe(false);
    one.release();
    expect(budget.bytes).toBe(0);
    expect(begin('two').add(101)).toBe(false);
    expect(dropped).toEqual([]);
  });

  test('drops the one that comes slowest, not the one that began first', () => {
    const { clock, budget, begin, dropped } = make(100);
    const steady = begin('steady');
    clock.advance(10);
    const stopped = begin('stopped');
    expect(stopped.add(40)).toBe(true);
    clock.advance(100);
    expect(steady.add(60)).toBe(true);
    const late = begin('late');
    expect(late.add(30)).toBe(true);
    expect(dropped).toEqual(['stopped']);
    expect(budget.bytes).toBe(90);
  });

  test('has no room for the slowest itself', () => {
    const { clock, begin, dropped } = make(100);
    const slow = begin('slow');
    slow.add(10);
    clock.advance(1_000);
    const quick = begin('quick');
    quick.add(90);
    expect(slow.add(1)).toBe(false);
    slow.release();
    expect(quick.add(10)).toBe(true);
    expect(dropped).toEqual([]);
  });

  test('never drops what has come whole, and keeps it until the last holder lets go', () => {
    const { clock, budget, begin, dropped } = make(100);
    const whole = begin('whole');
    whole.add(80);
    whole.arrived();
    whole.hold();
    clock.advance(1_000);
    whole.release();
    const next = begin('next');
    expect(next.add(21)).toBe(false);
    expect(next.add(20)).toBe(true);
    whole.release();
    expect(budget.bytes).toBe(20);
    expect(dropped).toEqual([]);
  });

  test('of one face does not starve the others, and that of all drops from any', () => {
    const { clock, inAll, budget, begin, dropped } = make(100, 150);
    const other = new ByteBudget(100, clock, inAll);
    const slow = begin('slow', other);
    slow.add(90);
    clock.advance(50);
    const one = begin('one');
    expect(one.add(60)).toBe(true);
    expect(one.add(30)).toBe(true);
    expect(dropped).toEqual(['slow']);
    expect([budget.bytes, other.bytes, inAll?.bytes]).toEqual([90, 0, 90]);
  });

  test('is never passed, and empty when all have let go', () => {
    const step = fc.record({
      who: fc.nat({ max: 7 }),
      bytes: fc.nat({ max: 60 }),
      ms: fc.nat({ max: 5 }),
      ends: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, inAll, budget } = make(100, 130);
        const other = new ByteBudget(80, clock, inAll);
        const open = new Map<number, ByteCharge>();
        for (const { who, bytes, ms, ends } of steps) {
          clock.advance(ms);
          const charge = open.get(who) ?? (who % 2 === 0 ? budget : other).charge(() => open.delete(who));
          open.set(who, charge);
          if (ends === 0) charge.arrived();
          if (ends > 1 && charge.add(bytes)) continue;
          charge.release();
          open.delete(who);
          expect(budget.bytes).toBeLessThanOrEqual(100);
          expect(other.bytes).toBeLessThanOrEqual(80);
          expect(inAll?.bytes).toBeLessThanOrEqual(130);
        }
        for (const charge of open.values()) charge.release();
        expect([budget.bytes, other.bytes, inAll?.bytes]).toEqual([0, 0, 0]);
      }),
    );
  });
});
