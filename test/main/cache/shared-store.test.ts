import { expect, test } from 'vitest';
import { openSharedStore } from '../../../src/main/cache/open-plan-cache.ts';
import { scopedDomain } from '../../../src/shared/scoped-domain.ts';
import { decision } from '../../support/decisions.ts';
import { CacheUnderTest, cacheDomain, PLAIN_CACHE, seen } from '../../support/make-cache.ts';

test('where one domain alone is cleared, as by another node, no other one serves what its slots hold from then on', () => {
  const cache = { ...PLAIN_CACHE, similar: { distanceMax: 1, confirmedMax: 1 } };
  const shared = openSharedStore([cache, cache]);
  const [rover, guard] = ['rover', 'guard'].map(
    (name) => new CacheUnderTest(cache, { domain: scopedDomain(name, cacheDomain), ...(shared && { shared }) }),
  ) as [CacheUnderTest, CacheUnderTest];
  guard.teach(seen(), { action: 'block' });
  expect(guard.served(seen({ health: 10 }))?.tier).toBe('similar');
  rover.cache.clear();
  rover.teach(seen(), { action: 'attack' });
  expect(guard.look(seen({ health: 10 })).kind).toBe('miss');
  expect([rover, guard].map(({ cache }) => cache.stats().entries)).toEqual([1, 0]);
});

test('an entry that another node has amended counts where it was not known', () => {
  const shared = openSharedStore([PLAIN_CACHE, PLAIN_CACHE]);
  const rover = new CacheUnderTest({}, { domain: scopedDomain('rover', cacheDomain), ...(shared && { shared }) });
  const signature = rover.sign(seen());
  rover.cache.adopt({ signature, place: undefined, decision: decision(), expiresAtMs: 10_000 }, true);
  expect(rover.cache.stats().entries).toBe(1);
});
