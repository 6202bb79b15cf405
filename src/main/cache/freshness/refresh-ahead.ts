export interface RefreshQuestion {
  readonly nowMs: number;
  /** Infinity: the entry never expires. */
  readonly expiresAtMs: number;
  /** How long the decision took to compute. */
  readonly computeMs: number;
  /** Above 1 refreshes earlier, below 1 later. */
  readonly beta?: number;
  /** A draw of this read alone, from [0, 1) or (0, 1]. */
  readonly random: number;
}

/** Stands for a draw of 0, whose logarithm would make every entry due. The step of a 53-bit generator. */
const RANDOM_MIN = 2 ** -53;

/**
 * Whether a reader should refresh an entry now, ahead of its expiry: XFetch (Vattani, Chierichetti, Lowenstein,
 * "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). Each read decides for itself, with probability
 * exp(-(time left) / (computeMs * beta)): an entry that is read often, or is slow to compute, is refreshed in time, a
 * cold one is left to expire. A fixed lead was rejected: it has all readers refresh at once, and cold entries too.
 */
export function isRefreshDue({ nowMs, expiresAtMs, computeMs, beta = 1, random }: RefreshQuestion): boolean {
  if (expiresAtMs === Number.POSITIVE_INFINITY) return false;
  return nowMs - computeMs * beta * Math.log(Math.max(random, RANDOM_MIN)) >= expiresAtMs;
}
