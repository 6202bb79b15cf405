/** Returns the name that differs least from `given`, ignoring case; undefined if none is close enough to be a typing error. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const slipsMax = given.length / 3;
  const slips = (name: string): number => editDistance(given.toLowerCase(), name.toLowerCase());
  const [nearest] = names
    .filter((name) => Math.abs(name.length - given.length) <= slipsMax && slips(name) <= slipsMax)
    .sort((a, b) => slips(a) - slips(b));
  return nearest;
}

/** Returns the number of characters to insert, delete or replace to turn one text into the other (Levenshtein 1965). */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let index = 0; index < from.length; index++) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at++) {
      const replaced = (row[at - 1] as number) + (from[index] === to[at - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[at] as number) + 1, (next[at - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
