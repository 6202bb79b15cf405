import { describe, expect, test } from 'vitest';
import { EqualityTest, type ReadWorth } from '../../../../src/main/plans/reads/equality-test.ts';
import { type Random, seededRandom } from '../../../../src/shared/random.ts';

/** States in which a vote is the usual action with this chance, and else one of three others. */
const USUAL = 0.7;
const vote = (random: Random, usual = USUAL): number => (random.next() < usual ? 0 : 1 + Math.floor(random.next() * 3));

/** The excess of a pair of votes where the read is a vote of that skill. */
function excess(random: Random, usual: number): number {
  const [first, second, read] = [vote(random), vote(random), vote(random, usual)];
  const agreed = ((first === read ? 1 : 0) + (second === read ? 1 : 0)) / 2;
  return agreed - (first === second ? 1 : 0);
}

function feed(equality: EqualityTest, usual: number, pairs: number, random: Random, bin = 6): void {
  for (let pair = 0; pair < pairs; pair++) equality.add(bin, excess(random, usual));
}

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed + 1);

/** How many of 60 models have each verdict at some time within this many pairs. */
function verdicts(usual: number, pairs: number): Record<ReadWorth, number> {
  const counts = { unknown: 0, equal: 0, worse: 0 };
  for (const seed of SEEDS) {
    const equality = new EqualityTest();
    const random = seededRandom(seed);
    const met = new Set<ReadWorth>();
    for (let pair = 0; pair < pairs; pair++) {
      feed(equality, usual, 1, random);
      met.add(equality.worth);
    }
    for (const worth of met) counts[worth]++;
  }
  return counts;
}

describe('reads are held to be as good as votes', () => {
  test('where they are better, nearly always, and hardly ever worse on the way', () => {
    const { equal, worse } = verdicts(0.85, 200);
    expect(equal).toBeGreaterThan(57);
    expect(worse).toBeLessThan(3);
  });

  test('where they are noise, almost never, however long it lasts', () => {
    const { equal, worse } = verdicts(0.25, 300);
    expect(equal).toBeLessThan(2);
    expect(worse).toBe(60);
  });

  test('where they are somewhat worse, rarely', () => {
    expect(verdicts(0.5, 300).equal).toBeLessThan(5);
  });

  test('after some forty pairs where nobody ever differs', () => {
    const equality = new EqualityTest();
    let pairs = 0;
    while (equality.worth === 'unknown' && pairs < 100) {
      equality.add(9, 0);
      pairs++;
    }
    expect(equality.worth).toBe('equal');
    expect(pairs).toBeGreaterThan(20);
    expect(pairs).toBeLessThan(50);
  });

  test('only where they are, by what was read', () => {
    const equality = new EqualityTest();
    const random = seededRandom(4);
    for (let pair = 0; pair < 300; pair++) {
      feed(equality, 0.9, 1, random, 8);
      feed(equality, 0.3, 1, random, 2);
    }
    expect(equality.worth).toBe('equal');
    expect([equality.isTrusted(8), equality.isTrusted(2)]).toEqual([true, false]);
  });
});

describe('a verdict', () => {
  test('needs twenty pairs, by weight', () => {
    const equality = new EqualityTest();
    for (let pair = 0; pair < 20; pair++) equality.add(5, -1);
    expect(equality.worth).toBe('unknown');
    equality.add(5, -1);
    expect(equality.worth).toBe('worse');
  });

  test('falls when the model becomes worse, and returns when it is good again', () => {
    for (const seed of SEEDS.slice(0, 8)) {
      const equality = new EqualityTest();
      const random = seededRandom(seed);
      feed(equality, 0.9, 300, random);
      expect(equality.worth).toBe('equal');
      feed(equality, 0.25, 150, random);
      expect(equality.worth).not.toBe('equal');
      feed(equality, 0.25, 300, random);
      expect(equality.worth).toBe('worse');
      feed(equality, 0.9, 800, random);
      expect(equality.worth).toBe('equal');
    }
  });

  test('survives a restart, with less evidence for it', () => {
    const random = seededRandom(1);
    const [before, after] = [new EqualityTest(), new EqualityTest()];
    feed(before, 0.9, 300, random);
    after.restore(before.save());
    expect(after.worth).toBe('equal');
    expect(after.isTrusted(6)).toBe(true);
    let [kept, restored] = [0, 0];
    for (; before.worth === 'equal'; kept++) before.add(6, -1);
    for (; after.worth === 'equal'; restored++) after.add(6, -1);
    expect(restored).toBeLessThan(kept);
  });
});
