import type { Decision, TallyEntry } from '../../shared/decision.ts';

/** Maximum number of votes of a remembered decision for each vote of a newer one. */
const OLDER_VOTES_MAX = 3;

/** Number of votes that a decision is based on. */
export function votesOf({ tally }: Decision): number {
  return tally.reduce((sum, { count }) => sum + count, 0);
}

/** A decision with this many votes, or with this lead over the next action, needs no more of them. */
const VOTES_ENOUGH = 5;
const LEAD_ENOUGH = 2;

/** Whether further votes would hardly change a decision. A single vote agrees with itself. */
export function isWellKnown({ tally }: Decision): boolean {
  let votes = 0;
  let first = 0;
  let second = 0;
  for (const { count } of tally) {
    votes += count;
    if (count > first) {
      second = first;
      first = count;
    } else if (count > second) second = count;
  }
  return votes >= VOTES_ENOUGH || first - second >= LEAD_ENOUGH;
}

function countFor({ tally }: Decision, action: string): number {
  return tally.find((entry) => entry.action === action)?.count ?? 0;
}

/** Number of agreeing votes that make a decision firm. */
const AGREED = 2;

/** Whether a decision is based on one vote or none: no expert or synthesis has agreed with another. */
export function isSingle(decision: Decision): boolean {
  const [first] = decision.tally;
  // The winner is first in every tally except those that were cut or come from earlier versions.
  const count = first?.action === decision.action ? first.count : countFor(decision, decision.action);
  return count < AGREED;
}

/** The class by which a decision for the state itself is judged. */
export function ownKind(decision: Decision): 'exact' | 'single' | 'foreseen' {
  if (decision.foreseen) return 'foreseen';
  return isSingle(decision) ? 'single' : 'exact';
}

/** The entries by votes, then by confidence, then in their previous order. */
export function ranked(entries: readonly TallyEntry[]): TallyEntry[] {
  return [...entries].sort((a, b) => b.count - a.count || b.weight - a.weight);
}

/**
 * Merges a remembered decision and a newer one for the same state. If they agree, that action stays, whatever the votes: a
 * synthesizer may have overruled them twice. If they differ, both tallies together decide between the two, and the newer one
 * wins a tie. The older votes count at most three times as much as the newer ones, so a changed opinion prevails at the third
 * time, however long it was different. Single votes weigh less than agreement: one vote does not overturn an action that two
 * agreed on, whatever the other votes, and any agreement overturns one vote.
 */
export function mergedDecision(older: Decision, newer: Decision): Decision {
  const sums = new Map<string, { action: string; count: number; weight: number }>();
  const share = Math.min(1, (OLDER_VOTES_MAX * Math.max(1, votesOf(newer))) / Math.max(1, votesOf(older)));
  const faded = older.tally.map(({ action, count, weight }) => ({
    action,
    count: Math.floor(count * share),
    weight: weight * share,
  }));
  for (const { action, count, weight } of [...newer.tally, ...faded]) {
    const sum = sums.get(action) ?? { action, count: 0, weight: 0 };
    sum.count += count;
    sum.weight += weight;
    sums.set(action, sum);
  }
  const none = { count: 0, weight: 0 };
  const [forOlder, forNewer] = [sums.get(older.action) ?? none, sums.get(newer.action) ?? none];
  const lead = forOlder.count - forNewer.count || forOlder.weight - forNewer.weight;
  const isFirm = !isSingle(older) && forNewer.count < AGREED;
  const keepsOlder = newer.action !== older.action && (lead > 0 || isFirm) && !(isSingle(older) && !isSingle(newer));
  const winner = keepsOlder ? older.action : newer.action;
  const tally = withFirst(ranked([...sums.values()]), winner);
  const { foreseen, ...merged } = keepsOlder
    ? { ...older, decidedAtMs: newer.decidedAtMs, tally }
    : { ...newer, tally };
  return older.foreseen && newer.foreseen ? { ...merged, foreseen: true } : merged;
}

/** Halves the votes for an action that showed no effect in a state. If it was the winner, another one may win. */
export function weakenedDecision(decision: Decision, action: string): Decision {
  const halved = decision.tally.map((entry) =>
    entry.action === action ? { action, count: Math.floor(entry.count / 2), weight: entry.weight / 2 } : entry,
  );
  if (action !== decision.action) return { ...decision, tally: withFirst(ranked(halved), decision.action) };
  const tally = ranked(halved);
  const winner = tally[0]?.action ?? action;
  if (winner === action) return { ...decision, tally };
  // Votes decide now, because the model had decided for the other action.
  return { ...decision, action: winner, reason: `"${action}" showed no effect here`, source: 'vote', model: '', tally };
}

/** Returns the entries with that of one action first, if it has one. */
function withFirst(entries: readonly TallyEntry[], first: string): TallyEntry[] {
  return [...entries.filter(({ action }) => action === first), ...entries.filter(({ action }) => action !== first)];
}
