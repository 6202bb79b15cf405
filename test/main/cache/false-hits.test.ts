import { describe, expect, test } from 'vitest';
import { FalseHits, OTHER_SCENE, SCENES_MAX } from '../../../src/main/cache/false-hits.ts';

describe('FalseHits', () => {
  test('knows no rate while nothing was checked', () => {
    const hits = new FalseHits();
    hits.served('exact', 'combat');
    const unknown = { checked: 0, wrong: 0, rate: null, low: null, high: null };
    expect(hits.stats()).toEqual({
      exact: { served: 1, ...unknown },
      similar: { served: 0, ...unknown },
      scenes: [{ scene: 'combat', served: 1, ...unknown }],
    });
  });

  test('gives the rate and its interval by tier, and of both tiers together by scene', () => {
    const hits = new FalseHits();
    for (let i = 0; i < 30; i++) hits.served('exact', 'combat');
    for (let i = 0; i < 10; i++) hits.served('similar', 'combat');
    for (let i = 0; i < 10; i++) hits.checked('exact', 'combat', i < 2);
    for (let i = 0; i < 4; i++) hits.checked('similar', 'combat', i < 3);
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
    for (let i = 0; i < 9; i++) hits.checked('exact', 'town', false);
    expect(hits.stats().scenes.map(({ scene }) => scene)).toEqual(['combat', 'travel', 'town']);
  });

  test('counts scenes together that come after the last name', () => {
    const hits = new FalseHits();
    for (let i = 0; i < SCENES_MAX; i++) hits.served('exact', `scene ${i}`);
    expect(hits.stats().scenes).toHaveLength(SCENES_MAX);
    hits.served('exact', 'late');
    hits.served('exact', 'later');
    hits.checked('exact', 'later', true);
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
});
