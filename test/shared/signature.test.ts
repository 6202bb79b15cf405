import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Domain, type DomainDefinition, defineDomain, type Observation } from '../../src/shared/domain.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { bucketOf, SIGNATURE_WORDS, Signer, signatureText } from '../../src/shared/signature.ts';

const DEFINITION: DomainDefinition = {
  name: 'test',
  features: {
    scene: { kind: 'category' },
    mood: { kind: 'category', optional: true },
    inCombat: { kind: 'flag' },
    items: { kind: 'set' },
    health: { kind: 'number', edges: [30, 70], range: [0, 100] },
    thoughts: { kind: 'text', optional: true },
    screenshot: { kind: 'image', optional: true },
  },
};
const domain = defineDomain(DEFINITION);
const signer = new Signer(domain);

function sign(observation: Observation, actions: readonly string[], by = signer): string {
  return signatureText(by.sign(observation, actions, new Int32Array(SIGNATURE_WORDS)));
}

const BASE: Observation = { scene: 'combat', inCombat: true, items: ['sword', 'potion'], health: 50 };
const ACTIONS = ['attack', 'block', 'retreat'];

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ maxLength: 6, unit: 'binary' }));
const actionList = fc.uniqueArray(
  text.filter((name) => name.trim() !== ''),
  { minLength: 1, maxLength: 12 },
);
const observation = fc.record(
  {
    scene: text,
    mood: text,
    inCombat: fc.boolean(),
    items: fc.uniqueArray(text, { maxLength: 8 }),
    health: fc.double({ min: -1_000, max: 1_000, noNaN: true }),
  },
  { requiredKeys: ['scene', 'inCombat', 'items', 'health'] },
);

type Seen = {
  readonly scene: string;
  readonly mood?: string;
  readonly inCombat: boolean;
  readonly items: readonly string[];
  readonly health: number;
};

function shuffled<T>(items: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...items], { minLength: items.length });
}

describe('what does not change a signature', () => {
  test('the order of actions and of the items of a set', () => {
    fc.assert(
      fc.property(
        observation.chain((seen) =>
          fc.tuple(fc.constant(seen), shuffled(seen.items)).map(([at, items]) => [at, { ...at, items }] as const),
        ),
        actionList.chain((actions) => fc.tuple(fc.constant(actions), shuffled(actions))),
        ([seen, reordered], [actions, shuffledActions]) => {
          expect(sign(reordered, shuffledActions)).toBe(sign(seen, actions));
        },
      ),
    );
  });

  test('an item that a set holds twice', () => {
    expect(sign({ ...BASE, items: ['sword', 'potion', 'sword'] }, ACTIONS)).toBe(sign(BASE, ACTIONS));
  });

  test('another number in the same bucket', () => {
    const inBucket = (low: number, high: number) => fc.double({ min: low, max: high, noNaN: true, maxExcluded: true });
    const pair = fc.oneof(
      fc.tuple(inBucket(-1e9, 30), inBucket(-1e9, 30)),
      fc.tuple(inBucket(30, 70), inBucket(30, 70)),
      fc.tuple(inBucket(70, 1e9), inBucket(70, 1e9)),
    );
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(sign({ ...BASE, health: a }, ACTIONS)).toBe(sign({ ...BASE, health: b }, ACTIONS));
      }),
    );
    expect(sign({ ...BASE, health: -0 }, ACTIONS)).toBe(sign({ ...BASE, health: 0 }, ACTIONS));
  });

  test('text and image', () => {
    const base = sign(BASE, ACTIONS);
    expect(sign({ ...BASE, thoughts: 'I am hungry' }, ACTIONS)).toBe(base);
    expect(sign({ ...BASE, screenshot: 'data:image/png;base64,AAAA' }, ACTIONS)).toBe(base);
    expect(sign({ ...BASE, screenshot: { mediaType: 'image/png', base64: 'BBBB' } }, ACTIONS)).toBe(base);
  });

  test('the order in which an observation names its features', () => {
    const reversed = Object.fromEntries(Object.entries(BASE).reverse());
    expect(sign(reversed, ACTIONS)).toBe(sign(BASE, ACTIONS));
  });

  test('what was signed before with the same signer', () => {
    const before = sign(BASE, ACTIONS);
    sign({ ...BASE, scene: 'a'.repeat(999), items: ['x', 'y', 'z'] }, ['one']);
    expect(sign(BASE, ACTIONS)).toBe(before);
  });

  test('what a domain only says about itself: its description, roles and texts', () => {
    const features = { ...DEFINITION.features, note: { kind: 'text', optional: true } } as const;
    const renamed = defineDomain({ ...DEFINITION, description: 'another', features, roles: [] });
    expect(sign(BASE, ACTIONS, new Signer(renamed))).toBe(sign(BASE, ACTIONS));
  });
});

describe('what changes a signature', () => {
  test('any one change of category, flag, bucket, set or action, in any observation', () => {
    type Situation = readonly [seen: Observation, actions: readonly string[]];
    const CHANGES: Record<string, (seen: Seen, actions: string[], other: string) => Situation> = {
      scene: (seen, actions, other) => [{ ...seen, scene: `${seen.scene}${other}.` }, actions],
      mood: (seen, actions, other) => [{ ...seen, mood: `${seen.mood}${other}.` }, actions],
      flag: (seen, actions) => [{ ...seen, inCombat: !seen.inCombat }, actions],
      bucket: (seen, actions) => [{ ...seen, health: bucketOf([30, 70], seen.health) === 0 ? 30 : 29.999 }, actions],
      'one item more': (seen, actions, other) => [
        { ...seen, items: [...seen.items, `${seen.items.join()}${other}.`] },
        actions,
      ],
      'one action more': (seen, actions, other) => [seen, [...actions, `${actions.join()}${other}.`]],
      'one action less': (seen, actions) => [seen, actions.slice(1)],
    };
    fc.assert(
      fc.property(
        observation,
        actionList,
        fc.constantFrom(...Object.keys(CHANGES)),
        text,
        (seen, actions, what, other) => {
          const change = CHANGES[what] as (typeof CHANGES)[string];
          const [changed, changedActions] = change(seen, actions, other);
          expect(sign(changed, changedActions), what).not.toBe(sign(seen, actions));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test('each side of each edge is a bucket of its own', () => {
    const at = (health: number): string => sign({ ...BASE, health }, ACTIONS);
    expect(new Set([at(29.999), at(30), at(69.999), at(70)])).toHaveProperty('size', 3);
    expect(at(30)).toBe(at(69.999));
    expect(at(29.999)).not.toBe(at(30));
    expect(at(69.999)).not.toBe(at(70));
  });

  test('an absent feature differs from an empty one, and both from any other', () => {
    const texts = [undefined, '', '0', 'undefined', ' '].map((mood) =>
      sign(mood === undefined ? BASE : { ...BASE, mood }, ACTIONS),
    );
    expect(new Set(texts).size).toBe(texts.length);
    expect(sign({ ...BASE, mood: undefined }, ACTIONS)).toBe(texts[0]);
    const feature = { kind: 'category', optional: true } as const;
    const two = new Signer(defineDomain({ name: 'two', features: { a: feature, b: feature } }));
    expect(sign({ a: 'x' }, ACTIONS, two)).not.toBe(sign({ b: 'x' }, ACTIONS, two));
  });

  test('a value that moves from one feature or action to the next', () => {
    const variants: (readonly [Observation, readonly string[]])[] = [
      [{ ...BASE, scene: 'ab', mood: 'c' }, ACTIONS],
      [{ ...BASE, scene: 'a', mood: 'bc' }, ACTIONS],
      [{ ...BASE, scene: 'abc', mood: '' }, ACTIONS],
      [{ ...BASE, scene: 'c', mood: 'ab' }, ACTIONS],
      [{ ...BASE, items: ['ab', 'c'] }, ACTIONS],
      [{ ...BASE, items: ['a', 'bc'] }, ACTIONS],
      [{ ...BASE, items: ['abc'] }, ACTIONS],
      [{ ...BASE, items: ['a', 'b', 'c'] }, ACTIONS],
      [{ ...BASE, items: [] }, ['a', 'b', 'c']],
      [{ ...BASE, items: ['a'] }, ['b', 'c']],
      [{ ...BASE, items: ['a', 'b'] }, ['c']],
      [BASE, ['ab', 'c']],
      [BASE, ['a', 'bc']],
      [BASE, ['a\u0000', 'b']],
      [BASE, ['a', 'b']],
      [BASE, ['a', 'b\u0000']],
    ];
    expect(new Set(variants.map(([seen, actions]) => sign(seen, actions))).size).toBe(variants.length);
  });

  test('another domain: its name, its features, its edges', () => {
    const { health: _, ...others } = DEFINITION.features;
    const domains: Domain[] = [
      domain,
      defineDomain({ ...DEFINITION, name: 'other' }),
      defineDomain({
        ...DEFINITION,
        features: { ...others, health: { kind: 'number', edges: [30], range: [0, 100] } },
      }),
      defineDomain({
        ...DEFINITION,
        features: { ...others, hp: { kind: 'number', edges: [30, 70], range: [0, 100] } },
      }),
      defineDomain({ ...DEFINITION, features: { ...DEFINITION.features, more: { kind: 'flag', optional: true } } }),
    ];
    const texts = domains.map((of) => sign({ ...BASE, hp: 50 }, ACTIONS, new Signer(of)));
    expect(new Set(texts).size).toBe(domains.length);
  });
});

describe('as a hash', () => {
  const COUNT = 200_000;
  const random = seededRandom(7);
  const SITUATIONS: Record<string, (i: number) => Observation> = {
    // Close inputs are what a weak hash lets collide.
    close: (i) => ({
      scene: `s${i % 1_000}`,
      inCombat: i % 2 === 0,
      items: [`item ${Math.floor(i / 1_000)}`],
      health: 0,
    }),
    random: (i) => ({
      scene: String.fromCharCode(...Array.from({ length: 4 }, () => randomIndex(random, 65_536))),
      inCombat: random.next() < 0.5,
      items: [`${i}`, String(random.next())],
      health: random.next() * 100,
    }),
  };
  test.each(Object.entries(SITUATIONS))(
    'of 200,000 %s situations no two collide, and half of them set each bit',
    (_, situation) => {
      const ones = new Uint32Array(SIGNATURE_WORDS * 32);
      const seen = new Set<string>();
      const out = new Int32Array(SIGNATURE_WORDS);
      for (let i = 0; i < COUNT; i++) {
        signer.sign(situation(i), ACTIONS, out);
        seen.add(signatureText(out));
        for (let bit = 0; bit < ones.length; bit++) {
          ones[bit] = (ones[bit] as number) + (((out[bit >> 5] as number) >>> (bit & 31)) & 1);
        }
      }
      expect(seen.size).toBe(COUNT);
      // Six standard deviations of a fair coin, for 128 coins.
      const tolerance = 6 * Math.sqrt(COUNT / 4);
      for (const count of ones) expect(Math.abs(count - COUNT / 2)).toBeLessThan(tolerance);
    },
  );

  test('the low and the high bits of each word spread over the slots of a table', () => {
    const SLOTS = 256;
    const KEYS = 51_200;
    const tables = Array.from({ length: SIGNATURE_WORDS * 2 }, () => new Array<number>(SLOTS).fill(0));
    const count = (table: number, slot: number): void => {
      const row = tables[table] as number[];
      row[slot] = (row[slot] as number) + 1;
    };
    const out = new Int32Array(SIGNATURE_WORDS);
    for (let i = 0; i < KEYS; i++) {
      signer.sign({ ...BASE, scene: String(i) }, ACTIONS, out);
      for (const [word, bits] of out.entries()) {
        count(word * 2, bits & (SLOTS - 1));
        count(word * 2 + 1, bits >>> 24);
      }
    }
    for (const table of tables) {
      const chiSquare = table.reduce((sum, keys) => sum + (keys - KEYS / SLOTS) ** 2 / (KEYS / SLOTS), 0);
      // 255 degrees of freedom: mean 255, standard deviation 22.6.
      expect(chiSquare).toBeGreaterThan(255 - 6 * 22.6);
      expect(chiSquare).toBeLessThan(255 + 6 * 22.6);
    }
  });

  test('one changed character changes about half of the bits', () => {
    const a = signer.sign({ ...BASE, scene: 'combat' }, ACTIONS, new Int32Array(SIGNATURE_WORDS));
    const b = signer.sign({ ...BASE, scene: 'combau' }, ACTIONS, new Int32Array(SIGNATURE_WORDS));
    let differing = 0;
    for (let word = 0; word < SIGNATURE_WORDS; word++) {
      for (let x = ((a[word] as number) ^ (b[word] as number)) >>> 0; x !== 0; x &= x - 1) differing++;
    }
    expect(differing).toBeGreaterThan(35);
    expect(differing).toBeLessThan(93);
  });

  test('never changes unnoticed: files and other processes hold signatures', () => {
    expect(sign(BASE, ACTIONS)).toBe('036dafc5454ef8dd9ef7c38e5d12ed8b');
    expect(sign({ scene: '', inCombat: false, items: [], health: 0 }, ['a'])).toBe('3ad33468319265be0b9fc02f47446560');
    const seen = { scene: 'combat', health: 41, inCombat: true, location: 'Weißlauf 白漫城' };
    expect(sign(seen, ['attack', 'block'], new Signer(skyrim))).toBe('e647451f29e17eb422fbeb623734c420');
  });
});

describe('the parts of a state', () => {
  const words = (): Int32Array => new Int32Array(SIGNATURE_WORDS);
  const signActions = (actions: readonly string[], by = signer): string =>
    signatureText(by.signActions(actions, words()));
  const signGates = (seen: Observation, actions: readonly string[], by = signer): string =>
    signatureText(by.signGates(seen, actions, words()));

  test('action sets have equal fingerprints when, and only when, they are equal', () => {
    fc.assert(
      fc.property(actionList, actionList, (a, b) => {
        expect(signActions(a)).toBe(signActions(a.toReversed()));
        const isEqual = a.length === b.length && new Set([...a, ...b]).size === a.length;
        expect(signActions(a) === signActions(b)).toBe(isEqual);
      }),
    );
  });

  test('gates do not know in which bucket a number is, and know all that is no number', () => {
    fc.assert(
      fc.property(observation, actionList, fc.double({ noNaN: true }), (seen, actions, health) => {
        expect(signGates({ ...seen, health }, actions)).toBe(signGates(seen, actions));
        expect(signGates({ ...seen, inCombat: !seen.inCombat }, actions)).not.toBe(signGates(seen, actions));
        expect(signGates(seen, [...actions, `${actions.join()}.`])).not.toBe(signGates(seen, actions));
      }),
    );
  });

  test('state, gates and actions are three fingerprints, also where they are of the same things', () => {
    const bare = defineDomain({ name: 'bare', features: { note: { kind: 'text', optional: true } } });
    const by = new Signer(bare);
    expect(new Set([sign({}, ACTIONS, by), signGates({}, ACTIONS, by), signActions(ACTIONS, by)]).size).toBe(3);
  });

  test('a soft feature is in the state and not in the gates, and does not change the domain', () => {
    const soft = { ...DEFINITION.features, mood: { kind: 'category', optional: true, soft: true, weight: 3 } } as const;
    const by = new Signer(defineDomain({ ...DEFINITION, features: soft }));
    const calm = { ...BASE, mood: 'calm' };
    expect(sign(calm, ACTIONS, by)).toBe(sign(calm, ACTIONS));
    expect(sign(calm, ACTIONS, by)).not.toBe(sign(BASE, ACTIONS, by));
    expect(signGates(calm, ACTIONS, by)).toBe(signGates(BASE, ACTIONS, by));
    expect(signGates(calm, ACTIONS)).not.toBe(signGates(BASE, ACTIONS));
  });

  test('signing one of them leaves what was signed before as it was', () => {
    const state = signer.sign(BASE, ACTIONS, words());
    const before = signatureText(state);
    signGates({ ...BASE, scene: 'town' }, ['one']);
    signActions(['x', 'y']);
    expect([signatureText(state), sign(BASE, ACTIONS)]).toEqual([before, before]);
  });
});

describe('anywhere', () => {
  const requests: Pick<PlanRequest, 'observation' | 'actions'>[] = fc
    .sample(fc.tuple(observation, actionList), { numRuns: 200, seed: 1 })
    .map(([seen, actions]) => ({ observation: seen, actions }));
  const here = requests.map((request) => sign(request.observation, request.actions));
  const peer = new URL('../support/signature-peer.ts', import.meta.url);

  test('a worker thread signs alike', async () => {
    const worker = new Worker(peer);
    try {
      worker.postMessage({ domain: DEFINITION, requests });
      const [texts] = await once(worker, 'message');
      expect(texts).toEqual(here);
    } finally {
      await worker.terminate();
    }
  });

  test('a child process signs alike', async () => {
    const child = fork(peer, { serialization: 'advanced' });
    try {
      child.send({ domain: DEFINITION, requests });
      const [texts] = await once(child, 'message');
      expect(texts).toEqual(here);
    } finally {
      child.kill();
    }
  });
});
