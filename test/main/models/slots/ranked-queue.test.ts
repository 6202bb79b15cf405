import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RankedQueue } from '../../../../src/main/models/slots/ranked-queue.ts';

interface Item {
  readonly rankMs: number;
  readonly nth: number;
}

/** The same in a list that is sorted anew for each question. */
class PlainQueue {
  #items: Item[] = [];

  add(item: Item): void {
    this.#items.push(item);
    this.#items.sort((a, b) => a.rankMs - b.rankMs || a.nth - b.nth);
  }

  delete(item: Item | undefined): void {
    this.#items = this.#items.filter((other) => other !== item);
  }

  get items(): readonly Item[] {
    return this.#items;
  }
}

const rank = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant(Number.POSITIVE_INFINITY));
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), rankMs: rank }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), nth: fc.nat(2_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shift' as const) }) },
);

test('keeps the order of ranks and of coming, as a sorted list does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1_500, size: 'max' }), rank, (steps, asked) => {
      const queue = new RankedQueue<Item>();
      const plain = new PlainQueue();
      const added: Item[] = [];
      for (const each of steps) {
        if (each.kind === 'add') {
          const item = { rankMs: each.rankMs, nth: added.length };
          added.push(item);
          queue.add(item);
          plain.add(item);
        } else {
          const item = each.kind === 'shift' ? queue.shift() : added[each.nth % Math.max(1, added.length)];
          if (item !== undefined && each.kind === 'delete') queue.delete(item);
          plain.delete(item);
        }
      }
      const { items } = plain;
      expect(queue.slice(0, queue.length)).toEqual(items);
      expect(queue.slice(3, 9)).toEqual(items.slice(3, 9));
      expect([queue.length, queue.first]).toEqual([items.length, items[0]]);
      expect(queue.before(asked)).toBe(items.filter(({ rankMs }) => rankMs <= asked).length);
    }),
    { numRuns: 30 },
  );
});

test('thousands of one rank leave in any order', () => {
  const queue = new RankedQueue<Item>();
  const items = Array.from({ length: 5_000 }, (_, nth) => ({ rankMs: 7, nth }));
  for (const item of items) queue.add(item);
  for (const item of items.filter(({ nth }) => nth % 3 > 0).reverse()) queue.delete(item);
  expect(queue.slice(0, queue.length)).toEqual(items.filter(({ nth }) => nth % 3 === 0));
  for (const item of items) queue.delete(item);
  expect([queue.length, queue.first, queue.shift()]).toEqual([0, undefined, undefined]);
});
