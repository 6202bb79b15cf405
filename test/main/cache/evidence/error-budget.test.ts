import { describe, expect, test } from 'vitest';
import { ErrorBudget } from '../../../../src/main/cache/evidence/error-budget.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

/** Kinds of requests: their share of all, and how often their prediction is wrong. */
const KINDS = [
  { share: 0.3, risk: 0.01 },
  { share: 0.25, risk: 0.04 },
  { share: 0.2, risk: 0.12 },
  { share: 0.15, risk: 0.35 },
  { share: 0.1, risk: 0.7 },
] as const;

/** The kind of a request by a draw from [0, 1). */
function kindAt(draw: number): (typeof KINDS)[number] {
  let upTo = 0;
  for (const kind of KINDS) {
    upTo += kind.share;
    if (draw < upTo) return kind;
  }
  return KINDS[4];
}

interface Run {
  readonly served: number;
  readonly wrong: number;
}

/**
 * A stream that does not change. What is not served is observed, and 2 % of what is. `claim` is what the estimated risk
 * is multiplied by: below 1 the estimates are too sure of themselves.
 */
function run(budget: number, seed: number, { requests = 4_000, claim = 1 } = {}): Run & { budget: ErrorBudget } {
  const random = seededRandom(seed);
  const under = new ErrorBudget(budget);
  let served = 0;
  let wrong = 0;
  for (let i = 0; i < requests; i++) {
    const kind = kindAt(random.next());
    const riskClass = under.classOf(1 - kind.risk * claim);
    const isWrong = random.next() < kind.risk;
    const verdict = under.judge(riskClass, random.next());
    const isChecked = random.next() < 0.02;
    if (verdict !== 'serve' || isChecked) under.observe(riskClass, isWrong);
    if (verdict !== 'serve') continue;
    served++;
    if (isWrong) wrong++;
  }
  return { served, wrong, budget: under };
}

const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);

function sums(runs: readonly Run[]): Run {
  return runs.reduce((sum, { served, wrong }) => ({ served: sum.served + served, wrong: sum.wrong + wrong }), {
    served: 0,
    wrong: 0,
  });
}

describe('on a stream that does not change', () => {
  // What is bounded is the share in the long run. A run of a few thousand requests may be over it by its luck: allowed are
  // three standard deviations of what exactly the budget would make wrong, and one run in five over the budget at all.
  test.each([
    [0.02, 1],
    [0.05, 1],
    [0.1, 1],
    [0.2, 1],
    [0.02, 0.3],
    [0.05, 0.3],
    [0.1, 0.3],
    [0.2, 0.3],
    [0.05, 1.4],
  ])('no more than a budget of %d is wrong, with claims of %d times the risk', (budget, claim) => {
    const runs = SEEDS.map((seed) => run(budget, seed, { claim }));
    const all = sums(runs);
    expect(all.wrong / all.served).toBeLessThanOrEqual(budget);
    for (const [i, { served, wrong }] of runs.entries()) {
      const allowed = budget * served + 3 * Math.sqrt(budget * (1 - budget) * served) + 1;
      expect(wrong, `seed ${SEEDS[i]}`).toBeLessThanOrEqual(allowed);
    }
    const over = runs.filter(({ served, wrong }) => wrong > budget * served).length;
    expect(over).toBeLessThanOrEqual(SEEDS.length / 5);
    // The surest kind alone would do, so something is served.
    expect(all.served).toBeGreaterThan(0);
  });

  // Too little evidence comes in at a hundredth to tell a kind of risk 0.01 from the budget, so the bound is looser.
  test('a budget of 0.01 is met within half as much again', () => {
    for (const claim of [1, 0.3]) {
      const all = sums(SEEDS.map((seed) => run(0.01, seed, { claim, requests: 8_000 })));
      expect(all.wrong / Math.max(1, all.served)).toBeLessThanOrEqual(0.015);
    }
  });

  test('the larger the budget, the more is served', () => {
    const served = [0.01, 0.05, 0.1, 0.2].map((budget) => sums(SEEDS.map((seed) => run(budget, seed))).served);
    expect(served).toEqual([...served].sort((a, b) => a - b));
    expect(served.at(-1)).toBeGreaterThan(10 * (served[0] as number));
    // Of 20 %, all kinds but the last one or two are within reach, less what is learned at first and what is probed.
    expect(served.at(-1)).toBeGreaterThan(0.7 * 4_000 * SEEDS.length);
  });

  test('the same stream is judged in the same way', () => {
    expect(run(0.05, 7)).toMatchObject({ served: run(0.05, 7).served, wrong: run(0.05, 7).wrong });
  });
});

describe('without evidence', () => {
  test('nothing is served, however sure the predictions claim to be', () => {
    const under = new ErrorBudget(0.2);
    for (let i = 0; i < 1_000; i++) expect(under.judge(under.classOf(1), 0.99)).toBe('ask');
    expect(under.allows(0)).toBe(false);
    expect(under.stats()).toEqual({ budget: 0.2, judged: 1_000, served: 0, probes: 0, risk: null, riskHigh: null });
  });

  test('nothing is served of predictions that turn out wrong', () => {
    const under = new ErrorBudget(0.2);
    for (let i = 0; i < 1_000; i++) {
      expect(under.judge(0, 0.99)).toBe('ask');
      under.observe(0, true);
    }
  });

  test('nothing is served after clear, until it has been earned again', () => {
    const under = evidence(0.1, 400);
    expect(under.judge(0, 0.99)).toBe('serve');
    under.clear();
    expect(under.stats()).toMatchObject({ risk: null, riskHigh: null });
    expect(under.allows(0)).toBe(false);
    for (let i = 0; i < 20; i++) expect(under.judge(0, 0.99)).toBe('ask');
  });
});

/** A budget whose surest class has been right so many times. */
function evidence(budget: number, times: number): ErrorBudget {
  const under = new ErrorBudget(budget);
  for (let i = 0; i < times; i++) {
    under.judge(0, 0.99);
    under.observe(0, false);
  }
  return under;
}

describe('what is served', () => {
  test('is the surest class first; a class of which nothing is known joins only if the whole stays within', () => {
    const under = evidence(0.1, 400);
    expect([under.allows(0), under.allows(10), under.allows(23)]).toEqual([true, false, false]);
  });

  test('is not a sure class that was observed to be wrong as often as an unsure one', () => {
    const random = seededRandom(1);
    const under = new ErrorBudget(0.1);
    for (let i = 0; i < 2_000; i++) {
      const riskClass = i % 2 === 0 ? 0 : 12;
      under.judge(riskClass, 0.99);
      under.observe(riskClass, random.next() < 0.4);
    }
    expect([under.allows(0), under.allows(12)]).toEqual([false, false]);
  });

  test('is also a sure class that looks worse than a less sure one for want of observations: both are judged as one', () => {
    const under = new ErrorBudget(0.1);
    for (let i = 0; i < 100; i++) {
      under.judge(3, 0.99);
      if (i < 5) under.observe(3, i < 2);
    }
    for (let i = 0; i < 400; i++) {
      under.judge(4, 0.99);
      under.observe(4, false);
    }
    under.judge(4, 0.99);
    expect([under.allows(3), under.allows(4)]).toEqual([true, true]);
  });

  test('follows the mix of requests: sure ones of long ago do not pay for unsure ones of today', () => {
    const random = seededRandom(1);
    const under = new ErrorBudget(0.1);
    for (let i = 0; i < 20_000; i++) if (under.judge(0, random.next()) !== 'serve') under.observe(0, false);
    let served = 0;
    for (let i = 0; i < 20_000; i++) {
      if (under.judge(12, random.next()) === 'serve') served++;
      else under.observe(12, random.next() < 0.3);
    }
    expect(served).toBeLessThan(3_000);
  });

  test('has a risk and an upper bound of it that meets the budget', () => {
    const { risk, riskHigh } = evidence(0.1, 400).stats();
    expect(risk).toBeGreaterThanOrEqual(0);
    expect(riskHigh).toBeGreaterThan(risk as number);
    expect(riskHigh).toBeLessThanOrEqual(0.1);
  });
});

describe('the classes', () => {
  test('are 24, narrow where the risk is small, and 0 is the surest', () => {
    const under = new ErrorBudget(0.1);
    expect([1, 0.9999, 0.9, 0.5, 0.1, 0].map((chance) => under.classOf(chance))).toEqual([0, 0, 7, 16, 22, 23]);
  });
});

describe('probes', () => {
  test('are 13 % of what could be served at first, when little is known of what is served', () => {
    const under = evidence(0.1, 400);
    expect(under.judge(0, 0.1299)).toBe('probe');
    expect(under.judge(0, 0.13)).toBe('serve');
  });

  test('are 13 % again once one of them is wrong, until it is known whether the world has changed', () => {
    const under = evidence(0.1, 2_000);
    under.observe(0, true);
    under.observe(0, true);
    expect(under.judge(0, 0.1299)).toBe('probe');
  });

  test('are 13 % where something is surprising', () => {
    const under = evidence(0.1, 2_000);
    expect(under.judge(0, 0.1299, true)).toBe('probe');
    expect(under.judge(0, 0.13, true)).toBe('serve');
    expect(under.judge(0, 0.1299, false)).toBe('serve');
  });

  test('are 8 % of what could be served, by the draw, and are asked though they could be served', () => {
    const under = evidence(0.1, 2_000);
    const before = under.stats();
    expect(under.judge(0, 0.0799)).toBe('probe');
    expect(under.judge(0, 0.08)).toBe('serve');
    expect(under.stats()).toMatchObject({
      judged: before.judged + 2,
      served: before.served + 1,
      probes: before.probes + 1,
    });
  });

  test('are not made of what could not be served', () => {
    const under = new ErrorBudget(0.1);
    expect(under.judge(0, 0)).toBe('ask');
    expect(under.stats().probes).toBe(0);
  });
});

describe('when the world has changed and every prediction is wrong', () => {
  /** How many are served after the change, at most, over some seeds; probes are observed, or there are none. */
  function servedAfter(budget: number, before: number, hasProbes: boolean): number {
    let most = 0;
    for (const seed of SEEDS.slice(0, 15)) {
      const random = seededRandom(seed);
      const under = new ErrorBudget(budget);
      let served = 0;
      for (let i = 0; i < before + 15_000; i++) {
        const isAfter = i >= before;
        const verdict = under.judge(0, isAfter && !hasProbes ? 0.99 : random.next());
        if (verdict !== 'serve') under.observe(0, isAfter || random.next() < 0.005);
        else if (isAfter) served++;
      }
      most = Math.max(most, served);
    }
    return most;
  }

  test.each([
    [0.05, 1_000, 250],
    [0.05, 20_000, 250],
    [0.2, 1_000, 800],
    [0.2, 20_000, 800],
  ])('probes end the serving: budget %d, after %i good ones at most %i more', (budget, before, most) => {
    const served = servedAfter(budget, before, true);
    expect(served).toBeLessThanOrEqual(most);
    expect(served).toBeGreaterThan(0);
  });

  test('old evidence alone fades, so that serving ends without any probe, too', () => {
    expect(servedAfter(0.05, 5_000, false)).toBeLessThan(8_000);
    expect(servedAfter(0.2, 5_000, false)).toBeLessThan(12_000);
  });
});

describe('what another node has counted', () => {
  test('holds back the next answer here if it raises the alarm', () => {
    const budget = new ErrorBudget(0.1);
    for (let i = 0; i < 401; i++) {
      if (budget.judge(2, 0.99) !== 'serve') budget.observe(2, false);
    }
    expect(budget.judge(2, 0.99)).toBe('serve');
    budget.totalsPart('budget').hear('budget 0.1', 2, [20, 0, 20, 0, 0, 20, 20]);
    expect(budget.judge(2, 0.99)).toBe('ask');
  });
});
