import { describe, expect, test } from 'vitest';
import { PlanCache } from '../../../src/main/cache/plan-cache.ts';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { StoreReader } from '../../../src/shared/store/store-reader.ts';
import { assertStoreValid } from '../../support/assert-store-valid.ts';
import { decision, signatureOf } from '../../support/decisions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { testDomain } from '../../support/make-planner.ts';

function cacheOf(entries = 3, ttlMs = 120_000): { cache: PlanCache; clock: FakeClock } {
  const clock = new FakeClock(500);
  return { cache: new PlanCache({ entries, ttlMs }, clock), clock };
}

describe('freshness', () => {
  test('a decision is a hit up to the millisecond before its time, and stale from it on', () => {
    const { cache, clock } = cacheOf();
    expect(cache.lookup(signatureOf(1)).kind).toBe('miss');
    cache.remember(signatureOf(1), decision());
    expect(cache.lookup(signatureOf(1))).toMatchObject({ kind: 'hit', entry: { decision: decision() } });
    clock.advance(119_999);
    expect(cache.lookup(signatureOf(1)).kind).toBe('hit');
    expect(cache.peek(signatureOf(1))).toEqual(decision());
    clock.advance(1);
    expect(cache.lookup(signatureOf(1))).toMatchObject({ kind: 'stale', entry: { decision: decision() } });
    expect(cache.peek(signatureOf(1))).toBeUndefined();
  });

  test('remembering again starts the time anew; looking up does not', () => {
    const { cache, clock } = cacheOf();
    cache.remember(signatureOf(1), decision());
    clock.advance(60_000);
    cache.lookup(signatureOf(1));
    clock.advance(60_000);
    expect(cache.lookup(signatureOf(1)).kind).toBe('stale');
    cache.remember(signatureOf(1), decision({ reason: 'again' }));
    clock.advance(119_999);
    expect(cache.lookup(signatureOf(1))).toMatchObject({ kind: 'hit', entry: { decision: { reason: 'again' } } });
    clock.advance(1);
    expect(cache.lookup(signatureOf(1)).kind).toBe('stale');
  });

  test('a decision that is never served again goes when its slot is needed', () => {
    const { cache } = cacheOf(1);
    cache.remember(signatureOf(1), decision());
    cache.remember(signatureOf(2), decision());
    expect([cache.lookup(signatureOf(1)).kind, cache.lookup(signatureOf(2)).kind]).toEqual(['miss', 'hit']);
  });
});

describe('the order of use', () => {
  test('is moved by a hit', () => {
    const { cache } = cacheOf(2);
    cache.remember(signatureOf(1), decision());
    cache.remember(signatureOf(2), decision());
    cache.lookup(signatureOf(1));
    cache.remember(signatureOf(3), decision());
    expect([1, 2, 3].map((id) => cache.lookup(signatureOf(id)).kind)).toEqual(['hit', 'miss', 'hit']);
  });

  test('is moved neither by a peek nor by a stale lookup', () => {
    const { cache, clock } = cacheOf(2, 100);
    cache.remember(signatureOf(1), decision());
    clock.advance(50);
    cache.remember(signatureOf(2), decision());
    cache.peek(signatureOf(1));
    clock.advance(50);
    expect(cache.lookup(signatureOf(1)).kind).toBe('stale');
    cache.remember(signatureOf(3), decision());
    expect([1, 2, 3].map((id) => cache.lookup(signatureOf(id)).kind)).toEqual(['miss', 'hit', 'hit']);
  });

  test('gives a second chance to what another reader hit', () => {
    const { cache, clock } = cacheOf(2);
    cache.remember(signatureOf(1), decision());
    cache.remember(signatureOf(2), decision());
    new StoreReader(cache.buffer).lookup(signatureOf(1), clock.now());
    cache.remember(signatureOf(3), decision());
    expect([1, 2, 3].map((id) => cache.lookup(signatureOf(id)).kind)).toEqual(['hit', 'miss', 'hit']);
  });
});

describe('the counts', () => {
  test('are all zero at the start', () => {
    expect(cacheOf().cache.stats()).toEqual({
      entries: 0,
      entriesMax: 3,
      ttlMs: 120_000,
      hits: 0,
      misses: 0,
      expired: 0,
      hitRate: 0,
      evictions: 0,
      cut: 0,
      tooLarge: 0,
    });
  });

  test('hold the lookups of every thread, and none of the peeks', () => {
    const { cache, clock } = cacheOf(2, 100);
    cache.remember(signatureOf(1), decision());
    cache.lookup(signatureOf(1));
    new StoreReader(cache.buffer).lookup(signatureOf(1), clock.now());
    cache.peek(signatureOf(1));
    cache.lookup(signatureOf(2));
    clock.advance(100);
    cache.lookup(signatureOf(1));
    expect(cache.stats()).toMatchObject({ entries: 1, hits: 2, misses: 2, expired: 1, hitRate: 0.5 });
  });

  test('hold evictions, decisions that were cut, and those that were too large', () => {
    const { cache } = cacheOf(2);
    for (const id of [1, 2, 3]) cache.remember(signatureOf(id), decision());
    cache.remember(signatureOf(3), decision({ reason: 'x'.repeat(1_000) }));
    cache.remember(signatureOf(4), decision({ action: 'x'.repeat(1_000) }));
    expect(cache.stats()).toMatchObject({ entries: 2, evictions: 1, cut: 1, tooLarge: 1 });
    expect(cache.lookup(signatureOf(4)).kind).toBe('miss');
  });
});

test('an emptied cache finds nothing and takes as much as a new one', () => {
  const { cache } = cacheOf(2);
  for (const id of [1, 2]) cache.remember(signatureOf(id), decision());
  cache.clear();
  expect(cache.stats().entries).toBe(0);
  expect([1, 2].map((id) => cache.lookup(signatureOf(id)).kind)).toEqual(['miss', 'miss']);
  assertStoreValid(cache.buffer, 0);
  for (const id of [3, 4]) cache.remember(signatureOf(id), decision());
  expect(cache.stats()).toMatchObject({ entries: 2, evictions: 0 });
  assertStoreValid(cache.buffer, 2);
});

test('holds 200 decisions for 120,000 ms unless told otherwise', () => {
  const endpoints = { local: { baseURL: 'http://localhost:1234/v1' } };
  expect(resolveOptions({ domain: testDomain, endpoints, experts: [] }).cache).toEqual({
    entries: 200,
    ttlMs: 120_000,
  });
  const { cache } = cacheOf(200);
  for (let id = 0; id < 201; id++) cache.remember(signatureOf(id), decision());
  expect(cache.stats()).toMatchObject({ entries: 200, evictions: 1 });
  assertStoreValid(cache.buffer, 200);
});
