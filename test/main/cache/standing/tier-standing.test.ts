import { describe, expect, test } from 'vitest';
import type { TierKind } from '../../../../src/main/cache/standing/tier-kinds.ts';
import {
  COMPARISONS_MIN,
  type NearKind,
  PROBE_SHARE,
  TierStanding,
} from '../../../../src/main/cache/standing/tier-standing.ts';

/** Models that agree in 90 of 100 pairs: 0.8 is asked. */
const MODELS = { compared: 100, rate: 0.9 };

function fill(standing: TierStanding, kind: TierKind, right: number, wrong: number, scene = 'cave', at = 0.03): void {
  const count = right + wrong;
  // The wrong ones evenly among the others.
  const isWrong = (i: number): boolean => Math.floor(((i + 1) * wrong) / count) > Math.floor((i * wrong) / count);
  for (let i = 0; i < count; i++) standing.compare(kind, scene, at, !isWrong(i));
}

function statOf(standing: TierStanding, tier: TierKind, to: number | null = 0.05) {
  return standing.stats().tiers.find((stat) => stat.tier === tier && stat.to === to);
}

describe.each<NearKind>(['similar', 'confirmed'])('%s states', (kind) => {
  test('are silent at first, and serve from the thirtieth comparison on where all were right', () => {
    const standing = new TierStanding('earned', MODELS);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(false);
    fill(standing, kind, COMPARISONS_MIN - 1, 0);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(false);
    expect(statOf(standing, kind)).toMatchObject({ serving: false, why: '29 of the 30 comparisons that it takes' });
    fill(standing, kind, 1, 0);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(true);
    expect(statOf(standing, kind)).toMatchObject({
      compared: 30,
      wrong: 0,
      serving: true,
      required: expect.closeTo(0.8),
    });
    expect(statOf(standing, kind)?.why).toMatch(/^right \d\d % at least, where 80 % is asked$/);
  });

  test('serve by the lower bound and not by the share', () => {
    const standing = new TierStanding('earned', MODELS);
    // 86 %: the bound is 0.77 of the first hundred, and 0.81 of those that count when there were six hundred.
    fill(standing, kind, 86, 14);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(false);
    fill(standing, kind, 430, 70);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(true);
  });

  test('are judged by their distance: what is right nearby says nothing of what is far', () => {
    const standing = new TierStanding('earned', MODELS);
    fill(standing, kind, 60, 0, 'cave', 0.01);
    fill(standing, kind, 10, 50, 'cave', 0.2);
    expect([0.02, 0.021, 0.2, 0.7].map((at) => standing.serves(kind, 'cave', at))).toEqual([true, false, false, false]);
  });

  test('are judged by their own scene where it says enough, else by all', () => {
    const standing = new TierStanding('earned', MODELS);
    fill(standing, kind, 13, 0, 'wood');
    for (let i = 0; i < 29; i++) {
      fill(standing, kind, 20, 0, 'wood');
      fill(standing, kind, 0, 1, 'cave');
    }
    expect([standing.serves(kind, 'cave', 0.03), standing.serves(kind, 'hall', 0.03)]).toEqual([true, true]);
    fill(standing, kind, 0, 1, 'cave');
    expect([standing.serves(kind, 'cave', 0.03), standing.serves(kind, 'wood', 0.03)]).toEqual([false, true]);
    expect(statOf(standing, kind)?.scenes).toMatchObject([
      { scene: 'wood', compared: 593, serving: true },
      { scene: 'cave', compared: 30, agreement: 0, serving: false },
    ]);
  });

  test('are silent while nobody knows how often models agree', () => {
    const few = { compared: COMPARISONS_MIN - 1, rate: 0.5 };
    for (const models of [undefined, few]) {
      const standing = new TierStanding('earned', models);
      fill(standing, kind, 200, 0);
      expect(standing.serves(kind, 'cave', 0.03)).toBe(false);
      expect(statOf(standing, kind)?.why).toBe('not known yet how often models agree with each other');
    }
    const standing = new TierStanding('earned', { compared: COMPARISONS_MIN, rate: 0.5 });
    fill(standing, kind, 200, 0);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(true);
  });

  test('are held against the state itself, asked again, where no panel has two votes', () => {
    const standing = new TierStanding('earned');
    fill(standing, kind, 70, 30);
    fill(standing, 'single', 20, 9);
    expect(standing.serves(kind, 'cave', 0.03)).toBe(false);
    fill(standing, 'single', 0, 11);
    // Half of the time: 0.4 is asked.
    expect(standing.serves(kind, 'cave', 0.03)).toBe(true);
  });

  test('are probed more the more of the last four were wrong', () => {
    const standing = new TierStanding('earned', MODELS);
    fill(standing, kind, 300, 0);
    const shares = [standing.probeShare(kind, 'cave', 0.03)];
    for (let i = 0; i < 4; i++) {
      standing.compare(kind, 'cave', 0.03, false);
      shares.push(standing.probeShare(kind, 'cave', 0.03));
    }
    expect(shares).toEqual([1, 2, 4, 8, 16].map((times) => PROBE_SHARE * times));
  });

  test('always serve, unprobed, where that is asked for', () => {
    const standing = new TierStanding('always', MODELS);
    fill(standing, kind, 0, 100);
    expect([standing.serves(kind, 'cave', 0.03), standing.probeShare(kind, 'cave', 0.03)]).toEqual([true, 0]);
    expect(statOf(standing, kind)).toMatchObject({ serving: true, why: 'all that is fresh is served' });
  });
});

describe('the state itself', () => {
  test('serves until the upper bound is below what is asked, and then no more', () => {
    const standing = new TierStanding('earned', MODELS);
    expect(standing.isDoubted('single', 'cave')).toBe(false);
    // 5 of 10: the bound is 0.76.
    fill(standing, 'single', 5, 4);
    expect(standing.isDoubted('single', 'cave')).toBe(false);
    expect(statOf(standing, 'single', null)).toMatchObject({ serving: true });
    fill(standing, 'single', 0, 1);
    expect([standing.isDoubted('single', 'cave'), standing.isDoubted('exact', 'cave')]).toEqual([true, false]);
    expect(statOf(standing, 'single', null)).toMatchObject({ serving: false });
  });

  test('is doubted whole, single votes too, where agreed decisions are', () => {
    const standing = new TierStanding('earned', MODELS);
    fill(standing, 'exact', 10, 20);
    expect([standing.isDoubted('single', 'cave'), standing.isDoubted('exact', 'cave')]).toEqual([true, true]);
  });

  test('is doubted by its own scene at once, and by the others only while its own says little', () => {
    const standing = new TierStanding('earned', MODELS);
    fill(standing, 'exact', 300, 0, 'wood');
    fill(standing, 'exact', 0, 7, 'cave');
    expect(standing.isDoubted('exact', 'cave')).toBe(false);
    fill(standing, 'exact', 0, 1, 'cave');
    expect([standing.isDoubted('exact', 'cave'), standing.isDoubted('exact', 'wood')]).toEqual([true, false]);
    const others = new TierStanding('earned', MODELS);
    fill(others, 'exact', 0, 100, 'wood');
    fill(others, 'exact', 29, 0, 'cave');
    expect([others.isDoubted('exact', 'cave'), others.isDoubted('exact', 'hall')]).toEqual([true, true]);
    fill(others, 'exact', 1, 0, 'cave');
    expect(others.isDoubted('exact', 'cave')).toBe(false);
  });

  test('is not doubted while nobody knows how often models agree, nor where all is trusted', () => {
    for (const standing of [new TierStanding('earned'), new TierStanding('always', MODELS)]) {
      fill(standing, 'exact', 0, 100);
      fill(standing, 'single', 0, 100);
      expect([standing.isDoubted('single', 'cave'), standing.isDoubted('exact', 'cave')]).toEqual([false, false]);
    }
  });
});

test('what has expired is watched by its age, and never serves', () => {
  const standing = new TierStanding('earned', MODELS);
  for (let i = 0; i < 40; i++) standing.compare('old', 'cave', 90_000, true);
  expect(statOf(standing, 'old', 600_000)).toMatchObject({ compared: 40, agreement: 1, serving: false });
});

test('scenes beyond the bound are counted together, and all is forgotten when it is cleared', () => {
  const standing = new TierStanding('earned', MODELS);
  for (let scene = 0; scene < 200; scene++) fill(standing, 'similar', 3, 0, `scene ${scene}`);
  expect(statOf(standing, 'similar')).toMatchObject({
    compared: 600,
    scenes: [{ scene: 'other', compared: 408 }, {}, {}],
  });
  standing.clear();
  expect(standing.stats().tiers).toEqual([]);
  expect(standing.serves('similar', 'scene 1', 0.03)).toBe(false);
});
