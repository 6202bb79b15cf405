import { defineDomain } from '../domain.ts';

/** The scenes a Skyrim agent can be in. */
export const SKYRIM_SCENES = [
  'combat',
  'dialogue',
  'indoor_building',
  'indoor_dungeon',
  'inventory',
  'map',
  'menu',
  'outdoor_city',
  'outdoor_wilderness',
  'unknown',
] as const;

/** The built-in domain: a character in Skyrim that explores, fights, talks and trades on its own. */
export const skyrim = defineDomain({
  name: 'skyrim',
  description:
    'It is a character in the game Skyrim that explores, fights, talks and trades on its own. It wants to stay alive, learn the world and get on with its quests.',
  features: {
    scene: { kind: 'category', values: SKYRIM_SCENES },
    health: { kind: 'number', edges: [30, 70], range: [0, 100] },
    inCombat: { kind: 'flag' },
    enemiesNearby: { kind: 'number', edges: [1, 2, 4], range: [0, 10], optional: true },
    // What is wise in one place is usually wise in a similar one.
    location: { kind: 'category', optional: true, soft: true, weight: 0.2 },
    motivation: { kind: 'category', optional: true, soft: true, weight: 0.2 },
    visual: { kind: 'text', optional: true, label: 'what it sees' },
    screenshot: { kind: 'image', optional: true },
  },
  priorities: { combat: 2, indoor_dungeon: 1 },
  roles: [
    {
      name: 'visual_perception',
      vision: true,
      prompt:
        'You read what the character sees. Use the description and, if there is one, the picture: doors, paths, people, items, light, movement. Choose the action that answers best to what is visible now. If what is visible contradicts the other information, trust what is visible.',
    },
    {
      name: 'spatial_reasoning',
      prompt:
        'You judge space: where the character stands, where it can go, what blocks it, how far away things are. Avoid actions that lead nowhere, such as walking on in a menu. Choose the action that brings it to a better place or makes best use of the place it has.',
    },
    {
      name: 'threat_assessment',
      prompt:
        'You judge danger: enemies near, health left, ways out. Below 30 health survival comes first: heal, block or retreat. Several enemies at once are more dangerous than one strong one. Without danger, say so and do not choose a defensive action.',
    },
    {
      name: 'opportunity_detection',
      prompt:
        'You look for gain: loot, people to talk to, places to discover, enemies that are weak now, progress in a quest. Weigh the learned values. Choose the action with the most to gain that the character can afford at its health.',
    },
  ],
});
