import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HedgeBudget } from '../../../../src/main/models/calls/hedge-budget.ts';

function called(budget: HedgeBudget, calls: number): void {
  for (let call = 0; call < calls; call++) budget.called();
}

/** Second tries that could be made now. */
function taken(budget: HedgeBudget): number {
  let tries = 0;
  while (budget.take()) tries++;
  return tries;
}

test('the first second try is there after twenty calls, not after nineteen', () => {
  const budget = new HedgeBudget();
  expect(budget.take()).toBe(false);
  called(budget, 19);
  expect(budget.take()).toBe(false);
  called(budget, 1);
  expect(budget.take()).toBe(true);
  expect(budget.take()).toBe(false);
});

test('unused ones are saved, up to five', () => {
  const budget = new HedgeBudget();
  called(budget, 60);
  expect(taken(budget)).toBe(3);
  called(budget, 100_000);
  expect(taken(budget)).toBe(5);
});

test('whatever is slow, no more than one call in twenty gets one over any run, and five that were saved', () => {
  const steps = fc.array(fc.boolean(), { minLength: 1, maxLength: 2_000 });
  const property = fc.property(steps, fc.nat(500), (isSlow, before) => {
    const budget = new HedgeBudget();
    called(budget, before);
    let tries = 0;
    for (const each of isSlow) {
      budget.called();
      if (each && budget.take()) tries++;
    }
    expect(tries).toBeLessThanOrEqual(0.05 * isSlow.length + 5 + 1e-6);
  });
  fc.assert(property);
});

test('where every call is slow, exactly one in twenty gets one', () => {
  const budget = new HedgeBudget();
  let tries = 0;
  for (let call = 0; call < 20_000; call++) {
    budget.called();
    if (budget.take()) tries++;
  }
  expect(tries).toBe(1_000);
});
