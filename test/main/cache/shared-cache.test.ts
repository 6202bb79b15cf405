import { describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { openCache, type SharedCache } from '../../../src/main/cache/shared-cache.ts';
import { decision } from '../../support/decisions.ts';
import { CacheUnderTest, cacheDomain, seen, state } from '../../support/make-cache.ts';

const MODELS = { compared: 200, rate: 0.9 };
const AGREED = [{ action: 'attack', count: 2, weight: 2 }];

function opened(options: Partial<ResolvedCache>): {
  under: CacheUnderTest;
  shared: SharedCache;
  unchecked: SharedCache;
} {
  const under = new CacheUnderTest(options, { models: MODELS });
  const { buffer } = under.cache;
  const { clock } = under;
  return {
    under,
    shared: openCache(buffer, cacheDomain, { clock }),
    unchecked: openCache(buffer, cacheDomain, { clock, unchecked: true }),
  };
}

describe('a cache opened by another thread', () => {
  test.each<[unknown, string]>([
    [undefined, 'domain must be'],
    [{ domain: cacheDomain }, 'domain must be'],
    [{ domains: undefined }, 'domains must be'],
    [{ domains: { rover: cacheDomain, guard: './guard.yaml' } }, 'domains.guard must be'],
  ])('needs domains: %j', (given, message) => {
    const { buffer } = new CacheUnderTest({}, { models: MODELS }).cache;
    const code = 'ERR_DOMAIN_INVALID';
    const open = () => openCache(buffer, given as typeof cacheDomain);
    expect(open).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });

  test('returns what is fresh and legal, as the planner does', () => {
    const { under, shared } = opened({});
    expect(shared.peek(seen())).toBeUndefined();
    under.teach(seen(), { action: 'block' });
    expect(shared.peek(seen())?.action).toBe('block');
    under.clock.advance(120_000);
    expect(shared.peek(seen())).toBeUndefined();
  });

  test('returns nothing that the Q-values contradict, unless asked unchecked', () => {
    const { under, shared, unchecked } = opened({ valuesMin: 0.85 });
    under.teach(seen(), { action: 'block' });
    const against = seen({}, { qValues: { attack: 1, block: 0.8, flee: 0 } });
    expect(shared.peek(against)).toBeUndefined();
    expect(unchecked.peek(against)?.action).toBe('block');
    expect(shared.peek(seen({}, { qValues: { attack: 1, block: 0.9, flee: 0 } }))?.action).toBe('block');
  });

  test('returns nothing under an error budget, which only the planner can keep, unless asked unchecked', () => {
    const { under, shared, unchecked } = opened({ errorBudget: 0.05 });
    under.teach(seen());
    expect(shared.peek(seen())).toBeUndefined();
    expect(unchecked.peek(seen())?.action).toBe('attack');
  });

  test('withholds what checks have contradicted, in every scene if in all of them, until a clear', () => {
    const { under, shared, unchecked } = opened({ trust: 'earned', checkShare: 1 });
    for (let id = 0; id < 12; id++) {
      under.teach(state(id));
      const hit = under.served(state(id));
      if (hit !== undefined) under.checked(state(id), hit, { action: 'flee' });
    }
    under.teach(state(50));
    under.teach(state(51), { tally: AGREED });
    for (const id of [50, 51]) expect(shared.peek(state(id))).toEqual(under.peek(state(id)));
    expect(shared.peek(state(50))).toBeUndefined();
    expect(shared.peek(state(51))?.action).toBe('attack');
    expect(unchecked.peek(state(50))?.action).toBe('attack');
    under.cache.clear();
    under.teach(state(50));
    expect(shared.peek(state(50))?.action).toBe('attack');
  });

  test('withholds what was decided ahead if checks have contradicted that, and nothing else', () => {
    const { under, shared, unchecked } = opened({ trust: 'earned', checkShare: 1 });
    const ahead = (id: number): void => {
      under.cache.foreseen(state(id), under.sign(state(id)), decision({ tally: AGREED }));
    };
    for (let id = 0; id < 12; id++) {
      ahead(id);
      const hit = under.served(state(id));
      if (hit !== undefined) under.checked(state(id), hit, { action: 'flee' });
    }
    ahead(50);
    under.teach(state(51));
    for (const id of [50, 51]) expect(shared.peek(state(id))).toEqual(under.peek(state(id)));
    expect(shared.peek(state(50))).toBeUndefined();
    expect(unchecked.peek(state(50))?.action).toBe('attack');
    expect(shared.peek(state(51))?.action).toBe('attack');
  });

  test('withholds one scene if the others are right', () => {
    const { under, shared } = opened({ trust: 'earned', checkShare: 1, entries: 400 });
    const inScene = (scene: string, health: number) => seen({ scene, health });
    for (let i = 0; i < 100; i++) {
      const scene = i % 5 === 0 ? 'bad' : 'good';
      const request = inScene(scene, i);
      under.teach(request, { tally: AGREED });
      const hit = under.served(request);
      if (hit !== undefined)
        under.checked(request, hit, { action: scene === 'bad' ? 'flee' : 'attack', tally: AGREED });
    }
    for (const scene of ['bad', 'good']) under.teach(inScene(scene, 5), { tally: AGREED });
    expect(shared.peek(inScene('bad', 5))).toBeUndefined();
    expect(shared.peek(inScene('good', 5))?.action).toBe('attack');
    expect(under.peek(inScene('bad', 5))).toBeUndefined();
  });
});
