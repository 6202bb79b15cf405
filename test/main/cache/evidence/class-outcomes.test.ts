import { describe, expect, test } from 'vitest';
import { ClassOutcomes } from '../../../../src/main/cache/evidence/class-outcomes.ts';

function observed(outcomes: ClassOutcomes, riskClass: number, right: number, wrong: number, isSample: boolean): void {
  for (let i = 0; i < right; i++) outcomes.add(riskClass, false, isSample);
  for (let i = 0; i < wrong; i++) outcomes.add(riskClass, true, isSample);
}

describe('the risk of a class', () => {
  test('is that of asked outcomes and samples together', () => {
    const outcomes = new ClassOutcomes();
    observed(outcomes, 3, 95, 5, false);
    observed(outcomes, 3, 80, 20, true);
    expect(outcomes.risks(1)[3]).toBeCloseTo(0.125, 2);
    expect(outcomes.countOf(3)).toBe(200);
  });

  test('is higher by the bias, but only as far as it rests on asked outcomes', () => {
    const outcomes = new ClassOutcomes();
    observed(outcomes, 3, 95, 5, false);
    observed(outcomes, 3, 80, 20, true);
    expect(outcomes.risks(3)[3]).toBeCloseTo(0.175, 2);
    expect(outcomes.askedRisk(3)).toBeCloseTo(0.05, 2);
  });

  test('never exceeds 1', () => {
    const outcomes = new ClassOutcomes();
    observed(outcomes, 23, 10, 90, false);
    expect(outcomes.risks(4)[23]).toBeLessThanOrEqual(1);
  });
});

test('asked outcomes fade sooner while their class is served: samples show what it is then', () => {
  const [served, asked] = [new ClassOutcomes(), new ClassOutcomes()];
  for (const outcomes of [served, asked]) observed(outcomes, 0, 100, 0, false);
  for (let i = 0; i < 1_000; i++) {
    served.fade(0, true);
    asked.fade(0, false);
  }
  expect(served.countOf(0)).toBeLessThan(40);
  expect(asked.countOf(0)).toBeGreaterThan(55);
});
