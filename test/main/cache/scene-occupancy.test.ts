import { expect, test } from 'vitest';
import { SCENES_MAX } from '../../../src/main/cache/false-hits.ts';
import { SceneOccupancy } from '../../../src/main/cache/scene-occupancy.ts';

test('counts the entries of each scene, the fullest first', () => {
  const scenes = new SceneOccupancy(8);
  scenes.set(0, 'combat');
  scenes.set(1, 'town');
  scenes.set(2, 'town');
  expect(scenes.stats()).toEqual([
    { scene: 'town', entries: 2 },
    { scene: 'combat', entries: 1 },
  ]);
});

test('an entry that is decided anew is counted once, also in another scene', () => {
  const scenes = new SceneOccupancy(8);
  scenes.set(0, 'combat');
  scenes.set(0, 'combat');
  expect(scenes.stats()).toEqual([{ scene: 'combat', entries: 1 }]);
  scenes.set(0, 'town');
  expect(scenes.stats()).toEqual([{ scene: 'town', entries: 1 }]);
});

test('a slot that is emptied is counted no more, and emptying it again changes nothing', () => {
  const scenes = new SceneOccupancy(8);
  scenes.set(0, 'combat');
  scenes.set(1, 'combat');
  scenes.remove(0);
  scenes.remove(0);
  expect(scenes.stats()).toEqual([{ scene: 'combat', entries: 1 }]);
  scenes.remove(1);
  expect(scenes.stats()).toEqual([]);
});

test('the scene of an entry is learned only where it is not known', () => {
  const scenes = new SceneOccupancy(8);
  scenes.learn(0, 'combat');
  scenes.learn(0, 'town');
  expect(scenes.stats()).toEqual([{ scene: 'combat', entries: 1 }]);
});

test('scenes past the bound are counted together', () => {
  const scenes = new SceneOccupancy(200);
  for (let i = 0; i < SCENES_MAX + 10; i++) scenes.set(i, `scene ${i}`);
  const stats = scenes.stats();
  expect(stats).toHaveLength(SCENES_MAX + 1);
  expect(stats[0]).toEqual({ scene: 'other', entries: 10 });
});
