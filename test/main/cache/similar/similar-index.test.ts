import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LOOKED_MAX, type Neighbour, SimilarIndex } from '../../../../src/main/cache/similar/similar-index.ts';
import type { StatePoint } from '../../../../src/shared/place.ts';
import { type Random, randomIndex, seededRandom } from '../../../../src/shared/random.ts';

const SOFT_WEIGHTS = Float64Array.of(0.2, 0.05);
/** Distances are compared in squares, of coordinates that are kept in 32 bits. */
const ROUNDING = 2e-6;

function place(gate: number, coordinates: readonly number[], soft: readonly number[] = [0, 0]): StatePoint {
  return { gate, coordinates: Float64Array.from(coordinates), soft: Int32Array.from(soft) };
}

function distanceOf(a: StatePoint, b: StatePoint): number {
  const numbers = a.coordinates.reduce((sum, value, i) => sum + (value - (b.coordinates[i] as number)) ** 2, 0);
  const soft = a.soft.reduce((sum, word, i) => sum + (word === b.soft[i] ? 0 : (SOFT_WEIGHTS[i] as number)), 0);
  return Math.sqrt(numbers + soft);
}

/** What the index is to find, by looking at everything. */
class AllPlaces {
  readonly places = new Map<number, StatePoint>();

  nearestMs(wanted: StatePoint, distanceMax: number, accept: (slot: number) => boolean): number | undefined {
    const distances = [...this.places]
      .filter(([slot, at]) => at.gate === wanted.gate && accept(slot))
      .map(([, at]) => distanceOf(at, wanted))
      .filter((distance) => distance <= distanceMax);
    return distances.length === 0 ? undefined : Math.min(...distances);
  }
}

/** Sees to it that an answer is of an accepted slot with equal gates, at the distance it tells, and that none is nearer. */
function expectNearest(
  all: AllPlaces,
  index: SimilarIndex,
  wanted: StatePoint,
  distanceMax = Number.POSITIVE_INFINITY,
  accept: (slot: number) => boolean = () => true,
): void {
  const found = index.nearest(wanted, distanceMax, accept);
  if (found === undefined) {
    // What lies at the very limit may be found or not.
    expect(all.nearestMs(wanted, distanceMax - ROUNDING, accept)).toBeUndefined();
    return;
  }
  const at = all.places.get(found.slot);
  expect(at?.gate).toBe(wanted.gate);
  expect(accept(found.slot)).toBe(true);
  expect(Math.abs(distanceOf(at as StatePoint, wanted) - found.distance)).toBeLessThan(ROUNDING);
  expect(found.distance).toBeLessThanOrEqual(distanceMax + ROUNDING);
  const nearest = all.nearestMs(wanted, distanceMax + ROUNDING, accept) ?? Number.POSITIVE_INFINITY;
  expect(found.distance).toBeLessThanOrEqual(nearest + ROUNDING);
}

type Spread = (random: Random) => number;
const SPREADS: Readonly<Record<string, Spread>> = {
  even: (random) => random.next() / 2,
  'on a grid, so that many are equal': (random) => randomIndex(random, 4) / 8,
  'in two clusters': (random) => (random.next() < 0.5 ? 0.1 : 0.4) + random.next() * 1e-3,
  'nearly all in one place': (random) => (random.next() < 0.95 ? 0.25 : random.next() / 2),
};

describe('the nearest', () => {
  describe.each(Object.entries(SPREADS))('of states that lie %s', (_, spread) => {
    test.each([1, 2, 3])('is that of a search through all of them, seed %i', (seed) => {
      const random = seededRandom(seed);
      const dimensions = 1 + randomIndex(random, 4);
      const slotCount = 600;
      const index = new SimilarIndex(slotCount, dimensions, SOFT_WEIGHTS);
      const all = new AllPlaces();
      const anywhere = (): StatePoint =>
        place(
          randomIndex(random, 4),
          Array.from({ length: dimensions }, () => spread(random)),
          [randomIndex(random, 3), randomIndex(random, 2)],
        );
      for (let operation = 0; operation < 4_000; operation++) {
        const slot = randomIndex(random, slotCount);
        const choice = random.next();
        if (choice < 0.5) {
          const at = anywhere();
          index.set(slot, at);
          all.places.set(slot, at);
        } else if (choice < 0.65) {
          index.remove(slot);
          all.places.delete(slot);
        } else {
          const modulus = 1 + randomIndex(random, 5);
          const distanceMax = random.next() < 0.3 ? Number.POSITIVE_INFINITY : random.next() * 0.4;
          expectNearest(all, index, anywhere(), distanceMax, (other) => other % modulus === 0);
        }
      }
      // No gate has more slots than are looked at, or the search need not be exact.
      for (const gate of [0, 1, 2, 3]) {
        const inGate = [...all.places.values()].filter((at) => at.gate === gate);
        expect(inGate.length).toBeLessThan(LOOKED_MAX);
      }
    });
  });

  test('is right after any sequence of sets and removals', () => {
    const coordinate = fc.integer({ min: 0, max: 5 }).map((step) => step / 10);
    const anyPlace = fc
      .tuple(fc.integer({ min: 1, max: 2 }), coordinate, coordinate, fc.integer({ min: 0, max: 1 }))
      .map(([gate, x, y, soft]) => place(gate, [x, y], [soft, 0]));
    const slot = fc.integer({ min: 0, max: 59 });
    const operation = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), slot, at: anyPlace }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), slot }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('nearest' as const), at: anyPlace, max: coordinate }) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300, size: 'max' }), (operations) => {
        const index = new SimilarIndex(60, 2, SOFT_WEIGHTS);
        const all = new AllPlaces();
        for (const step of operations) {
          if (step.kind === 'set') {
            index.set(step.slot, step.at);
            all.places.set(step.slot, step.at);
          } else if (step.kind === 'remove') {
            index.remove(step.slot);
            all.places.delete(step.slot);
          } else expectNearest(all, index, step.at, step.max);
        }
        expect(index.groups).toBe(new Set([...all.places.values()].map(({ gate }) => gate)).size);
        for (const at of all.places.values()) expectNearest(all, index, at);
      }),
      { numRuns: 300 },
    );
  });

  test('at distance 0 finds an equal state, also where 32 bits cannot hold a coordinate', () => {
    const index = new SimilarIndex(1, 3, SOFT_WEIGHTS);
    const at = place(1, [0.1, 0.7, 1 / 3]);
    index.set(0, at);
    expect(index.nearest(at, 0, () => true)?.slot).toBe(0);
  });

  test('is within the limit: a slot at it is found, one just beyond it is not', () => {
    const index = new SimilarIndex(2, 1, SOFT_WEIGHTS);
    index.set(0, place(1, [0.5]));
    expect(index.nearest(place(1, [0.4]), 0.1, () => true)).toMatchObject({ slot: 0 });
    expect(index.nearest(place(1, [0.4]), 0.0999, () => true)).toBeUndefined();
    expect(index.nearest(place(1, [0.6001]), 0.1, () => true)).toBeUndefined();
  });

  test('takes the weight of a soft feature that differs for distance, and the limit holds for it, too', () => {
    const index = new SimilarIndex(3, 1, SOFT_WEIGHTS);
    index.set(0, place(1, [0.5], [7, 0]));
    expect(index.nearest(place(1, [0.5], [8, 0]), 1, () => true)?.distance).toBeCloseTo(Math.sqrt(0.2), 5);
    expect(index.nearest(place(1, [0.5], [8, 9]), 1, () => true)?.distance).toBeCloseTo(0.5, 5);
    expect(index.nearest(place(1, [0.5], [8, 0]), 0.44, () => true)).toBeUndefined();
    // Farther by its number, nearer by its soft feature.
    index.set(1, place(1, [0.8], [8, 0]));
    expect(index.nearest(place(1, [0.5], [8, 0]), 1, () => true)?.slot).toBe(1);
  });

  test('is asked for in a gate that is not there', () => {
    const index = new SimilarIndex(2, 1, SOFT_WEIGHTS);
    index.set(0, place(1, [0.5]));
    expect(index.nearest(place(2, [0.5]), Number.POSITIVE_INFINITY, () => true)).toBeUndefined();
    // The first slot begins with a gate of 0 in memory, which is also a gate.
    expect(index.nearest(place(0, [0]), Number.POSITIVE_INFINITY, () => true)).toBeUndefined();
  });

  test('is the only one of its gate where there are no numbers', () => {
    const index = new SimilarIndex(3, 0, new Float64Array());
    const bare = (gate: number): StatePoint => place(gate, [], []);
    index.set(0, bare(1));
    index.set(1, bare(2));
    expect(index.nearest(bare(2), 0, () => true)).toEqual({ slot: 1, distance: expect.closeTo(0, 5) });
  });
});

describe('a slot', () => {
  test('that moved is found where it is and not where it was, also in another gate', () => {
    const index = new SimilarIndex(1, 1, SOFT_WEIGHTS);
    const found = (at: StatePoint): Neighbour | undefined => index.nearest(at, 0.01, () => true);
    index.set(0, place(1, [0.1]));
    index.set(0, place(1, [0.9]));
    expect([found(place(1, [0.1])), found(place(1, [0.9]))?.slot]).toEqual([undefined, 0]);
    index.set(0, place(2, [0.9]));
    expect([found(place(1, [0.9])), found(place(2, [0.9]))?.slot]).toEqual([undefined, 0]);
    expect(index.groups).toBe(1);
  });

  test('that is removed twice, or was never there, changes nothing', () => {
    const index = new SimilarIndex(2, 1, SOFT_WEIGHTS);
    index.remove(0);
    index.set(0, place(1, [0.1]));
    index.set(1, place(1, [0.2]));
    index.remove(0);
    index.remove(0);
    expect(index.nearest(place(1, [0.1]), 1, () => true)?.slot).toBe(1);
  });

  test('that is removed after a clear takes nothing with it', () => {
    const index = new SimilarIndex(2, 1, SOFT_WEIGHTS);
    index.set(0, place(1, [0.1]));
    index.clear();
    index.set(1, place(1, [0.2]));
    index.remove(0);
    expect(index.nearest(place(1, [0.1]), 1, () => true)?.slot).toBe(1);
  });

  test('and all others are gone after a clear, and can be set again', () => {
    const index = new SimilarIndex(100, 1, SOFT_WEIGHTS);
    for (let slot = 0; slot < 100; slot++) index.set(slot, place(slot % 3, [slot / 100]));
    index.clear();
    expect(index.groups).toBe(0);
    index.clear();
    expect(index.nearest(place(0, [0.5]), 1, () => true)).toBeUndefined();
    index.remove(4);
    index.set(4, place(1, [0.5]));
    expect([index.groups, index.nearest(place(1, [0.4]), 1, () => true)?.slot]).toEqual([1, 4]);
  });
});

describe('the cost', () => {
  const SLOTS = 100_000;

  /** A place that counts how often it is compared with a slot, and with a division of the tree. */
  function countingPlace(of: StatePoint): { wanted: StatePoint; looked: () => number; steps: () => number } {
    let looked = 0;
    let steps = 0;
    const wanted: StatePoint = {
      gate: of.gate,
      get coordinates() {
        steps++;
        return of.coordinates;
      },
      get soft() {
        looked++;
        return of.soft;
      },
    };
    return { wanted, looked: () => looked, steps: () => steps };
  }

  const MANY: Readonly<Record<string, (slot: number, random: Random) => StatePoint>> = {
    'that lie anywhere': (_, random) => place(1, [random.next() / 2, random.next() / 2]),
    'of a number that only grows': (slot) => place(1, [(slot / SLOTS) * 0.7, 0.2]),
    'of a number that only falls': (slot) => place(1, [(1 - slot / SLOTS) * 0.7, 0.2]),
    'all in one place': (slot) => place(1, [0.3, 0.3], [slot, 0]),
    'nearly all in one place': (slot) => place(1, [slot % 50 === 0 ? slot / SLOTS / 2 : 0.3, 0.3], [slot, 0]),
  };

  test.each(Object.entries(MANY))(
    'of a lookup among 100,000 states of one gate, %s, is bounded',
    (_, at) => {
      const random = seededRandom(1);
      const index = new SimilarIndex(SLOTS, 2, SOFT_WEIGHTS);
      for (let slot = 0; slot < SLOTS; slot++) index.set(slot, at(slot, random));
      for (const accepts of [true, false]) {
        for (let lookup = 0; lookup < 200; lookup++) {
          const { wanted, looked, steps } = countingPlace(at(randomIndex(random, SLOTS), random));
          let asked = 0;
          index.nearest(wanted, Number.POSITIVE_INFINITY, () => {
            asked++;
            return accepts;
          });
          expect(asked).toBeGreaterThan(0);
          expect(asked).toBeLessThanOrEqual(LOOKED_MAX);
          expect(looked()).toBeLessThanOrEqual(LOOKED_MAX);
          expect(steps()).toBeLessThanOrEqual(4 * LOOKED_MAX);
        }
      }
      // As an eviction does: the oldest goes, a new one comes.
      for (let slot = 0; slot < SLOTS; slot++) index.remove(slot);
      expect(index.groups).toBe(0);
    },
    20_000,
  );

  test('of a lookup among a few is that of looking at each once', () => {
    const index = new SimilarIndex(20, 2, SOFT_WEIGHTS);
    for (let slot = 0; slot < 20; slot++) index.set(slot, place(1, [slot / 40, 0]));
    const { wanted, looked } = countingPlace(place(1, [0.2, 0]));
    index.nearest(wanted, 1, () => true);
    expect(looked()).toBe(20);
  });

  test('in exactness comes late: among 100,000 the answer is still near', () => {
    const random = seededRandom(2);
    const index = new SimilarIndex(SLOTS, 2, SOFT_WEIGHTS);
    for (let slot = 0; slot < SLOTS; slot++) index.set(slot, place(1, [random.next() / 2, random.next() / 2]));
    for (let lookup = 0; lookup < 200; lookup++) {
      const found = index.nearest(place(1, [random.next() / 2, random.next() / 2]), 1, () => true);
      // The mean distance to the nearest of so many is 0.0008.
      expect(found?.distance).toBeLessThan(0.01);
    }
  });
});
