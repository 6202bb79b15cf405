import type { Decision, PlanSource, TallyEntry } from '../../shared/decision.ts';
import { bestByQValue, type PlanRequest, qValueOf } from '../../shared/plan-request.ts';
import { type ExpertVote, tallyVotes } from '../synthesis/tally.ts';

/** An answer that could be given now. */
export interface Answer {
  readonly action: string;
  readonly source: PlanSource;
  readonly reason: string;
  readonly model?: string;
  readonly decidedAtMs?: number;
}

/** The request's own string for an action, if the action is legal. */
export function legalAction(request: Pick<PlanRequest, 'actions'>, action: string): string | undefined {
  const index = request.actions.indexOf(action);
  return index < 0 ? undefined : request.actions[index];
}

/** The legal action of a remembered decision: its winner, else the best legal one of its tally. */
export function rememberedAction(request: Pick<PlanRequest, 'actions'>, decision: Decision): string | undefined {
  const winner = legalAction(request, decision.action);
  if (winner !== undefined) return winner;
  const rest = [...decision.tally].sort((a, b) => b.count - a.count || b.weight - a.weight);
  for (const entry of rest) {
    const action = legalAction(request, entry.action);
    if (action !== undefined) return action;
  }
  return undefined;
}

export function answerFromMemory(
  request: PlanRequest,
  decision: Decision,
  source: 'cache' | 'stale',
): Answer | undefined {
  const action = rememberedAction(request, decision);
  if (action === undefined) return undefined;
  const { reason, model, decidedAtMs } = decision;
  return { action, source, reason, decidedAtMs, ...(model === '' ? {} : { model }) };
}

/** The rung of the best vote: the winner of the tally, with the reason of the expert that gave it first. */
export function answerFromVotes(
  request: PlanRequest,
  votes: readonly ExpertVote[],
): (Answer & { tally: TallyEntry[] }) | undefined {
  const tally = tallyVotes(votes, request);
  const winner = tally[0];
  if (winner === undefined) return undefined;
  const voter = votes.find(({ vote }) => vote.action === winner.action) as ExpertVote;
  return { action: winner.action, source: 'vote', reason: voter.vote.reason, model: voter.model, tally };
}

/** The last rung: no model, no worker, no disk, no network. */
export function heuristicAnswer(request: PlanRequest): Answer {
  const action = bestByQValue(request);
  const value = qValueOf(request, action);
  const reason = value === undefined ? 'first legal action: no values were given' : `highest value: ${value}`;
  return { action, source: 'heuristic', reason };
}

export interface InHand {
  /** What a model decided, once one did. */
  readonly decision: Decision | undefined;
  readonly votes: readonly ExpertVote[];
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
}

/** The best answer in hand, down the ladder. Always one, always legal. */
export function bestInHand(request: PlanRequest, inHand: InHand): Answer {
  const { decision, votes, stale } = inHand;
  const action = decision === undefined ? undefined : legalAction(request, decision.action);
  if (decision !== undefined && action !== undefined) {
    const { source, reason, model } = decision;
    return { action, source, reason, ...(model === '' ? {} : { model }) };
  }
  return (
    answerFromVotes(request, votes) ??
    (stale === undefined ? undefined : answerFromMemory(request, stale, 'stale')) ??
    heuristicAnswer(request)
  );
}
