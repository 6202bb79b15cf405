import { describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import type { StandingStats } from '../../../src/main/cache/standing/tier-standing.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { type Random, seededRandom } from '../../../src/shared/random.ts';
import { CacheUnderTest, seen, state } from '../../support/make-cache.ts';

const EARNED: Partial<ResolvedCache> = {
  trust: 'earned',
  entries: 4_000,
  similar: { distanceMax: 0.1, confirmedMax: 0.6 },
};

/** Two votes of one panel agree nine times in ten: 0.85 is asked. */
const MODELS = { compared: 200, rate: 0.9 };

const AGREED = [{ action: 'attack', count: 2, weight: 2 }];

function standingOf(under: CacheUnderTest): StandingStats {
  const { standing } = under.cache.stats();
  if (standing === false) throw new Error('there is no budget');
  return standing;
}

/**
 * A world without end of pairs of states: two that are near each other and far from all others, in one scene. The first is
 * decided by models; what its answer is worth in the second is a matter of chance. Shares of the second ones that were
 * served from the first, and of those, that were right.
 */
class Pairs {
  readonly under: CacheUnderTest;
  readonly #random: Random;
  #id = 0;

  constructor(under: CacheUnderTest, seed: number) {
    this.under = under;
    this.#random = seededRandom(seed);
  }

  meet(
    count: number,
    rightShare: number,
    values?: (other: string) => Record<string, number>,
  ): {
    served: number;
    right: number;
  } {
    let served = 0;
    let right = 0;
    for (let i = 0; i < count; i++) {
      const id = this.#id++;
      // A category keeps the pairs apart; the scene of the statistics is one of three.
      const at = (health: number, rest: Partial<PlanRequest> = {}): PlanRequest =>
        seen({ scene: `scene ${id}`, health }, { agent: `agent ${id}`, ...rest });
      this.under.teach(at(49), { action: 'attack', tally: AGREED });
      const isRight = this.#random.next() < rightShare;
      const truth = isRight ? 'attack' : 'flee';
      const request = at(52, values === undefined ? {} : { qValues: values(truth) });
      const look = this.under.look(request);
      if (look.kind === 'hit') {
        served++;
        if (isRight) right++;
      } else this.under.learn(request, look, { action: truth, tally: [{ action: truth, count: 2, weight: 2 }] });
      if (look.kind === 'hit' && look.again !== undefined) {
        this.under.checked(request, look, { action: truth, tally: [{ action: truth, count: 2, weight: 2 }] });
      }
    }
    return { served: served / count, right: served === 0 ? 0 : right / served };
  }
}

function pairs(seed: number, options: Partial<ResolvedCache> = {}): Pairs {
  return new Pairs(new CacheUnderTest({ ...EARNED, ...options }, { models: MODELS }), seed);
}

describe('similar states in a world of known truth', () => {
  test.each([1, 2, 3])('that are right in 20 % are never served, seed %i', (seed) => {
    expect(pairs(seed).meet(3_000, 0.2).served).toBe(0);
  });

  test.each([1, 2, 3])('that are right in 80 %, where 85 % is asked, are hardly ever served, seed %i', (seed) => {
    expect(pairs(seed).meet(3_000, 0.8).served).toBeLessThan(0.1);
  });

  test.each([1, 2, 3])(
    'that are right in 97 % are served after enough evidence, but for the probes, seed %i',
    (seed) => {
      const world = pairs(seed);
      world.meet(150, 0.97);
      const { served, right } = world.meet(2_000, 0.97);
      expect(served).toBeGreaterThan(0.85);
      expect(served).toBeLessThan(0.97);
      expect(right).toBeGreaterThan(0.95);
      expect(world.under.cache.stats().probes).toBeGreaterThan(50);
    },
  );

  test.each([1, 2, 3, 4, 5])('are silenced again when the world changes, after some dozens, seed %i', (seed) => {
    const world = pairs(seed);
    world.meet(2_000, 0.97);
    const { served } = world.meet(1_000, 0.2);
    expect(served * 1_000).toBeLessThan(100);
    expect(world.meet(1_000, 0.2).served).toBe(0);
    // And heard again when it changes back.
    world.meet(200, 0.97);
    expect(world.meet(1_000, 0.97).served).toBeGreaterThan(0.8);
  });

  test('are all served, whatever came of them, where that is asked for', () => {
    expect(pairs(1, { trust: 'always' }).meet(200, 0.2)).toMatchObject({ served: 1 });
  });

  test('that coarse values confirm have to earn it as well', () => {
    // The values place both actions on top: they confirm anything.
    const coarse = (): Record<string, number> => ({ attack: 1, flee: 1, block: 0 });
    const world = pairs(1, { valuesMin: 0.85 });
    expect(world.meet(1_000, 0.2, coarse).served).toBe(0);
    const tiers = standingOf(world.under).tiers.filter(({ serving }) => serving);
    expect(tiers).toEqual([]);
    expect(standingOf(world.under).tiers.map(({ tier, to }) => `${tier} ${to}`)).toEqual([
      'similar 0.05',
      'confirmed 0.05',
    ]);
  });
});

describe('a miss', () => {
  test('tells what silent tiers would have said, and what models decide is held against it', () => {
    const under = new CacheUnderTest(EARNED, { models: MODELS });
    under.teach(seen({ health: 49 }), { tally: AGREED });
    const miss = under.missed(seen({ health: 52 }));
    expect(miss.shadow?.near).toMatchObject([{ kind: 'similar', action: 'attack', distance: expect.closeTo(0.03) }]);
    expect(miss.standing).toBeUndefined();
    under.learn(seen({ health: 52 }), miss, { action: 'flee' });
    expect(standingOf(under).tiers).toMatchObject([{ tier: 'similar', to: 0.05, compared: 1, wrong: 1 }]);
    expect(under.cache.stats()).toMatchObject({ withheld: 1, hits: 0 });
  });

  test('of an expired entry holds it against what models decide, by its age', () => {
    const under = new CacheUnderTest({ ...EARNED, similar: false }, { models: MODELS });
    under.teach(seen(), { tally: AGREED });
    under.clock.advance(130_000);
    under.learn(seen(), under.missed(seen()), { action: 'attack' });
    expect(standingOf(under).tiers).toMatchObject([
      { tier: 'old', to: 600_000, compared: 1, wrong: 0, serving: false },
    ]);
  });

  test('compares nothing where nothing was found, nor what had no effect', () => {
    const under = new CacheUnderTest({ ...EARNED, loopGuard: true }, { models: MODELS });
    under.learn(seen(), under.missed(seen()), { tally: AGREED });
    for (let i = 0; i < 2; i++) under.took(seen(), 'attack');
    under.learn(seen(), under.missed(seen()), { action: 'flee' });
    expect(standingOf(under).tiers).toEqual([]);
  });
});

describe('the state itself', () => {
  /** One vote is asked again and again, and is wrong. */
  function doubted(): CacheUnderTest {
    const under = new CacheUnderTest({ ...EARNED, checkShare: 1 }, { models: MODELS });
    for (let id = 0; id < 12; id++) {
      under.teach(state(id));
      const hit = under.served(state(id));
      if (hit !== undefined) under.checked(state(id), hit, { action: 'flee' });
    }
    return under;
  }

  test('serves from its first vote, and no more once single votes were shown to be wrong', () => {
    const under = doubted();
    // Eight are enough, and then none is served that could be checked.
    expect(standingOf(under).tiers).toMatchObject([{ tier: 'single', compared: 8, wrong: 8, serving: false }]);
    under.teach(state(50), { tally: AGREED });
    expect(under.served(state(50))?.action).toBe('attack');
  });

  test('stands where no model answers, and a peek obeys', () => {
    const under = doubted();
    under.teach(state(50));
    const miss = under.missed(state(50));
    expect(miss).toMatchObject({
      standing: { tier: 'exact', action: 'attack' },
      isCycle: false,
      stale: undefined,
    });
    expect(under.peek(state(50))).toBeUndefined();
    under.teach(state(51), { tally: AGREED });
    expect(under.peek(state(51))?.action).toBe('attack');
  });

  test('has its say beside the votes of now where it was doubted, and serves again when they agree', () => {
    const under = doubted();
    under.teach(state(50));
    under.learn(state(50), under.missed(state(50)), { action: 'attack' });
    expect(under.served(state(50))?.decision.tally).toEqual([{ action: 'attack', count: 2, weight: 1 }]);
    under.teach(state(51));
    under.learn(state(51), under.missed(state(51)), {
      action: 'flee',
      tally: [{ action: 'flee', count: 2, weight: 1 }],
    });
    expect(under.served(state(51))?.action).toBe('flee');
  });

  test('is compared with the votes that come of asking about it for later, and joined by them', () => {
    const under = new CacheUnderTest(EARNED, { models: MODELS });
    under.teach(state(50));
    under.addVotes(state(50), { action: 'attack' });
    expect(standingOf(under).tiers).toMatchObject([{ tier: 'single', compared: 1, wrong: 0 }]);
    expect(under.served(state(50))?.decision.tally).toMatchObject([{ action: 'attack', count: 2 }]);
    under.addVotes(state(50), { action: 'flee' });
    expect(standingOf(under).tiers).toMatchObject([{ tier: 'exact', compared: 1, wrong: 1 }, { tier: 'single' }]);
    // What two have agreed on is not overturned by one.
    expect(under.served(state(50))?.action).toBe('attack');
  });
});

describe('a cycle', () => {
  const CYCLES: Partial<ResolvedCache> = { cycleGuard: true };

  /** An agent goes round through three known states and does what memory says, until memory holds something back. */
  function goRound(under: CacheUnderTest): number {
    for (let id = 0; id < 3; id++) under.teach(state(id), { tally: AGREED });
    for (let visit = 0; visit < 60; visit++) {
      const hit = under.served(state(visit % 3));
      if (hit === undefined) return visit;
      under.took(state(visit % 3), hit.action, true);
    }
    return 60;
  }

  test('ends what memory serves: models are asked, told what was tried, and what they decide counts alone', () => {
    const under = new CacheUnderTest(CYCLES);
    expect(goRound(under)).toBe(8);
    expect(under.peek(state(2))).toBeUndefined();
    const miss = under.missed(state(2));
    expect(miss).toMatchObject({ inVain: 'attack', isCycle: true, stale: undefined });
    expect(miss.standing).toMatchObject({ tier: 'exact', action: 'attack', decision: { tally: AGREED } });
    expect(under.cache.stats()).toMatchObject({ cyclesBroken: 2, loopsBroken: 0 });
    under.learn(state(2), miss, { action: 'flee' });
    const hit = under.served(state(2));
    expect(hit).toMatchObject({ action: 'flee', decision: { tally: [{ action: 'flee', count: 1 }] } });
  });

  test('is let pass where models insist, twice as often each time, until they change their mind', () => {
    const under = new CacheUnderTest(CYCLES);
    goRound(under);
    const passes: number[] = [0];
    for (let visit = 8; visit < 400; visit++) {
      const request = state(visit % 3);
      const look = under.look(request);
      if (visit % 3 === 2) {
        if (look.kind === 'miss') passes.push(0);
        else passes.push((passes.pop() as number) + 1);
      }
      if (look.kind === 'miss') under.learn(request, look, { action: 'attack', tally: AGREED });
      under.took(request, 'attack', look.kind === 'hit');
    }
    expect(passes.slice(0, 5)).toEqual([0, 4, 8, 16, 32]);
    for (const request of [0, 1, 2, 0, 1, 2, 0, 1].map(state)) under.took(request, 'attack', true);
    const peeked = under.peek(state(2));
    expect(under.peek(state(2))).toEqual(peeked);
  });

  test('is one again as soon as models have changed their mind about it', () => {
    const under = new CacheUnderTest(CYCLES);
    goRound(under);
    under.learn(state(2), under.missed(state(2)), { action: 'attack', tally: AGREED });
    expect(under.served(state(2))?.action).toBe('attack');
    const told = { ...under.missed(state(0)), inVain: 'flee' };
    under.learn(state(2), told, { action: 'attack', tally: AGREED });
    expect(under.look(state(2)).kind).toBe('miss');
  });

  test('is none to another agent, nor with the guard off', () => {
    const under = new CacheUnderTest(CYCLES);
    goRound(under);
    expect(under.served({ ...state(2), agent: 'serana' })?.action).toBe('attack');
    expect(goRound(new CacheUnderTest({ cycleGuard: false }))).toBe(60);
  });

  test('compares nothing: models were told what not to say', () => {
    const under = new CacheUnderTest({ ...CYCLES, trust: 'earned' }, { models: MODELS });
    goRound(under);
    under.learn(state(2), under.missed(state(2)), { action: 'flee' });
    expect(standingOf(under).tiers).toEqual([]);
  });

  test('is broken for what comes from a similar state too', () => {
    const under = new CacheUnderTest({ ...CYCLES, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    under.teach(seen({ health: 49 }));
    under.teach(state(1));
    const near = seen({ health: 52 });
    for (let i = 0; i < 3; i++) {
      for (const request of [state(1), near]) under.took(request, under.served(request)?.action ?? 'none', true);
      if (under.look(near).kind === 'miss') break;
    }
    expect(under.missed(near)).toMatchObject({ isCycle: true, standing: { tier: 'similar', action: 'attack' } });
  });
});
