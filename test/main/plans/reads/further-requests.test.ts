import { describe, expect, test } from 'vitest';
import { FurtherRequests } from '../../../../src/main/plans/reads/asking/further-requests.ts';

function learned(reads: number, changedEvery: number, probability: number): FurtherRequests {
  const further = new FurtherRequests({ next: () => 0.5 });
  for (let nth = 1; nth <= reads; nth++) further.compared('m 1', probability, nth % changedEvery === 0);
  return further;
}

describe('further requests', () => {
  test('are made until it is known what they add', () => {
    expect(learned(29, 100, 0.9).isEnough('m 1', 0.9, 1)).toBe(false);
    expect(learned(40, 100, 0.9).isEnough('m 1', 0.9, 1)).toBe(true);
    expect(learned(40, 100, 0.9).isEnough('m 2', 0.9, 1)).toBe(false);
  });

  test('are made if they change enough answers for the time that they take', () => {
    const further = learned(200, 5, 0.5);
    expect(further.isEnough('m 1', 0.5, 1)).toBe(true);
    expect(further.isEnough('m 1', 0.5, 3)).toBe(true);
    expect(further.isEnough('m 1', 0.5, 0.1)).toBe(false);
    expect(learned(200, 2, 0.5).isEnough('m 1', 0.5, 3)).toBe(false);
  });

  test('are judged by the probability of the answer in hand', () => {
    const further = learned(200, 1, 0.3);
    for (let nth = 0; nth < 200; nth++) further.compared('m 1', 0.95, false);
    expect(further.isEnough('m 1', 0.3, 1)).toBe(false);
    expect(further.isEnough('m 1', 0.95, 1)).toBe(true);
  });

  test('have a usual time, which follows the latest', () => {
    const further = learned(0, 1, 0);
    expect(further.usualMs('role')).toBeUndefined();
    further.took('role', 100);
    expect(further.usualMs('role')).toBe(100);
    for (let nth = 0; nth < 30; nth++) further.took('role', 20);
    expect(further.usualMs('role')).toBeCloseTo(20, 0);
  });
});
