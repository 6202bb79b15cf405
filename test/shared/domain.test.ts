import { describe, expect, test } from 'vitest';
import {
  type DomainDefinition,
  defineDomain,
  GENERIC_ROLES,
  isSoft,
  type NumberFeature,
  priorityOf,
  sceneOf,
} from '../../src/shared/domain.ts';
import { SKYRIM_SCENES, skyrim } from '../../src/shared/domains/skyrim.ts';
import { PlannerError } from '../../src/shared/errors.ts';
import { bucketOf } from '../../src/shared/signature.ts';

const NUMBER: NumberFeature = { kind: 'number', edges: [1, 2], range: [0, 10] };

function messageOf(definition: unknown): string {
  try {
    defineDomain(definition as DomainDefinition);
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(PlannerError);
    expect((error as PlannerError).code).toBe('ERR_DOMAIN_INVALID');
    return (error as PlannerError).message;
  }
}

const withFeature = (feature: unknown) => ({ name: 'test', features: { x: feature } });
const withRoles = (roles: unknown) => ({ name: 'test', features: { x: { kind: 'flag' } }, roles });

describe('a definition that breaks a rule is one clear error', () => {
  const ROWS: readonly (readonly [what: string, definition: unknown, message: string])[] = [
    ['no name', { features: {} }, 'domain.name must be a name, got nothing'],
    ['an empty name', { name: '', features: {} }, 'domain.name must be a name, got ""'],
    ['no features', { name: 'a', features: {} }, 'domain.features must name at least one feature, got an object'],
    [
      'functions for next states',
      { name: 'a', features: { x: NUMBER }, next: () => [] },
      'domain.next must be the path or file URL of a module, because functions cannot cross to its thread, got a function',
    ],
    ['features left out', { name: 'a' }, 'domain.features must name at least one feature, got nothing'],
    [
      'a list of features',
      { name: 'a', features: [NUMBER] },
      'domain.features must name at least one feature, got a list of 1',
    ],
    [
      'null as feature',
      withFeature(null),
      'domain.features.x.kind must be one of category, flag, set, number, text, image, got nothing',
    ],
    [
      'an unknown kind',
      withFeature({ kind: 'colour' }),
      'domain.features.x.kind must be one of category, flag, set, number, text, image, got "colour"',
    ],
    [
      'an unknown setting',
      withFeature({ kind: 'flag', edges: [] }),
      'domain.features.x.edges is not a setting of a flag (kind, optional, label, soft, weight)',
    ],
    [
      'no edges',
      withFeature({ kind: 'number', range: [0, 1] }),
      'domain.features.x.edges must be a list of finite numbers, got nothing',
    ],
    [
      'NaN as edge',
      withFeature({ ...NUMBER, edges: [Number.NaN] }),
      'domain.features.x.edges must be a list of finite numbers, got a list of 1',
    ],
    ['equal edges', withFeature({ ...NUMBER, edges: [1, 1] }), 'domain.features.x.edges must ascend, got 1, 1'],
    ['falling edges', withFeature({ ...NUMBER, edges: [2, 1] }), 'domain.features.x.edges must ascend, got 2, 1'],
    [
      'no range',
      withFeature({ kind: 'number', edges: [] }),
      'domain.features.x.range must be two numbers, low before high, got nothing',
    ],
    [
      'an empty range',
      withFeature({ ...NUMBER, range: [1, 1] }),
      'domain.features.x.range must be two numbers, low before high, got a list of 2',
    ],
    [
      'a range of three',
      withFeature({ ...NUMBER, range: [1, 2, 3] }),
      'domain.features.x.range must be two numbers, low before high, got a list of 3',
    ],
    [
      'a negative weight',
      withFeature({ ...NUMBER, weight: -1 }),
      'domain.features.x.weight must be a number of at least 0, got -1',
    ],
    [
      'a negative weight of a category',
      withFeature({ kind: 'category', soft: true, weight: -1 }),
      'domain.features.x.weight must be a number of at least 0, got -1',
    ],
    [
      'NaN as weight of a set',
      withFeature({ kind: 'set', soft: true, weight: Number.NaN }),
      'domain.features.x.weight must be a number of at least 0, got NaN',
    ],
    [
      'a string as soft',
      withFeature({ kind: 'flag', soft: 'yes' }),
      'domain.features.x.soft must be true or false, got "yes"',
    ],
    [
      'a soft number',
      withFeature({ ...NUMBER, soft: true }),
      'domain.features.x.soft is not a setting of a number (kind, optional, label, edges, range, weight)',
    ],
    [
      'a soft text',
      withFeature({ kind: 'text', soft: true }),
      'domain.features.x.soft is not a setting of a text (kind, optional, label, layout)',
    ],
    [
      'a weight of an image',
      withFeature({ kind: 'image', weight: 1 }),
      'domain.features.x.weight is not a setting of a image (kind, optional, label)',
    ],
    [
      'a flag as scene',
      { ...withFeature({ kind: 'flag' }), sceneFeature: 'x' },
      'domain.sceneFeature must be a category of the domain (it has none), got "x"',
    ],
    [
      'an unknown feature as scene',
      { name: 'a', features: { b: { kind: 'category' }, c: { kind: 'category' } }, sceneFeature: 'd' },
      'domain.sceneFeature must be a category of the domain (b, c), got "d"',
    ],
    [
      'a string as values',
      withFeature({ kind: 'category', values: 'abc' }),
      'domain.features.x.values must be a list of at least one string, got "abc"',
    ],
    [
      'no values',
      withFeature({ kind: 'category', values: [] }),
      'domain.features.x.values must be a list of at least one string, got an empty list',
    ],
    [
      'numbers as values',
      withFeature({ kind: 'category', values: [1] }),
      'domain.features.x.values must be a list of at least one string, got a list of 1',
    ],
    [
      'a string as optional',
      withFeature({ kind: 'flag', optional: 'yes' }),
      'domain.features.x.optional must be true or false, got "yes"',
    ],
    [
      'an object as label',
      withFeature({ kind: 'flag', label: {} }),
      'domain.features.x.label must be a text, got an object',
    ],
    [
      '"constructor" as feature',
      { name: 'a', features: { constructor: { kind: 'flag' } } },
      'domain.features.constructor is a name that every object has; choose another',
    ],
    [
      '"__proto__" as feature',
      JSON.parse('{"name":"a","features":{"__proto__":{"kind":"flag"}}}'),
      'domain.features.__proto__ is a name that every object has; choose another',
    ],
    [
      'an unknown key',
      { ...withFeature({ kind: 'flag' }), rolls: [] },
      'domain.rolls is not a setting of a domain (name, description, features, roles, sceneFeature, priorities, next)',
    ],
    [
      'an unknown key of a role',
      withRoles([{ name: 'r', prompt: 'p', model: 'phi' }]),
      'domain.roles[0].model is not a setting of a role (name, prompt, vision)',
    ],
    [
      'a string as vision',
      withRoles([{ name: 'r', prompt: 'p', vision: 'yes' }]),
      'domain.roles[0].vision must be true or false, got "yes"',
    ],
    [
      'priorities that are a list',
      { ...withFeature({ kind: 'flag' }), priorities: [1] },
      'domain.priorities must be an object of numbers by scene, got a list of 1',
    ],
    [
      'null as priorities',
      { ...withFeature({ kind: 'flag' }), priorities: null },
      'domain.priorities must be an object of numbers by scene, got null',
    ],
    [
      'a priority that is no number',
      { ...withFeature({ kind: 'flag' }), priorities: { combat: 'high' } },
      'domain.priorities.combat must be a number, got "high"',
    ],
    [
      'a priority without end',
      { ...withFeature({ kind: 'flag' }), priorities: { combat: Number.POSITIVE_INFINITY } },
      'domain.priorities.combat must be a number, got Infinity',
    ],
    ['an object as roles', withRoles({}), 'domain.roles must be a list, got an object'],
    ['null as role', withRoles([null]), 'domain.roles[0].name must be a name'],
    ['a role without name', withRoles([{ prompt: 'p' }]), 'domain.roles[0].name must be a name'],
    ['a role without prompt', withRoles([{ name: 'r' }]), 'domain.roles[0].prompt must be a text'],
    [
      'two roles of one name',
      withRoles([
        { name: 'r', prompt: 'p' },
        { name: 'r', prompt: 'q' },
      ]),
      'domain.roles[1].name is used twice: r',
    ],
  ];

  test.each(ROWS)('%s', (_, definition, message) => {
    expect(messageOf(definition)).toBe(message);
  });
});

describe('defineDomain', () => {
  test('takes every kind of feature', () => {
    const features = {
      a: { kind: 'category', values: ['x'], optional: true, label: 'the a' },
      b: { kind: 'flag' },
      c: { kind: 'set' },
      d: { ...NUMBER, weight: 0 },
      e: { kind: 'text' },
      f: { kind: 'image' },
      s1: { kind: 'category', soft: true, weight: 0 },
      s2: { kind: 'flag', soft: false, weight: 2.5 },
      s3: { kind: 'set', soft: true },
      g: { kind: 'number', edges: [], range: [-1, 1] },
    };
    expect(messageOf({ name: 'all', features })).toBe('accepted');
  });

  test('gives roles and a description to a domain that names none', () => {
    const domain = defineDomain({ name: 'traffic', features: { x: { kind: 'flag' } } });
    expect(domain.roles).toEqual(GENERIC_ROLES);
    expect(domain.description).toContain('traffic');
  });

  test('does not find inherited names among the features', () => {
    const { features } = defineDomain({ name: 'a', features: { x: { kind: 'flag' } } });
    expect(features.constructor).toBeUndefined();
    expect(Object.getPrototypeOf(features)).toBeNull();
  });

  test('is not changed by what happens to the definition', () => {
    const features: Record<string, { kind: 'flag' }> = { x: { kind: 'flag' } };
    const domain = defineDomain({ name: 'a', features });
    features.y = { kind: 'flag' };
    expect(Object.keys(domain.features)).toEqual(['x']);
    expect(Object.isFrozen(domain)).toBe(true);
  });

  test('crosses threads unchanged', () => {
    expect(structuredClone(skyrim)).toEqual(skyrim);
  });
});

describe('the scene', () => {
  const category = { kind: 'category' } as const;
  const sceneFeatureOf = (features: DomainDefinition['features'], sceneFeature?: string): string | undefined =>
    defineDomain({ name: 'a', features, sceneFeature }).sceneFeature;

  test('is the category that the definition names, else the one called scene, else the first category', () => {
    const features = { level: { kind: 'flag' }, place: category, scene: category } as const;
    expect(sceneFeatureOf(features, 'place')).toBe('place');
    expect(sceneFeatureOf(features)).toBe('scene');
    expect(sceneFeatureOf({ scene: { kind: 'flag' }, level: { kind: 'flag' }, place: category, mood: category })).toBe(
      'place',
    );
    expect(sceneFeatureOf({ level: { kind: 'flag' } })).toBeUndefined();
  });

  test('of an observation is the value of that category, and one for all where there is none', () => {
    const domain = defineDomain({ name: 'a', features: { place: { ...category, optional: true }, scene: category } });
    expect(sceneOf(domain, { place: 'cave', scene: 'combat' })).toBe('combat');
    expect(sceneOf(domain, { place: 'cave' })).toBe('all');
    expect(sceneOf(defineDomain({ name: 'a', features: { x: { kind: 'flag' } } }), { x: true })).toBe('all');
  });
});

describe('the priority', () => {
  const features = { scene: { kind: 'category', optional: true } } as const;

  test('of an observation is that of its scene, and 0 where none is given', () => {
    const domain = defineDomain({ name: 'a', features, priorities: { combat: 2, shop: -1.5, all: 0.5 } });
    const of = (scene?: string) => priorityOf(domain, scene === undefined ? {} : { scene });
    expect([of('combat'), of('shop'), of('map'), of()]).toEqual([2, -1.5, 0, 0.5]);
  });

  test('of a domain that gives none is 0, also in a scene that is called as what every object has', () => {
    const domain = defineDomain({ name: 'a', features });
    expect([priorityOf(domain, { scene: 'combat' }), priorityOf(domain, { scene: 'constructor' })]).toEqual([0, 0]);
  });

  test('is not changed by what happens to the definition', () => {
    const priorities = { combat: 1 };
    const domain = defineDomain({ name: 'a', features, priorities });
    priorities.combat = 5;
    expect(priorityOf(domain, { scene: 'combat' })).toBe(1);
  });

  test('of combat in skyrim is above that of a dungeon, and that above all others', () => {
    const of = (scene: string) => priorityOf(skyrim, { scene });
    expect(of('combat')).toBeGreaterThan(of('indoor_dungeon'));
    for (const scene of ['dialogue', 'inventory', 'map', 'outdoor_city', 'outdoor_wilderness']) {
      expect(of('indoor_dungeon')).toBeGreaterThan(of(scene));
    }
  });
});

describe('a soft feature', () => {
  test('is a category, flag or set that says so', () => {
    for (const kind of ['category', 'flag', 'set'] as const) {
      expect([isSoft({ kind, soft: true }), isSoft({ kind, soft: false }), isSoft({ kind })]).toEqual([
        true,
        false,
        false,
      ]);
    }
    expect(isSoft(NUMBER)).toBe(false);
    expect(isSoft({ kind: 'text' })).toBe(false);
  });
});

describe('skyrim', () => {
  test('has the four roles, one of which sees, and the scenes of the game', () => {
    expect(skyrim.roles.map((role) => role.name)).toEqual([
      'visual_perception',
      'spatial_reasoning',
      'threat_assessment',
      'opportunity_detection',
    ]);
    expect(skyrim.roles.filter((role) => role.vision).map((role) => role.name)).toEqual(['visual_perception']);
    expect(SKYRIM_SCENES).toEqual(
      expect.arrayContaining([
        'combat',
        'dialogue',
        'indoor_dungeon',
        'inventory',
        'map',
        'outdoor_city',
        'outdoor_wilderness',
      ]),
    );
  });

  test('puts health below 30, below 70 and above in three buckets', () => {
    const { health } = skyrim.features;
    const edges = health?.kind === 'number' ? health.edges : [];
    expect([0, 29, 30, 69, 70, 100].map((value) => bucketOf(edges, value))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});
