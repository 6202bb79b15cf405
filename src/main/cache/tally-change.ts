import type { Decision, TallyEntry } from '../../shared/decision.ts';

/** Votes of a remembered decision for each one of a newer decision. */
const OLDER_VOTES_MAX = 3;

/** How many votes a decision stands on. */
export function votesOf({ tally }: Decision): number {
  return tally.reduce((sum, { count }) => sum + count, 0);
}

/** A decision with this many votes, or with this lead over the next action, needs no more of them. */
const VOTES_ENOUGH = 5;
const LEAD_ENOUGH = 2;

/** Whether models agree on a decision as far as more votes would show. A single vote agrees with itself. */
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

/** Votes that agree, on which a decision stands firm. */
const AGREED = 2;

/** Whether a decision stands on one vote, or on none: of the experts and the synthesis, nobody has agreed with anybody. */
export function isSingle(decision: Decision): boolean {
  const [first] = decision.tally;
  // The winner is first in every tally but those that were cut, or are from earlier versions.
  const count = first?.action === decision.action ? first.count : countFor(decision, decision.action);
  return count < AGREED;
}

/** The entries with the winner first: most votes, then most confidence, then as they stood. */
export function ranked(entries: readonly TallyEntry[]): TallyEntry[] {
  return [...entries].sort((a, b) => b.count - a.count || b.weight - a.weight);
}

/**
 * A remembered decision and a newer one for the same state. Where they agree, that stands, whatever the votes were: a
 * synthesizer may have overruled them twice. Where they differ, both tallies together decide between the two, and the
 * newer one at a tie. The older votes count at most three times as much as the newer ones, so that what models think now
 * prevails at the third time, however long they thought otherwise. Single votes weigh less than agreement: what two have
 * agreed on is not overturned by one, whatever else was voted for beside it, and one vote by any that agree.
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
