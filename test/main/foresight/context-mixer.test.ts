import { expect, test } from 'vitest';
import { ContextMixer } from '../../../src/main/foresight/context-mixer.ts';

/** Learns outcomes, given by their ids, in contexts. */
function learned(samples: readonly (readonly [contexts: readonly number[], id: number])[]): ContextMixer<string> {
  const mixer = new ContextMixer<string>(2);
  for (const [contexts, id] of samples) mixer.learn(mixer.mix(Int32Array.from(contexts)), id, `outcome ${id}`);
  return mixer;
}

function sharesOf(mixer: ContextMixer<string>, contexts: readonly number[]): Map<number, number> {
  return new Map(mixer.mix(Int32Array.from(contexts)).candidates.map(({ id, share }) => [id, share]));
}

test('has no candidates before it has learned', () => {
  expect(new ContextMixer<string>(2).mix(Int32Array.of(1, 2)).candidates).toEqual([]);
});

test('what came more often is likelier, and the shares sum to one', () => {
  const shares = sharesOf(
    learned([
      [[1, 1], 7],
      [[1, 1], 7],
      [[1, 1], 8],
    ]),
    [1, 1],
  );
  expect([...shares.keys()]).toEqual([7, 8]);
  expect([...shares.values()].reduce((sum, each) => sum + each)).toBeCloseTo(1);
});

test('learns which context matters: one decides, the other is chance', () => {
  const samples = Array.from({ length: 400 }, (_, index) => {
    const decisive = index % 2;
    return [[decisive, (index * 7) % 5], decisive] as const;
  });
  const mixer = learned(samples);
  expect(sharesOf(mixer, [1, 3]).get(1)).toBeGreaterThan(0.9);
  expect(sharesOf(mixer, [0, 3]).get(0)).toBeGreaterThan(0.9);
});

test('forgets: what follows now displaces what followed long ago', () => {
  const before = Array.from({ length: 50 }, () => [[1, 1], 7] as const);
  const now = Array.from({ length: 200 }, () => [[1, 1], 8] as const);
  expect([...sharesOf(learned([...before, ...now]), [1, 1]).keys()][0]).toBe(8);
});

test('the same word in two contexts is two contexts', () => {
  const mixer = learned([[[1, 2], 7]]);
  expect(sharesOf(mixer, [2, 1]).size).toBe(0);
});

test('keeps only so many outcomes of a context, and not those that came least', () => {
  const often = Array.from({ length: 30 }, () => [[1, 1], 7] as const);
  const once = Array.from({ length: 100 }, (_, index) => [[1, 1], 100 + index] as const);
  const shares = sharesOf(learned([...often, ...once]), [1, 1]);
  expect(shares.size).toBe(16);
  expect(shares.has(7)).toBe(true);
  expect(shares.has(199)).toBe(true);
});

test('knows how often what comes is new', () => {
  const known = learned(Array.from({ length: 100 }, () => [[1, 1], 7] as const));
  const strange = learned(Array.from({ length: 100 }, (_, index) => [[1, 1], index] as const));
  expect(known.coverage).toBeGreaterThan(0.95);
  expect(strange.coverage).toBeLessThan(0.05);
});
