import type { Decision, PlanSource, TallyEntry } from '../../../shared/decision.ts';
import { qValueOf } from '../../../shared/owned-request.ts';
import { bestByQValue, type PlanRequest } from '../../../shared/plan-request.ts';
import type { Hit, Said, Standing } from '../../cache/look.ts';
import { legalAction, rememberedAction } from '../../cache/remembered-action.ts';
import { type ExpertVote, tallyVotes } from '../panel/tally.ts';
import type { LateCandidate } from './late-answers.ts';
import type { Why } from './why.ts';

/** An answer that could be given now. */
export interface Answer {
  readonly action: string;
  readonly source: PlanSource;
  readonly reason: string;
  readonly model?: string;
  readonly decidedAtMs?: number;
  /** Why no model decided. */
  readonly why?: Why;
  /** The chance that models would decide the same again, and the probability of each offered action, where a model was read. */
  readonly confidence?: number;
  readonly probabilities?: Readonly<Record<string, number>>;
}

function answerFromStale(request: PlanRequest, decision: Decision): Answer | undefined {
  const action = rememberedAction(request, decision);
  if (action === undefined) return undefined;
  const { reason, model, decidedAtMs } = decision;
  return { action, source: 'stale', reason, decidedAtMs, ...(model === '' ? {} : { model }) };
}

/** The rung of the cache; also for what stands there when no model has answered. */
export function answerFromHit({ tier, action, reason, decision }: Hit | Standing): Answer {
  const { model, decidedAtMs } = decision;
  const source = tier === 'exact' ? 'cache' : 'similar';
  return model === '' ? { action, source, reason, decidedAtMs } : { action, source, reason, decidedAtMs, model };
}

/** Of what was decided by choices alone. */
export const CHOICE_REASON = "the models' choice; its reason was not waited for";

/**
 * The rung of the best vote: the winner of the tally, or the `leader` of a weighted count, with the reason of the expert
 * that gave it first.
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

/** What is remembered of a near state, where no model has answered. */
export function answerFromNear({ action, decision }: Said): Answer {
  return answerFromHit({ tier: 'similar', action, reason: decision.reason, decision });
}

/** The rung of an answer of models for a state of a moment ago. */
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
  /** What a model decided, once one did. */
  readonly decision: Decision | undefined;
  readonly votes: readonly ExpertVote[];
  /** What most speaks for of them, where that is known; else the tally says. */
  readonly leader?: string | undefined;
  /** What memory could have served, and models were asked about first. */
  readonly standing?: Standing | undefined;
  /** What models said of a state of a moment ago, or what is remembered of a near one, where it is known to beat what follows. */
  readonly standIn?: Answer | undefined;
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
}

/** The best answer in hand, down the ladder. Always one, always legal. */
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
