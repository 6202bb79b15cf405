import type { Decision, TallyEntry } from '../../../shared/decision.ts';
import { qValueOf } from '../../../shared/owned-request.ts';
import { bestByQValue, type PlanRequest } from '../../../shared/plan-request.ts';
import type { Hit, Said, Standing } from '../../cache/look.ts';
import { legalAction, rememberedAction } from '../../cache/remembered-action.ts';
import { type ExpertVote, tallyVotes } from '../panel/tally.ts';
import type { Plan } from '../plan.ts';
import type { LateCandidate } from './late-answers.ts';

/** An answer that could be given now. */
export interface Answer extends Pick<Plan, 'action' | 'source' | 'reason' | 'model' | 'why' | 'node'> {
  readonly decidedAtMs?: number;
  /** If a model was read: the chance that models would decide the same again, and the probability of each offered action. */
  readonly confidence?: number;
  readonly probabilities?: Readonly<Record<string, number>>;
}

function answerFromStale(request: PlanRequest, decision: Decision): Answer | undefined {
  const action = rememberedAction(request, decision);
  if (action === undefined) return undefined;
  const { reason, model, decidedAtMs } = decision;
  return { action, source: 'stale', reason, decidedAtMs, ...(model === '' ? {} : { model }) };
}

/** The cache rung; also for a standing answer if no model has answered. */
export function answerFromHit({ tier, action, reason, decision }: Hit | Standing): Answer {
  const { model, decidedAtMs } = decision;
  const source = tier === 'exact' ? 'cache' : tier;
  return model === '' ? { action, source, reason, decidedAtMs } : { action, source, reason, decidedAtMs, model };
}

/** The reason of a decision by choices alone. */
export const CHOICE_REASON = "the models' choice; its reason was not waited for";

/**
 * The rung of the best vote: the winner of the tally, or the `leader` of a weighted count, with the reason of the first expert
 * that voted for it.
 */
export function answerFromVotes(
  request: PlanRequest,
  votes: readonly ExpertVote[],
  leader?: string,
): (Answer & { tally: TallyEntry[] }) | undefined {
  const counted = tallyVotes(votes, request);
  const winner = counted.find(({ action }) => action === leader) ?? counted[0];
  if (winner === undefined) return undefined;
  const tally = [winner, ...counted.filter((entry) => entry !== winner)];
  const voters = votes.filter(({ vote }) => vote.action === winner.action);
  const voter = voters.find(({ isUnfinished }) => !isUnfinished);
  const reason = voter === undefined ? CHOICE_REASON : voter.vote.reason;
  const { model } = voter ?? (voters[0] as ExpertVote);
  return { action: winner.action, source: 'vote', reason, model, tally };
}

/** The rung of a near state: what is remembered for it, if no model has answered. */
export function answerFromNear({ action, decision }: Said): Answer {
  return answerFromHit({ tier: 'similar', action, reason: decision.reason, decision });
}

/** The rung of a late answer: what models answered for a recent state. */
export function answerFromLate({ action, reason, model, ageMs }: LateCandidate): Answer {
  const age = `for the state of ${(ageMs / 1_000).toFixed(1)} s ago`;
  const text = reason === '' ? age : `${age}: ${reason}`;
  return { action, source: 'late', reason: text, ...(model === '' ? {} : { model }) };
}

/** The last rung: no model, no worker, no disk, no network. */
export function heuristicAnswer(request: PlanRequest): Answer {
  const action = bestByQValue(request);
  const value = qValueOf(request, action);
  const reason = value === undefined ? 'first legal action: no values were given' : `highest value: ${value}`;
  return { action, source: 'heuristic', reason };
}

export interface InHand {
  /** What a model decided, once one has. */
  readonly decision: Decision | undefined;
  readonly votes: readonly ExpertVote[];
  /** The action with most support, if known; otherwise the tally decides. */
  readonly leader?: string | undefined;
  /** A cached answer that could have been served, but models were asked first. */
  readonly standing?: Standing | undefined;
  /** A late answer for a recent state, or what is remembered for a near one, if it is known to beat the rungs below. */
  readonly standIn?: Answer | undefined;
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
}

/** The best answer in hand, down the ladder. There always is one, and it is always legal. */
export function bestInHand(request: PlanRequest, inHand: InHand): Answer {
  const { decision, votes, leader, standing, standIn, stale } = inHand;
  const action = decision === undefined ? undefined : legalAction(request, decision.action);
  if (decision !== undefined && action !== undefined) {
    const { source, reason, model } = decision;
    return { action, source, reason, ...(model === '' ? {} : { model }) };
  }
  return (
    answerFromVotes(request, votes, leader) ??
    (standing === undefined ? undefined : answerFromHit(standing)) ??
    standIn ??
    (stale === undefined ? undefined : answerFromStale(request, stale)) ??
    heuristicAnswer(request)
  );
}
