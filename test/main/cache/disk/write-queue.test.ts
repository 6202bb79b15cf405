import { expect, test } from 'vitest';
import { type QueuedWrite, WriteQueue } from '../../../../src/main/cache/disk/write-queue.ts';
import { keyOf } from './support/records.ts';

function put(number: number, text: string): QueuedWrite {
  return { kind: 'put', key: keyOf(number), value: new TextEncoder().encode(text), expiresAtWallMs: 0 };
}

test('the newest write of a key wins, and waits its turn anew', () => {
  const queue = new WriteQueue(10);
  const [first, second, third] = [put(1, 'first'), put(2, 'second'), put(1, 'third')];
  for (const write of [first, second, third]) queue.add(write);
  expect(queue.size).toBe(2);
  expect(queue.find(keyOf(1))).toBe(third);
  expect(queue.take(10)).toEqual([second, third]);
});

test('at the bound, and not before, the write that waits longest goes', () => {
  const queue = new WriteQueue(2);
  const first = put(1, 'first');
  expect(queue.add(first)).toBeUndefined();
  expect(queue.add(put(2, 'second'))).toBeUndefined();
  expect(queue.add(put(2, 'again'))).toBeUndefined();
  expect(queue.add(put(3, 'third'))).toBe(first);
  expect(queue.size).toBe(2);
});

test('what was taken is found until its batch is settled', () => {
  const queue = new WriteQueue(10);
  const [old, young] = [put(1, 'old'), put(1, 'young')];
  queue.add(old);
  queue.take(10);
  expect(queue.find(keyOf(1))).toBe(old);
  queue.add(young);
  expect(queue.find(keyOf(1))).toBe(young);
  expect(queue.size).toBe(1);
  queue.settle();
  queue.take(10);
  queue.settle();
  expect(queue.find(keyOf(1))).toBeUndefined();
});

test('puts that are given up become removals, those that were taken too', () => {
  const queue = new WriteQueue(10);
  for (let i = 0; i < 4; i++) queue.add(put(i, 'text'));
  queue.take(2);
  queue.add(put(0, 'of a key that was taken'));
  queue.add({ kind: 'remove', key: keyOf(9) });
  expect(queue.giveUpPuts()).toBe(4);
  const kinds = [0, 1, 2, 3, 9].map((number) => queue.find(keyOf(number))?.kind);
  expect(kinds).toEqual(['remove', 'remove', 'remove', 'remove', 'remove']);
  expect(queue.size).toBe(5);
});

test('a cleared queue finds nothing, not even what was taken', () => {
  const queue = new WriteQueue(10);
  queue.add(put(1, 'taken'));
  queue.take(1);
  queue.add(put(2, 'waiting'));
  queue.clear();
  expect([queue.find(keyOf(1)), queue.find(keyOf(2)), queue.size]).toEqual([undefined, undefined, 0]);
});
