import { describe, expect, test } from 'vitest';
import {
  FalseHits,
  type HitTier,
  OTHER_SCENE,
  SCENES_MAX,
  type SharedHits,
} from '../../../src/main/cache/false-hits.ts';
import type { Hit } from '../../../src/main/cache/look.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { decision } from '../../support/decisions.ts';

/** Hits that served `action` and share an answer. */
function shared(action: string, count = 1, given: Partial<Hit> = {}): SharedHits {
  const hit = {
    kind: 'hit',
    tier: 'exact',
    reason: '',
    decision: decision(),
    expiresAtMs: 0,
    scene: 'combat',
  } as const;
  return { hit: { ...hit, near: undefined, again: 'check', judgement: undefined, action, ...given }, count };
}

/** One hit is checked by an answer of its own. */
function check(hits: FalseHits, tier: HitTier, scene: string, isWrong: boolean): void {
  hits.answered([{ hit: { tier, scene, action: 'attack' }, count: 1 }], isWrong ? 'flee' : 'attack');
}

describe('FalseHits', () => {
  test('knows no rate while nothing was checked', () => {
    const hits = new FalseHits();
    hits.served('exact', 'combat');
    const unknown = { due: 0, checked: 0, lost: 0, wrong: 0, tooFew: true, rate: null, low: null, high: null };
    expect(hits.stats()).toEqual({
      all: { served: 1, ...unknown },
      exact: { served: 1, ...unknown },
      similar: { served: 0, ...unknown },
      habit: { served: 0, ...unknown },
      scenes: [{ scene: 'combat', served: 1, ...unknown }],
    });
  });

  test('gives the rate and its interval by tier, and of both tiers together by scene', () => {
    const hits = new FalseHits();
    for (let i = 0; i < 30; i++) hits.served('exact', 'combat');
    for (let i = 0; i < 10; i++) hits.served('similar', 'combat');
    for (let i = 0; i < 10; i++) check(hits, 'exact', 'combat', i < 2);
    for (let i = 0; i < 4; i++) check(hits, 'similar', 'combat', i < 3);
    const { exact, similar, scenes } = hits.stats();
    expect(exact).toMatchObject({ served: 30, checked: 10, wrong: 2, rate: 0.2 });
    expect(exact.low).toBeCloseTo(0.0567, 4);
    expect(exact.high).toBeCloseTo(0.5098, 4);
    expect(similar).toMatchObject({ served: 10, checked: 4, wrong: 3, rate: 0.75 });
    expect(scenes).toEqual([expect.objectContaining({ scene: 'combat', served: 40, checked: 14, wrong: 5 })]);
  });

  test('names the most served scenes first', () => {
    const hits = new FalseHits();
    for (const scene of ['town', 'combat', 'travel', 'combat', 'travel', 'combat']) hits.served('exact', scene);
    for (let i = 0; i < 9; i++) check(hits, 'exact', 'town', false);
    expect(hits.stats().scenes.map(({ scene }) => scene)).toEqual(['combat', 'travel', 'town']);
  });

  test('counts scenes together that come after the last name', () => {
    const hits = new FalseHits();
    for (let i = 0; i < SCENES_MAX; i++) hits.served('exact', `scene ${i}`);
    expect(hits.stats().scenes).toHaveLength(SCENES_MAX);
    hits.served('exact', 'late');
    hits.served('exact', 'later');
    check(hits, 'exact', 'later', true);
    hits.served('exact', `scene ${SCENES_MAX - 1}`);
    const { scenes } = hits.stats();
    expect(scenes).toHaveLength(SCENES_MAX + 1);
    expect(scenes.slice(0, 2)).toMatchObject([
      { scene: `scene ${SCENES_MAX - 1}`, served: 2, wrong: 0 },
      { scene: OTHER_SCENE, served: 2, wrong: 1 },
    ]);
  });

  test('counts a scene that is itself called other with the late ones', () => {
    const hits = new FalseHits();
    hits.served('exact', OTHER_SCENE);
    for (let i = 0; i < SCENES_MAX; i++) hits.served('exact', `scene ${i}`);
    expect(hits.stats().scenes).toHaveLength(SCENES_MAX);
    expect(hits.stats().scenes[0]).toMatchObject({ scene: OTHER_SCENE, served: 2 });
  });

  test('takes hits that share an answer as one sample', () => {
    const hits = new FalseHits();
    const one = new FalseHits();
    for (let i = 0; i < 40; i++) {
      check(one, 'exact', 'combat', i < 4);
      hits.answered([shared('attack', 20), shared('attack', 5)], i < 4 ? 'flee' : 'attack');
    }
    const { checked, wrong, low, high, tooFew } = hits.stats().exact;
    expect({ checked, wrong }).toEqual({ checked: 1_000, wrong: 100 });
    const alone = one.stats().exact;
    expect([low, high, tooFew]).toEqual([alone.low, alone.high, false]);
    // One answer for very many hits tells hardly more than the others.
    hits.answered([shared('attack', 10_000)], 'flee');
    expect(hits.stats().exact.tooFew).toBe(true);
  });

  test('compares each hit with the answer, by its own tier and scene', () => {
    const hits = new FalseHits();
    hits.answered([shared('attack', 2), shared('flee', 3, { tier: 'similar', scene: 'town' })], 'flee');
    const { all, exact, similar, scenes } = hits.stats();
    expect([all, exact, similar].map(({ checked, wrong }) => [checked, wrong])).toEqual([
      [5, 2],
      [2, 2],
      [3, 0],
    ]);
    expect(scenes).toMatchObject([
      { scene: 'combat', checked: 2, wrong: 2 },
      { scene: 'town', checked: 3, wrong: 0 },
    ]);
  });

  test('keeps what is lost among what is due, and refreshes in neither', () => {
    const hits = new FalseHits();
    for (let i = 0; i < 5; i++) hits.served('exact', 'combat', i < 3);
    check(hits, 'exact', 'combat', false);
    hits.lost([shared('attack'), shared('attack', 7, { again: 'refresh' })]);
    expect(hits.stats().all).toMatchObject({ served: 5, due: 3, checked: 1, lost: 1, tooFew: true });
    hits.probed([{ hit: { tier: 'exact', scene: 'combat', action: 'attack' }, count: 1 }], 'flee');
    expect(hits.stats().all).toMatchObject({ served: 5, due: 4, checked: 2, wrong: 1 });
  });

  test.each([
    [19, true],
    [20, false],
  ])('after %i answers, whether there are too few to tell is %j', (answers, tooFew) => {
    const hits = new FalseHits();
    for (let i = 0; i < answers; i++) check(hits, 'exact', 'combat', false);
    expect(hits.stats().all.tooFew).toBe(tooFew);
  });

  // The busy scene's states come back often, so that several due hits share an answer. All of its hits are wrong, or half of its answers.
  test.each([1, 0.5])(
    'has an interval that is fair, where answers in the busy scene are wrong with a chance of %d',
    (chance) => {
      let covered = 0;
      let width = 0;
      for (let seed = 1; seed <= SESSIONS; seed++) {
        const { low, high } = checksOf(seed, chance);
        if (low <= BUSY_SHARE * chance && BUSY_SHARE * chance <= high) covered++;
        width += (high - low) / SESSIONS;
      }
      expect(covered).toBeGreaterThanOrEqual(0.93 * SESSIONS);
      expect(width).toBeLessThanOrEqual(0.1);
    },
  );
});

const SESSIONS = 200;
const BUSY_SHARE = 0.4;

/** Due hits in a busy scene of few states and in a quiet one of many; those of a state share an answer until it is given. */
function checksOf(seed: number, chance: number): { low: number; high: number } {
  const random = seededRandom(seed);
  const hits = new FalseHits();
  const waiting = new Map<number, SharedHits>();
  for (let due = 0; due < 480; due++) {
    const isBusy = random.next() < BUSY_SHARE;
    const state = isBusy ? Math.floor(random.next() * 60) : 1_000 + Math.floor(random.next() * 600);
    const known = waiting.get(state);
    if (known !== undefined) known.count++;
    else waiting.set(state, shared('attack', 1, { scene: isBusy ? 'combat' : 'town' }));
    if (waiting.size < 8) continue;
    const [first, answered] = waiting.entries().next().value as [number, SharedHits];
    waiting.delete(first);
    const isWrong = answered.hit.scene === 'combat' && random.next() < chance;
    hits.answered([answered], isWrong ? 'flee' : 'attack');
  }
  const { low, high } = hits.stats().all;
  return { low: low ?? 0, high: high ?? 1 };
}
