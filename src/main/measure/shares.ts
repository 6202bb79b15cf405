/** Returns a part of a whole, from 0 to 1; 0 if the whole is 0. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Rounds a number to this many decimals: more would be noise in a report. */
export function rounded(value: number, decimals = 3): number {
  const factor = 10 ** decimals;
  return Math.round(value * factor) / factor;
}
