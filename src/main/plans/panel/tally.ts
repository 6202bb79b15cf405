import type { TallyEntry } from '../../../shared/decision.ts';
import { qValueOf } from '../../../shared/owned-request.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Vote } from '../../../shared/vote/vote-parser.ts';

/** A vote with the expert that gave it. */
export interface ExpertVote {
  readonly role: string;
  readonly model: string;
  readonly vote: Vote;
  /** True if its choice counts before its answer has ended. */
  readonly isUnfinished?: true;
  /** Its weight if it was read, not written; records of written votes do not apply to it. */
  readonly readWeight?: number;
}

/** Confidence of a vote whose model stated none. */
const CONFIDENCE_DEFAULT = 0.5;

/**
 * The votes by action, the winner first: most votes, then most confidence, then the higher Q-value, then the earlier
 * place in the request. The order is total, so that equal votes always give the same winner.
 */
export function tallyVotes(
  votes: readonly ExpertVote[],
  request: Pick<PlanRequest, 'actions' | 'qValues'>,
): TallyEntry[] {
  const entries = new Map<string, { action: string; count: number; weight: number }>();
  for (const { vote } of votes) {
    const entry = entries.get(vote.action) ?? { action: vote.action, count: 0, weight: 0 };
    entry.count++;
    entry.weight += vote.confidence ?? CONFIDENCE_DEFAULT;
    entries.set(vote.action, entry);
  }
  const value = (action: string): number => qValueOf(request, action) ?? Number.NEGATIVE_INFINITY;
  return [...entries.values()].sort(
    (a, b) =>
      b.count - a.count ||
      b.weight - a.weight ||
      compare(value(b.action), value(a.action)) ||
      request.actions.indexOf(a.action) - request.actions.indexOf(b.action),
  );
}

/** Compares like a subtraction, but correctly for two equal infinities. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** The tally with one more vote on top: that of the synthesizer, which decides. */
export function withWinner(tally: readonly TallyEntry[], action: string): TallyEntry[] {
  const rest = tally.filter((entry) => entry.action !== action);
  const voted = tally.find((entry) => entry.action === action);
  return [{ action, count: (voted?.count ?? 0) + 1, weight: (voted?.weight ?? 0) + 1 }, ...rest];
}
