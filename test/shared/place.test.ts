import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineDomain, type Observation } from '../../src/shared/domain.ts';
import { fingerprintNumber, PLACE_ACTIONS_MAX, Placer, type StatePoint } from '../../src/shared/place.ts';
import { Signer } from '../../src/shared/signature.ts';

const domain = defineDomain({
  name: 'places',
  features: {
    scene: { kind: 'category' },
    mood: { kind: 'category', optional: true },
    inCombat: { kind: 'flag' },
    items: { kind: 'set' },
    weather: { kind: 'category', soft: true, weight: 2, optional: true },
    indoors: { kind: 'flag', soft: true },
    nearby: { kind: 'set', soft: true, weight: 0.5 },
    health: { kind: 'number', edges: [30, 70], range: [0, 100], weight: 3 },
    gold: { kind: 'number', edges: [10], range: [-50, 50], optional: true },
    thoughts: { kind: 'text', optional: true },
  },
});
/** Of all that is measured: health, gold, weather, indoors, nearby. */
const WEIGHTS = 3 + 1 + 2 + 1 + 0.5;
const placer = new Placer(domain, new Signer(domain));

const BASE: Observation = {
  scene: 'combat',
  inCombat: true,
  items: ['sword', 'potion'],
  weather: 'rain',
  indoors: false,
  nearby: ['wolf'],
  health: 50,
  gold: 0,
};
const ACTIONS = ['attack', 'block', 'retreat'];

function placeOf(change: Observation = {}, actions: readonly string[] = ACTIONS, by = placer): StatePoint {
  const place = by.place({ ...BASE, ...change }, actions);
  if (place === undefined) throw new Error('not placed');
  return place;
}

function distance(a: StatePoint, b: StatePoint, { softWeights } = placer): number {
  const numbers = a.coordinates.reduce((sum, value, i) => sum + (value - (b.coordinates[i] as number)) ** 2, 0);
  return Math.sqrt(
    a.soft.reduce((sum, word, i) => sum + (word === b.soft[i] ? 0 : (softWeights[i] as number)), numbers),
  );
}

describe('the gate', () => {
  const name = fc.constantFrom('a', 'b', 'c', '');
  const names = fc.uniqueArray(name, { maxLength: 3 });
  const gated = fc.record(
    {
      scene: name,
      mood: name,
      inCombat: fc.boolean(),
      items: names,
      actions: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
      hasGold: fc.boolean(),
    },
    { requiredKeys: ['scene', 'inCombat', 'items', 'actions', 'hasGold'] },
  );
  const measured = fc.record({
    weather: fc.option(name, { nil: undefined }),
    indoors: fc.boolean(),
    nearby: names,
    health: fc.double({ min: -10, max: 200, noNaN: true }),
    thoughts: name,
  });
  type Gated = typeof gated extends fc.Arbitrary<infer T> ? T : never;

  /** Equal where the gates are to be. */
  function asText({ items, actions, ...rest }: Gated): string {
    return JSON.stringify([rest.scene, rest.mood, rest.inCombat, rest.hasGold, [...items].sort(), [...actions].sort()]);
  }

  function gateOf({ actions, hasGold, ...gates }: Gated, rest: Observation): number {
    return placeOf({ ...rest, ...gates, gold: hasGold ? 5 : undefined }, actions).gate;
  }

  test('is equal when, and only when, categories, flags, sets, actions and the presence of numbers are', () => {
    fc.assert(
      fc.property(gated, gated, measured, measured, (a, b, restA, restB) => {
        expect(gateOf(a, restA)).toBe(gateOf(a, restB));
        expect(gateOf(a, restA) === gateOf(b, restB)).toBe(asText(a) === asText(b));
      }),
      { numRuns: 3_000 },
    );
  });

  test('differs with each single one of them', () => {
    const gates = [
      placeOf(),
      placeOf({ scene: 'town' }),
      placeOf({ mood: 'calm' }),
      placeOf({ mood: '' }),
      placeOf({ inCombat: false }),
      placeOf({ items: ['sword'] }),
      placeOf({ gold: undefined }),
      placeOf({}, ['attack', 'block']),
      placeOf({}, [...ACTIONS, 'wait']),
    ].map(({ gate }) => gate);
    expect(new Set(gates).size).toBe(gates.length);
  });

  test('does not know the order of actions and items, the value of a number, or text', () => {
    const { gate } = placeOf();
    expect(placeOf({ items: ['potion', 'sword'] }, ACTIONS.toReversed()).gate).toBe(gate);
    expect(placeOf({ health: 0, gold: 50, thoughts: 'hungry' }).gate).toBe(gate);
  });

  test('differs from that of another domain', () => {
    const other = defineDomain({ ...domain, name: 'other' });
    expect(placeOf({}, ACTIONS, new Placer(other, new Signer(other))).gate).not.toBe(placeOf().gate);
  });

  test('is a whole number that a double holds exactly', () => {
    for (const words of [
      [0, 0],
      [-1, -1],
      [2 ** 31 - 1, -(2 ** 31)],
    ]) {
      const number = fingerprintNumber(Int32Array.of(...words, 0, 0));
      expect(Number.isSafeInteger(number)).toBe(true);
      expect(number).toBeGreaterThanOrEqual(0);
    }
    // Each of the first 53 bits counts.
    const numbers = Array.from({ length: 53 }, (_, bit) =>
      fingerprintNumber(Int32Array.of(bit < 32 ? 1 << bit : 0, bit < 32 ? 0 : 1 << (bit - 21), 0, 0)),
    );
    expect(new Set([0, ...numbers]).size).toBe(54);
  });
});

describe('a soft feature', () => {
  test('does not gate, and a difference weighs its share of all weights, squared', () => {
    const near = placeOf();
    for (const [change, weight] of [
      [{ weather: 'snow' }, 2],
      [{ weather: undefined }, 2],
      [{ indoors: true }, 1],
      [{ nearby: [] }, 0.5],
      [{ nearby: ['wolf', 'bear'] }, 0.5],
      [{ weather: 'snow', indoors: true, nearby: ['bear'] }, 3.5],
    ] as const) {
      const far = placeOf(change);
      expect(far.gate).toBe(near.gate);
      expect(distance(near, far)).toBeCloseTo(Math.sqrt(weight / WEIGHTS), 10);
    }
  });

  test('is equal to itself, whatever the order of a set', () => {
    const a = placeOf({ nearby: ['wolf', 'bear', 'wolf'] });
    expect(distance(a, placeOf({ nearby: ['bear', 'wolf'] }))).toBe(0);
  });
});

describe('a distance', () => {
  test('is 0 for equal states and 1 for opposite ones', () => {
    expect(distance(placeOf(), placeOf())).toBe(0);
    const low = placeOf({ health: 0, gold: -50 });
    const high = placeOf({ health: 100, gold: 50, weather: 'sun', indoors: true, nearby: [] });
    expect(distance(low, high)).toBeCloseTo(1, 10);
  });

  test('of two numbers is the share of their range, by the root of its share of all weights', () => {
    expect(distance(placeOf({ health: 20 }), placeOf({ health: 70 }))).toBeCloseTo(0.5 * Math.sqrt(3 / WEIGHTS), 10);
    expect(distance(placeOf({ gold: -50 }), placeOf({ gold: 50 }))).toBeCloseTo(Math.sqrt(1 / WEIGHTS), 10);
  });

  test('is the same both ways, at most 1, and obeys the triangle', () => {
    const anywhere = fc
      .record({
        health: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        gold: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        indoors: fc.boolean(),
      })
      .map((change) => placeOf(change));
    fc.assert(
      fc.property(anywhere, anywhere, anywhere, (a, b, c) => {
        expect(distance(a, b)).toBe(distance(b, a));
        expect(distance(a, b)).toBeLessThanOrEqual(1 + 1e-12);
        expect(distance(a, c)).toBeLessThanOrEqual(distance(a, b) + distance(b, c) + 1e-12);
      }),
    );
  });

  test('does not grow beyond the ends of a range', () => {
    expect(placeOf({ health: -1 }).coordinates).toEqual(placeOf({ health: 0 }).coordinates);
    expect(placeOf({ health: 1e300 }).coordinates).toEqual(placeOf({ health: 100 }).coordinates);
    expect(placeOf({ health: 99.999 }).coordinates).not.toEqual(placeOf({ health: 100 }).coordinates);
    expect(placeOf({ gold: -51 }).coordinates).toEqual(placeOf({ gold: -50 }).coordinates);
  });

  test('does not know features that weigh nothing, also where none weighs anything', () => {
    const features = {
      health: { kind: 'number', edges: [], range: [0, 1], weight: 0 },
      mood: { kind: 'category', soft: true, weight: 0 },
    } as const;
    const weightless = defineDomain({ name: 'weightless', features });
    const by = new Placer(weightless, new Signer(weightless));
    const a = by.place({ health: 0, mood: 'calm' }, ACTIONS) as StatePoint;
    const b = by.place({ health: 1, mood: 'angry' }, ACTIONS) as StatePoint;
    expect([distance(a, b, by), a.gate]).toEqual([0, b.gate]);
  });

  test('has no dimensions in a domain without numbers', () => {
    const bare = defineDomain({ name: 'bare', features: { scene: { kind: 'category' } } });
    const by = new Placer(bare, new Signer(bare));
    expect([by.dimensions, by.softWeights.length]).toEqual([0, 0]);
    expect(by.place({ scene: 'a' }, ACTIONS)).toMatchObject({ coordinates: new Float64Array() });
  });
});

test('a request with 1,000 actions has a place, one with 1,001 has none', () => {
  const actions = Array.from({ length: PLACE_ACTIONS_MAX + 1 }, (_, i) => `action ${i}`);
  expect(placer.place(BASE, actions.slice(1))).toBeDefined();
  expect(placer.place(BASE, actions)).toBeUndefined();
});

test('a place is not changed by placing another state', () => {
  const place = placeOf();
  const copy = structuredClone(place);
  placeOf({ scene: 'town', health: 1, gold: 2, weather: 'sun' }, ['wait']);
  expect(place).toEqual(copy);
});
