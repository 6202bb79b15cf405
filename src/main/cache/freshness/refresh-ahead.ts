export interface RefreshQuestion {
  readonly nowMs: number;
  /** When the entry expires. Infinity: never. */
  readonly expiresAtMs: number;
  /** How long the decision took to compute. */
  readonly computeMs: number;
  /** Above 1, entries are refreshed earlier; below 1, later. */
  readonly beta?: number;
  /** A random number for this read alone, from [0, 1) or (0, 1]. */
  readonly random: number;
}

/** Used in place of 0, whose logarithm would make every entry due. The step of a 53-bit generator. */
const RANDOM_MIN = 2 ** -53;

/**
 * Whether a reader should refresh an entry now, ahead of its expiry: XFetch (Vattani, Chierichetti, Lowenstein, "Optimal
 * Probabilistic Cache Stampede Prevention", VLDB 2015). Each read decides alone, with probability exp(-(time left) / (computeMs
 * * beta)): entries that are read often or slow to compute are refreshed in time, and unused ones expire. A fixed lead was
 * rejected: all readers would refresh at once, unused entries too.
 */
export function isRefreshDue({ nowMs, expiresAtMs, computeMs, beta = 1, random }: RefreshQuestion): boolean {
  if (expiresAtMs === Number.POSITIVE_INFINITY) return false;
  return nowMs - computeMs * beta * Math.log(Math.max(random, RANDOM_MIN)) >= expiresAtMs;
}
