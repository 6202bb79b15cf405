import { defineDomain } from '../../../src/shared/domain.ts';
import { REQUEST_LIMITS } from '../../../src/shared/plan-request.ts';

/** Requests that are at fault, each with what it is told, and requests that are not. */
export const domain = defineDomain({
  name: 'test',
  features: {
    scene: { kind: 'category', values: ['combat', 'map'] },
    place: { kind: 'category', optional: true },
    inCombat: { kind: 'flag' },
    items: { kind: 'set' },
    health: { kind: 'number', edges: [30, 70], range: [0, 100] },
    thoughts: { kind: 'text', optional: true },
    screenshot: { kind: 'image', optional: true },
  },
  roles: [
    { name: 'one', prompt: 'One.' },
    { name: 'two', prompt: 'Two.' },
  ],
});

export const OBSERVATION = { scene: 'combat', inCombat: true, items: ['sword'], health: 50 };
export const REQUEST = { agent: 'lydia', observation: OBSERVATION, actions: ['attack', 'block'] };
const PNG = 'data:image/png;base64,iVBORw0KGgo=';

export const withActions = (actions: unknown) => ({ ...REQUEST, actions });
export const seeing = (changed: Record<string, unknown>) => ({
  ...REQUEST,
  observation: { ...OBSERVATION, ...changed },
});
export const withValues = (qValues: unknown) => ({ ...REQUEST, qValues });
const valuesOf = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, i]));
const without = (name: string) => seeing({ [name]: undefined });
/** As it comes from JSON: `__proto__` is a key like any other. */
const parsed = (json: string) => JSON.parse(json) as Record<string, unknown>;

export const long = (chars: number) => 'x'.repeat(chars);
const cut = (chars: number) => `"${long(60)}"… (${chars} characters)`;

export const BAD_PLANS: readonly (readonly [what: string, request: unknown, message: string])[] = [
  ['no request', undefined, 'request must be an object, got nothing'],
  ['null', null, 'request must be an object, got null'],
  ['a string', 'attack', 'request must be an object, got "attack"'],
  [
    'an unknown key',
    { ...REQUEST, qvalues: { attack: 1 } },
    'qvalues is not a part of a request (agent, observation, actions, qValues)',
  ],
  ['no agent', { ...REQUEST, agent: undefined }, 'agent must be a name, got nothing'],
  ['an empty agent', { ...REQUEST, agent: '' }, 'agent must be a name, got ""'],
  ['a number as agent', { ...REQUEST, agent: 7 }, 'agent must be a name, got 7'],
  ['a long agent', { ...REQUEST, agent: long(257) }, `agent must be at most 256 characters, got ${cut(257)}`],

  ['no actions', withActions([]), 'actions must be a list of at least one action, got an empty list'],
  ['actions left out', withActions(undefined), 'actions must be a list of at least one action, got nothing'],
  ['a string as actions', withActions('attack'), 'actions must be a list of at least one action, got "attack"'],
  ['an object as actions', withActions({ 0: 'a' }), 'actions must be a list of at least one action, got an object'],
  ['an empty action', withActions(['attack', '']), 'actions[1] must be a name, got ""'],
  ['a white action', withActions([' \n\t']), 'actions[0] must be a name, got " \\n\\t"'],
  ['a number as action', withActions(['attack', 3]), 'actions[1] must be a name, got 3'],
  ['null as action', withActions([null]), 'actions[0] must be a name, got null'],
  ['a hole in actions', withActions(Object.assign(new Array(2), { 0: 'a' })), 'actions[1] must be a name, got nothing'],
  ['a duplicate', withActions(['attack', 'block', 'attack']), 'actions[2] must differ from actions[0], got "attack"'],
  [
    'a duplicate in a long list',
    withActions([...Array.from({ length: 40 }, (_, i) => `a${i}`), 'a7']),
    'actions[40] must differ from actions[7], got "a7"',
  ],
  [
    'an inherited name twice',
    withActions(['__proto__', '__proto__']),
    'actions[1] must differ from actions[0], got "__proto__"',
  ],
  ['a long action', withActions([long(1_001)]), `actions[0] must be at most 1000 characters, got ${cut(1_001)}`],
  [
    'too many actions',
    withActions(Array.from({ length: 100_001 }, (_, i) => `a${i}`)),
    'actions must hold at most 100000, got a list of 100001',
  ],

  [
    'no observation',
    { ...REQUEST, observation: undefined },
    'observation must be an object of named features, got nothing',
  ],
  [
    'null as observation',
    { ...REQUEST, observation: null },
    'observation must be an object of named features, got null',
  ],
  [
    'a list as observation',
    { ...REQUEST, observation: [1] },
    'observation must be an object of named features, got a list of 1',
  ],
  ['a missing category', without('scene'), 'observation.scene is a category that test needs, got nothing'],
  ['a missing flag', without('inCombat'), 'observation.inCombat is a flag that test needs, got nothing'],
  ['a missing set', without('items'), 'observation.items is a set that test needs, got nothing'],
  ['a missing number', without('health'), 'observation.health is a number that test needs, got nothing'],
  [
    'an unknown feature',
    seeing({ mana: 3 }),
    'observation.mana is not a feature of test (scene, place, inCombat, items, health, thoughts, screenshot)',
  ],
  ['null as category', seeing({ scene: null }), 'observation.scene must be a string, got null'],
  ['a number as category', seeing({ scene: 1 }), 'observation.scene must be a string, got 1'],
  ['a value not listed', seeing({ scene: 'dream' }), 'observation.scene must be one of combat, map, got "dream"'],
  ['a part of a value', seeing({ scene: 'com' }), 'observation.scene must be one of combat, map, got "com"'],
  [
    'a long category',
    seeing({ place: long(1_001) }),
    `observation.place must be at most 1000 characters, got ${cut(1_001)}`,
  ],
  ['a number as flag', seeing({ inCombat: 1 }), 'observation.inCombat must be true or false, got 1'],
  ['a string as flag', seeing({ inCombat: 'true' }), 'observation.inCombat must be true or false, got "true"'],
  ['NaN', seeing({ health: Number.NaN }), 'observation.health must be a finite number, got NaN'],
  [
    'Infinity',
    seeing({ health: Number.POSITIVE_INFINITY }),
    'observation.health must be a finite number, got Infinity',
  ],
  [
    '-Infinity',
    seeing({ health: Number.NEGATIVE_INFINITY }),
    'observation.health must be a finite number, got -Infinity',
  ],
  ['a string as number', seeing({ health: '50' }), 'observation.health must be a finite number, got "50"'],
  ['a bigint as number', seeing({ health: 50n }), 'observation.health must be a finite number, got 50'],
  ['a string as set', seeing({ items: 'sword' }), 'observation.items must be a list of strings, got "sword"'],
  ['a number in a set', seeing({ items: ['sword', 2] }), 'observation.items[1] must be a string, got 2'],
  [
    'a long item',
    seeing({ items: [long(1_001)] }),
    `observation.items[0] must be at most 1000 characters, got ${cut(1_001)}`,
  ],
  [
    'a set of too many',
    seeing({ items: new Array(1_001).fill('x') }),
    'observation.items must hold at most 1000 items, got a list of 1001',
  ],
  ['a function as text', seeing({ thoughts: () => 1 }), 'observation.thoughts must be a string, got a function'],
  [
    'a 10 MB text',
    seeing({ thoughts: long(10_000_000) }),
    `observation.thoughts must be at most 100000 characters, got ${cut(10_000_000)}`,
  ],

  [
    'a path as image',
    seeing({ screenshot: 'a.png' }),
    'observation.screenshot must be a data URL of an image ("data:image/png;base64,…"), got "a.png"',
  ],
  [
    'a URL as image',
    seeing({ screenshot: 'http://10.0.0.1/a.png' }),
    'observation.screenshot must be a data URL of an image ("data:image/png;base64,…"), got "http://10.0.0.1/a.png"',
  ],
  [
    'a data URL of a text',
    seeing({ screenshot: 'data:text/html;base64,AAAA' }),
    'observation.screenshot must be a data URL of an image ("data:image/png;base64,…"), got "data:text/html;base64,AAAA"',
  ],
  [
    'a data URL without data',
    seeing({ screenshot: 'data:image/png;base64,' }),
    'observation.screenshot must be a data URL of an image ("data:image/png;base64,…"), got "data:image/png;base64,"',
  ],
  [
    'a number as image',
    seeing({ screenshot: 5 }),
    'observation.screenshot must be a data URL, or an object with mediaType and base64, got 5',
  ],
  [
    'null as image',
    seeing({ screenshot: null }),
    'observation.screenshot must be a data URL, or an object with mediaType and base64, got null',
  ],
  [
    'an image without media type',
    seeing({ screenshot: { base64: 'AAAA' } }),
    'observation.screenshot must be a data URL, or an object with mediaType and base64, got an object',
  ],
  [
    'an image of another type',
    seeing({ screenshot: { mediaType: 'text/html', base64: 'AAAA' } }),
    'observation.screenshot.mediaType must start with "image/", got "text/html"',
  ],
  [
    'an image of a long type',
    seeing({ screenshot: { mediaType: `image/${long(10_000_000)}`, base64: 'AAAA' } }),
    `observation.screenshot.mediaType must be at most 1000 characters, got "image/${long(54)}"… (10000006 characters)`,
  ],
  [
    'an empty image',
    seeing({ screenshot: { mediaType: 'image/png', base64: '' } }),
    'observation.screenshot.base64 must be base64, got ""',
  ],
  [
    'a large image',
    seeing({ screenshot: { mediaType: 'image/png', base64: long(16_000_001) } }),
    `observation.screenshot.base64 must be at most 16000000 characters, got ${cut(16_000_001)}`,
  ],

  [
    'too many values',
    withValues(valuesOf(REQUEST_LIMITS.actions + 1)),
    'qValues must hold at most 100000 values, got an object',
  ],
  ['null as values', withValues(null), 'qValues must be an object of numbers by action, got null'],
  ['a list as values', withValues([0.5, 0.7]), 'qValues must be an object of numbers by action, got a list of 2'],
  ['a string as values', withValues('0.5'), 'qValues must be an object of numbers by action, got "0.5"'],
  ['NaN as value', withValues({ attack: Number.NaN }), 'qValues.attack must be a finite number, got NaN'],
  ['Infinity as value', withValues({ block: 1 / 0 }), 'qValues.block must be a finite number, got Infinity'],
  ['a string as value', withValues({ attack: '1' }), 'qValues.attack must be a finite number, got "1"'],
  ['null as value', withValues({ attack: null }), 'qValues.attack must be a finite number, got null'],
  [
    'a wrong value of an action that is not legal',
    withValues({ fly: 'high' }),
    'qValues.fly must be a finite number, got "high"',
  ],

  [
    '"constructor" as feature',
    seeing({ constructor: 1 }),
    'observation.constructor is not a feature of test (scene, place, inCombat, items, health, thoughts, screenshot)',
  ],
  [
    '"__proto__" as feature',
    { ...REQUEST, observation: parsed('{"scene":"map","inCombat":true,"items":[],"health":1,"__proto__":{"x":1}}') },
    'observation.__proto__ is not a feature of test (scene, place, inCombat, items, health, thoughts, screenshot)',
  ],
  [
    '"__proto__" as value',
    withValues(parsed('{"__proto__":"x"}')),
    'qValues.__proto__ must be a finite number, got "x"',
  ],
];

export const GOOD_PLANS: readonly (readonly [what: string, request: unknown])[] = [
  ['the least', REQUEST],
  ['one action', withActions(['attack'])],
  ['actions that differ in case or space', withActions(['attack', 'Attack', ' attack', 'attack '])],
  ['actions that every object has', withActions(['constructor', '__proto__', 'toString'])],
  ['as many actions as the bound', withActions(Array.from({ length: REQUEST_LIMITS.actions }, (_, i) => `a${i}`))],
  ['an action as long as the bound', withActions([long(REQUEST_LIMITS.actionChars)])],
  ['an agent as long as the bound', { ...REQUEST, agent: long(REQUEST_LIMITS.agentChars) }],
  ['a text as long as the bound', seeing({ thoughts: long(REQUEST_LIMITS.textChars) })],
  ['a set as large as the bound', seeing({ items: new Array(REQUEST_LIMITS.setItems).fill('x') })],
  ['an empty set, an empty text, an empty category', seeing({ items: [], thoughts: '', place: '' })],
  ['optional features as undefined', seeing({ thoughts: undefined, screenshot: undefined })],
  ['a number out of its range', seeing({ health: -5e6 })],
  ['an image as data URL', seeing({ screenshot: PNG })],
  ['an image as object', seeing({ screenshot: { mediaType: 'image/webp', base64: 'UklGRg==' } })],
  ['values of all actions', withValues({ attack: 0.5, block: -1 })],
  ['values of actions that are not legal', withValues({ fly: 9, block: 1 })],
  ['as many values as the bound', withValues(valuesOf(REQUEST_LIMITS.actions))],
  ['no value at all', withValues({})],
  ['values of names that every object has', withValues(parsed('{"__proto__":1,"constructor":2}'))],
  ['an object without prototype', Object.assign(Object.create(null), REQUEST)],
];
