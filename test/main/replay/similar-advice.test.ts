import { describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { similarText } from '../../../src/main/cli/terminal/replay-text.ts';
import { PROFILES } from '../../../src/main/options/profiles.ts';
import { Replay } from '../../../src/main/replay/replay.ts';
import { SelfAgreement } from '../../../src/main/replay/self-agreement.ts';
import { type SimilarAdvice, similarAdvice } from '../../../src/main/replay/similar-advice.ts';
import { defineDomain } from '../../../src/shared/domain.ts';

const domain = defineDomain({
  name: 'cave',
  features: {
    place: { kind: 'category' },
    health: { kind: 'number', edges: [50], range: [0, 100] },
  },
});

/** Pairs of near states; each state is met twice and answered alike, its neighbour as `follows` says. */
function advice(follows: boolean, trust: 'earned' | 'always'): SimilarAdvice | null {
  const cache: ResolvedCache = { ...(PROFILES.default.cache as ResolvedCache), ttl: 'fixed', ttlMs: 1e12, trust };
  const replay = new Replay(domain, { cache, seed: 1 });
  let line = 1;
  for (let pair = 0; pair < 120; pair++) {
    for (const health of [48, 48, 52, 52]) {
      const chosen = health < 50 || follows ? 'go' : 'stay';
      const request = { agent: `agent ${line}`, observation: { place: `${pair}`, health }, actions: ['go', 'stay'] };
      replay.next({ line: line++, t: line, request, chosen });
    }
  }
  return similarAdvice(replay.outcome());
}

describe('advice on similar states', () => {
  test('is to leave them out where they are wrong: they stay silent', () => {
    const found = advice(false, 'earned');
    expect(found).toMatchObject({ compared: 120, wrong: 1, selfWrong: 0, serving: false, advised: true });
    expect(similarText(found as SimilarAdvice, 'earned')).toBe(
      'Similar states are wrong in 100 % of 120; in the same state, recorded choices differ in 0 %: they are not served; `similar: false` also saves the search',
    );
  });

  test('says what would silence them where all of them serve', () => {
    const found = advice(false, 'always') as SimilarAdvice;
    expect(found).toMatchObject({ serving: true, advised: true });
    expect(found.compared).toBeGreaterThan(120);
    expect(similarText(found, 'always')).toContain("`trust: 'earned'` does not serve them");
  });

  test('is to leave them where they are right: they serve', () => {
    const found = advice(true, 'earned') as SimilarAdvice;
    expect(found).toMatchObject({ wrong: 0, serving: true, advised: false });
    expect(similarText(found, 'earned')).toMatch(/in 0 %: they are served$/);
  });

  test('is not given where little was compared', () => {
    const cache = { ...(PROFILES.default.cache as ResolvedCache), ttl: 'fixed' } as const;
    expect(similarAdvice(new Replay(domain, { cache, seed: 1 }).outcome())).toBeNull();
  });
});

test('the agreement of a record with itself is how often it chooses in a state what it chose there the last time', () => {
  const agreement = new SelfAgreement();
  expect(agreement.rate).toBeUndefined();
  for (const [at, action] of [
    [1, 'go'],
    [2, 'go'],
    [1, 'go'],
    [1, 'stay'],
    [1, 'stay'],
  ] as const) {
    agreement.chosen(at, action);
  }
  expect(agreement.compared).toBe(3);
  expect(agreement.rate).toBeCloseTo(2 / 3, 2);
});
