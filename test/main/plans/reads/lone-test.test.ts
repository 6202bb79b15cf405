import { describe, expect, test } from 'vitest';
import { LoneTest, type LoneWorth } from '../../../../src/main/plans/reads/lone-test.ts';
import { type Random, seededRandom } from '../../../../src/shared/random.ts';

const ACTIONS = 5;
const SEEDS = Array.from({ length: 100 }, (_, seed) => seed + 1);

/** Right with this chance, otherwise one of the other actions. The right one is 0. */
const choice = (random: Random, skill: number): number =>
  random.next() < skill ? 0 : 1 + Math.floor(random.next() * (ACTIONS - 1));

/** How many of 100 models get each verdict first, and after how many votes on average. */
function verdicts(read: number, below: number, votesMax = 300): Record<LoneWorth | 'votes', number> {
  const counts = { unknown: 0, better: 0, worse: 0, votes: 0 };
  for (const seed of SEEDS) {
    const lone = new LoneTest();
    const random = seededRandom(seed);
    let votes = 0;
    while (lone.verdict === 'unknown' && votes++ < votesMax) {
      const vote = choice(random, 0.8);
      const agrees = (skill: number): number => (choice(random, skill) === vote ? 1 : 0);
      lone.add({ votes: 1, read: agrees(read), below: agrees(below), actions: ACTIONS });
    }
    counts[lone.verdict]++;
    counts.votes += votes / SEEDS.length;
  }
  return counts;
}

const NOISE = 1 / ACTIONS;

describe('where nobody can write in time, reads are better than no model', () => {
  test('where they are as good as a vote and the rung below is often wrong, after some 20 votes', () => {
    const { better, votes } = verdicts(0.8, 0.5);
    expect(better).toBeGreaterThan(95);
    expect(votes).toBeLessThan(25);
  });

  test('where the rung below is never right', () => {
    expect(verdicts(0.8, 0).better).toBeGreaterThan(98);
  });

  test('where they are half as good, next to none', () => {
    expect(verdicts(0.5, NOISE).better).toBeGreaterThan(70);
  });
});

describe('they are worse', () => {
  test('where they are noise next to good Q-values, after about a dozen votes', () => {
    const { worse, votes } = verdicts(NOISE, 0.7);
    expect(worse).toBe(100);
    expect(votes).toBeLessThan(15);
  });

  test('where they are noise and the rung below is no better, nearly always', () => {
    const { worse, votes } = verdicts(NOISE, NOISE);
    expect(worse).toBeGreaterThan(95);
    expect(votes).toBeLessThan(25);
  });

  test('where they are good, but not as good as the rung below', () => {
    expect(verdicts(0.6, 0.9).worse).toBeGreaterThan(90);
  });
});

describe('a verdict', () => {
  const good = { votes: 1, read: 1, below: 0, actions: ACTIONS };
  const bad = { votes: 1, read: 0, below: 1, actions: ACTIONS };

  function judged(verdict: LoneWorth): LoneTest {
    const lone = new LoneTest();
    for (let i = 0; i < 20; i++) lone.add(verdict === 'better' ? good : bad);
    expect(lone.verdict).toBe(verdict);
    return lone;
  }

  test('stands until its evidence is used up, and may turn', () => {
    const lone = judged('better');
    lone.add(bad);
    expect(lone.verdict).toBe('better');
    for (let i = 0; i < 20; i++) lone.add(bad);
    expect(lone.verdict).toBe('worse');
    for (let i = 0; i < 20; i++) lone.add(good);
    expect(lone.verdict).toBe('better');
  });

  test('is restored, with half of the evidence', () => {
    const lone = new LoneTest();
    lone.restore(judged('worse').save());
    expect(lone.verdict).toBe('worse');
    for (let i = 0; i < 5; i++) lone.add(good);
    expect(lone.verdict).not.toBe('worse');
  });

  test('does not come from a state with a single action', () => {
    const lone = new LoneTest();
    for (let i = 0; i < 50; i++) lone.add({ votes: 1, read: 1, below: 1, actions: 1 });
    expect(lone.verdict).toBe('unknown');
  });
});
