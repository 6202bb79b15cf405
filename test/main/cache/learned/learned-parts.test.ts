import { describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../../src/main/cache/cache-options.ts';
import type { LearnedPart } from '../../../../src/main/cache/learned/learned-part.ts';
import { CacheUnderTest, state } from '../../../support/make-cache.ts';

const CACHES: Readonly<Record<string, Partial<ResolvedCache>>> = {
  'within an error budget': { errorBudget: 0.1, loopGuard: true, entries: 100 },
  'by trust': { trust: 'earned', checkShare: 1, loopGuard: true, cycleGuard: true, entries: 100 },
};

/** A cache that has learned something in all of its parts. */
function learned(options: Partial<ResolvedCache>): CacheUnderTest {
  const under = new CacheUnderTest(options);
  for (let i = 0; i < 400; i++) {
    const request = { ...state(i % 4), agent: `agent ${i % 3}` };
    const look = under.look(request);
    const action = i % 9 === 0 ? 'block' : 'attack';
    if (look.kind === 'miss') under.learn(request, look, { action });
    else under.checked(request, look, { action });
    under.took(request, look.kind === 'hit' ? look.action : action, look.kind === 'hit');
  }
  return under;
}

/** What each part saves, as a file gives it back. */
function savedBy(under: CacheUnderTest): (readonly [name: string, value: unknown])[] {
  return under.cache
    .learnedParts()
    .flatMap(({ name, saved }) => [...saved()].map((value) => [name, JSON.parse(JSON.stringify(value))] as const));
}

function partsOf(under: CacheUnderTest): ReadonlyMap<string, LearnedPart> {
  return new Map(under.cache.learnedParts().map((part) => [part.name, part]));
}

/** The value with one of its members, or of theirs, replaced. */
function* broken(value: unknown): Generator<unknown> {
  yield* ['x', null, [null], {}];
  if (value === null || typeof value !== 'object') return;
  const [key, member] = Object.entries(value).find(([, each]) => each !== null) ?? [];
  if (key === undefined) return;
  const withMember = (other: unknown): unknown =>
    Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
  if (typeof member !== 'string') yield withMember('x');
  for (const other of broken(member)) if (typeof other !== typeof member) yield withMember(other);
}

describe.each(Object.entries(CACHES))('the parts of a cache %s', (_, options) => {
  test('save the same again after they were restored', () => {
    const before = savedBy(learned(options));
    const after = new CacheUnderTest(options);
    const parts = partsOf(after);
    for (const [name, value] of before) expect(parts.get(name)?.restore(value), name).toBe(true);
    expect(savedBy(after)).toEqual(before);
    expect(new Set(before.map(([name]) => name)).size).toBeGreaterThanOrEqual(3);
  });

  test('take no value of another kind, and know nothing afterwards', () => {
    const empty = savedBy(new CacheUnderTest(options));
    const under = new CacheUnderTest(options);
    const parts = partsOf(under);
    for (const [name, value] of savedBy(learned(options))) {
      for (const other of broken(value)) {
        expect(parts.get(name)?.restore(other), `${name} ${JSON.stringify(other)}`).toBe(false);
      }
    }
    expect(savedBy(under)).toEqual(empty);
  });
});
