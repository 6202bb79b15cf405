import { describe, expect, test } from 'vitest';
import { isRefreshDue } from '../../../../src/main/cache/freshness/refresh-ahead.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

const DRAWS = [0, Number.MIN_VALUE, 2 ** -32, 0.5, 1 - 2 ** -32, 1];

/** The share of 20,000 reads that would refresh, `leftMs` before the expiry. */
function shareDue(leftMs: number, computeMs: number, beta?: number): number {
  const random = seededRandom(11);
  const reads = 20_000;
  let due = 0;
  for (let i = 0; i < reads; i++) {
    const question = { nowMs: 5_000, expiresAtMs: 5_000 + leftMs, computeMs, random: random.next() };
    if (isRefreshDue(beta === undefined ? question : { ...question, beta })) due++;
  }
  return due / reads;
}

describe('isRefreshDue', () => {
  test.each(DRAWS)('never holds for an entry that does not expire (draw %d)', (random) => {
    const expiresAtMs = Number.POSITIVE_INFINITY;
    expect(isRefreshDue({ nowMs: 1e12, expiresAtMs, computeMs: 1e9, random })).toBe(false);
    expect(isRefreshDue({ nowMs: 1e12, expiresAtMs, computeMs: Number.POSITIVE_INFINITY, random })).toBe(false);
  });

  test.each(DRAWS)('holds at the expiry and after it (draw %d)', (random) => {
    for (const computeMs of [0, 1, 1_000]) {
      expect(isRefreshDue({ nowMs: 1_000, expiresAtMs: 1_000, computeMs, random })).toBe(true);
      expect(isRefreshDue({ nowMs: 1_001, expiresAtMs: 1_000, computeMs, random })).toBe(true);
    }
  });

  test('never holds ahead of the expiry of a decision that cost nothing', () => {
    for (const random of DRAWS)
      expect(isRefreshDue({ nowMs: 999, expiresAtMs: 1_000, computeMs: 0, random })).toBe(false);
  });

  test('does not take a draw of 0 for certainty', () => {
    expect(isRefreshDue({ nowMs: 0, expiresAtMs: 37_000, computeMs: 1_000, random: 0 })).toBe(false);
    expect(isRefreshDue({ nowMs: 0, expiresAtMs: 36_000, computeMs: 1_000, random: 0 })).toBe(true);
  });

  test.each([
    [100, 400, 1],
    [400, 400, 1],
    [1_600, 400, 1],
    [400, 400, 2],
    [400, 400, 0.5],
  ])(
    'has the probability exp(-left / (compute * beta)), %i ms before, %i ms to compute, beta %d',
    (left, compute, beta) => {
      expect(shareDue(left, compute, beta)).toBeCloseTo(Math.exp(-left / (compute * beta)), 1.7);
    },
  );

  test('takes beta for 1', () => {
    expect(shareDue(400, 400)).toBe(shareDue(400, 400, 1));
  });

  test('is likelier the longer a decision takes and the nearer its expiry is', () => {
    const byCompute = [50, 100, 200, 400, 800].map((computeMs) => shareDue(300, computeMs));
    expect(byCompute).toEqual(byCompute.toSorted((a, b) => a - b));
    expect(new Set(byCompute).size).toBe(5);
    const byTimeLeft = [800, 400, 200, 100, 50].map((leftMs) => shareDue(leftMs, 300));
    expect(byTimeLeft).toEqual(byTimeLeft.toSorted((a, b) => a - b));
  });
});
