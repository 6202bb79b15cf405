import assert from 'node:assert/strict';

/** Both ends of an interval for a share, 0 to 1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * The score interval for a share of which `wrong` of `n` were seen (E. B. Wilson, "Probable Inference, the Law of Succession,
 * and Statistical Inference", Journal of the American Statistical Association 22, 1927). Unlike p ± z·s it is never empty at 0
 * of n and never leaves [0, 1]. For n = 0 it is [0, 1]. The default `z` gives 95 %, two-sided.
 */
export function wilson(wrong: number, n: number, z = 1.96): Interval {
  assert(wrong >= 0 && wrong <= n, `wilson needs 0 <= wrong <= n, got ${wrong} of ${n}`);
  return n === 0 ? { low: 0, high: 1 } : wilsonOf(wrong / n, n, z);
}

/** The same for a share that rests on `n` independent samples, which need not be a whole number. */
export function wilsonOf(share: number, n: number, z = 1.96): Interval {
  const spread = (z * z) / n;
  const middle = share + spread / 2;
  const half = Math.sqrt(spread * (share * (1 - share) + spread / 4));
  // If all were wrong the formula gives 1, but rounding may not.
  return { low: (middle - half) / (1 + spread), high: share === 1 ? 1 : (middle + half) / (1 + spread) };
}
