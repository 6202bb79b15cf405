import type { Decision, TallyEntry } from '../../shared/decision.ts';

/** The entries with the winner first: most votes, then most confidence, then as they stood. */
function ranked(entries: readonly TallyEntry[]): TallyEntry[] {
  return [...entries].sort((a, b) => b.count - a.count || b.weight - a.weight);
}

/**
 * A remembered decision and a newer one for the same state. Where they agree, that stands, whatever the votes were: a
 * synthesizer may have overruled them twice. Where they differ, both tallies together decide between the two, and the
 * newer one at a tie.
 */
export function mergedDecision(older: Decision, newer: Decision): Decision {
  const sums = new Map<string, { action: string; count: number; weight: number }>();
  for (const { action, count, weight } of [...newer.tally, ...older.tally]) {
    const sum = sums.get(action) ?? { action, count: 0, weight: 0 };
    sum.count += count;
    sum.weight += weight;
    sums.set(action, sum);
  }
  const none = { count: 0, weight: 0 };
  const [forOlder, forNewer] = [sums.get(older.action) ?? none, sums.get(newer.action) ?? none];
  const lead = forOlder.count - forNewer.count || forOlder.weight - forNewer.weight;
  const keepsOlder = newer.action !== older.action && lead > 0;
  const winner = keepsOlder ? older.action : newer.action;
  const tally = withFirst(ranked([...sums.values()]), winner);
  return keepsOlder ? { ...older, decidedAtMs: newer.decidedAtMs, tally } : { ...newer, tally };
}

/**
 * A decision for a state in which an action showed no effect: what spoke for it counts half. If it was the winner, another
 * one may win.
 */
export function weakenedDecision(decision: Decision, action: string): Decision {
  const halved = decision.tally.map((entry) =>
    entry.action === action ? { action, count: Math.floor(entry.count / 2), weight: entry.weight / 2 } : entry,
  );
  if (action !== decision.action) return { ...decision, tally: withFirst(ranked(halved), decision.action) };
  const tally = ranked(halved);
  const winner = tally[0]?.action ?? action;
  if (winner === action) return { ...decision, tally };
  // Votes decide it now: the model had decided for the other one.
  return { ...decision, action: winner, reason: `"${action}" showed no effect here`, source: 'vote', model: '', tally };
}

/** The entries with that of one action on top, where it has one. */
function withFirst(entries: readonly TallyEntry[], first: string): TallyEntry[] {
  return [...entries.filter(({ action }) => action === first), ...entries.filter(({ action }) => action !== first)];
}
