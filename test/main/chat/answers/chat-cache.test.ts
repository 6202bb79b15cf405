import { expect, test } from 'vitest';
import { ChatCache } from '../../../../src/main/chat/answers/chat-cache.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const ANSWER = { completion: 'x', model: 'm', endpoint: 'e' };

function makeCache(entries = 10, bytesMax = 1_000_000): { cache: ChatCache; clock: FakeClock } {
  const clock = new FakeClock();
  return { clock, cache: new ChatCache({ entries, bytesMax, ttlMs: 1_000, when: 'all' }, clock) };
}

test('an answer is given again until its time is over, and not a moment longer', () => {
  const { cache, clock } = makeCache();
  cache.keep('k', ANSWER);
  clock.advance(999);
  expect(cache.find('k')).toMatchObject(ANSWER);
  clock.advance(1);
  expect(cache.find('k')).toBeUndefined();
  expect(cache.stats()).toMatchObject({ entries: 0, hits: 1, misses: 1 });
});

test('being asked for does not make it last longer', () => {
  const { cache, clock } = makeCache();
  cache.keep('k', ANSWER);
  for (let nth = 0; nth < 9; nth++) {
    clock.advance(100);
    expect(cache.find('k')).toBeDefined();
  }
  clock.advance(100);
  expect(cache.find('k')).toBeUndefined();
});

test('of more entries the least recently used one gives way', () => {
  const { cache } = makeCache(2);
  cache.keep('a', ANSWER);
  cache.keep('b', ANSWER);
  cache.find('a');
  cache.keep('c', ANSWER);
  expect(['a', 'b', 'c'].map((key) => cache.find(key) !== undefined)).toEqual([true, false, true]);
});

test('never takes more bytes than its bound, nor one answer an eighth of it', () => {
  const { cache } = makeCache(1_000, 80_000);
  for (let nth = 0; nth < 100; nth++) cache.keep(`k${nth}`, { ...ANSWER, completion: 'x'.repeat(2_000) });
  const { bytes, entries } = cache.stats();
  expect(bytes).toBeLessThanOrEqual(80_000);
  expect(entries).toBeGreaterThan(10);
  cache.keep('large', { ...ANSWER, completion: 'x'.repeat(6_000) });
  expect(cache.find('large')).toBeUndefined();
  expect(cache.stats().notKept).toBe(1);
});
