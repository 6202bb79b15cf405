/** The geometric mean of ratios of paired runs, with its 95 % interval. */
export interface Ratio {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Student's t for 95 % by degrees of freedom 1 to 10, then every tenth; in between, that of the lower number. */
const T_BY_ONES = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23] as const;
const T_BY_TENS = [2.23, 2.09, 2.04, 2.02, 2.01] as const;

export function meanRatio(ratios: readonly number[]): Ratio {
  const logs = ratios.map(Math.log);
  const mean = sum(logs) / logs.length;
  const free = logs.length - 1;
  const error =
    free < 1 ? Number.POSITIVE_INFINITY : Math.sqrt(sum(logs.map((log) => (log - mean) ** 2)) / free / logs.length);
  const half = studentT(free) * error;
  return { mean: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

function studentT(free: number): number {
  const byTens = T_BY_TENS[Math.min(Math.floor(free / 10), T_BY_TENS.length) - 1];
  return byTens ?? T_BY_ONES[Math.max(free, 1) - 1] ?? 2;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
