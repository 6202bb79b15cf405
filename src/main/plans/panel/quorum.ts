import { OwnedRequest } from '../../../shared/owned-request.ts';
import { type PlanRequest, valueScale } from '../../../shared/plan-request.ts';
import type { QuorumRule } from '../../options/planner-options.ts';
import { type ExpertVote, tallyVotes } from './tally.ts';

/**
 * When a panel has enough votes. A vote counts by its weight; if Q-values are given, experience is an additional voice, which
 * supports every action by its place between the worst value and the best. Two experts that agree are a quorum under
 * `firstAgree`, unless both have a poor record, and so is one with a good record that agrees with experience.
 */
export interface Voice {
  readonly role: string;
  readonly model: string;
}

export interface QuorumSettings {
  readonly rule: QuorumRule;
  /** The weight of an expert's vote; 1 is ordinary. */
  readonly weightOf: (voice: Voice) => number;
  /** The weight of the best value; 0 ignores values. */
  readonly valuesWeight: number;
  /** An action that the agent has just tried here without effect: experience does not support it, whatever its value. */
  readonly inVain?: string | undefined;
}

/** The support for each action that was voted for, best first; for equal weight, in the order of the tally. */
export interface Support {
  readonly action: string;
  /** Votes and values together. */
  readonly weight: number;
  /** Votes alone. */
  readonly votes: number;
}

export type QuorumState =
  /** No vote to come can change the decision. */
  | { readonly kind: 'settled'; readonly action: string }
  /** This many more votes may settle it. */
  | { readonly kind: 'open'; readonly needed: number };

/** Support that settles `firstAgree` whoever gives it: that of two ordinary votes. Slightly less, because sums of floats are not exact. */
const AGREED = 2 - 1e-6;
/**
 * Support that settles `firstAgree` if two votes or more give it. Lower, because records are weighed against their mean: of any
 * three experts that usually agree, two are together slightly below it, and would wait for the third.
 */
const AGREED_BY_TWO = 1.5 - 1e-6;
/** Weight of experience. Experience alone is no quorum, nor is it with a single ordinary vote. */
export const VALUES_WEIGHT = 0.9;

/** Returns what the values of a request add to the support of an action. */
export function worthByValues(
  request: Pick<PlanRequest, 'actions' | 'qValues'>,
  { valuesWeight, inVain }: Pick<QuorumSettings, 'valuesWeight' | 'inVain'>,
): (action: string) => number {
  const scale = valuesWeight > 0 ? valueScale(request) : () => undefined;
  return (action) => (action === inVain ? 0 : valuesWeight * (scale(action) ?? 0));
}

export function supportOf(
  votes: readonly ExpertVote[],
  request: Pick<PlanRequest, 'actions' | 'qValues'>,
  settings: Pick<QuorumSettings, 'weightOf' | 'valuesWeight' | 'inVain'>,
): Support[] {
  const worthOf = worthByValues(request, settings);
  const byAction = new Map<string, { weight: number; votes: number }>();
  for (const expert of votes) {
    const { action } = expert.vote;
    const known = byAction.get(action) ?? { weight: worthOf(action), votes: 0 };
    known.weight += expert.readWeight ?? settings.weightOf(expert);
    known.votes++;
    byAction.set(action, known);
  }
  return tallyVotes(votes, request)
    .map(({ action }) => ({ action, ...(byAction.get(action) as { weight: number; votes: number }) }))
    .sort((a, b) => b.weight - a.weight);
}

/** The state of the quorum. `pending` are the weights of votes that may still come. */
export function verdictOf(
  votes: readonly ExpertVote[],
  pending: readonly number[],
  request: Pick<PlanRequest, 'actions' | 'qValues'>,
  settings: QuorumSettings,
): QuorumState {
  const [leader, second] = supportOf(votes, request, settings);
  switch (settings.rule) {
    case 'all':
      return leader !== undefined && pending.length === 0
        ? { kind: 'settled', action: leader.action }
        : { kind: 'open', needed: pending.length };
    case 'majority': {
      if (leader === undefined) return { kind: 'open', needed: Math.ceil((pending.length + 1) / 2) };
      const coming = sum(pending);
      const unheard = pending.length > 0 ? valueOfUnheard(votes, request, settings) : 0;
      if (leader.weight > Math.max(second?.weight ?? 0, unheard) + coming) {
        return { kind: 'settled', action: leader.action };
      }
      const weightOf = (vote: ExpertVote): number => vote.readWeight ?? settings.weightOf(vote);
      const cast = sum(votes.map(weightOf));
      const own = sum(votes.filter(({ vote }) => vote.action === leader.action).map(weightOf));
      return { kind: 'open', needed: votesFor((cast + coming) / 2 - own, pending) };
    }
    case 'firstAgree':
      if (leader !== undefined && isEnough(leader)) return { kind: 'settled', action: leader.action };
      return { kind: 'open', needed: leader === undefined ? 2 : 1 };
    default:
      return settings.rule satisfies never;
  }
}

/** Whether the experts agree: then no synthesis is needed if it is only for disagreement. */
export function isAgreed(
  votes: readonly ExpertVote[],
  request: Pick<PlanRequest, 'actions' | 'qValues'>,
  settings: QuorumSettings,
): boolean {
  const [leader] = supportOf(votes, request, settings);
  return leader !== undefined && isEnough(leader);
}

function isEnough({ weight, votes }: Support): boolean {
  return weight >= (votes >= 2 ? AGREED_BY_TWO : AGREED);
}

/** The most that values support an action that has no vote yet. */
function valueOfUnheard(
  votes: readonly ExpertVote[],
  request: Pick<PlanRequest, 'actions' | 'qValues'>,
  { valuesWeight }: QuorumSettings,
): number {
  if (valuesWeight === 0 || request.qValues === undefined) return 0;
  const values = valueScale(request);
  const heard = new Set(votes.map(({ vote }) => vote.action));
  const best = OwnedRequest.is(request) ? request.values.best.find(([action]) => !heard.has(action)) : undefined;
  if (best !== undefined) return Math.max(0, values(best[0]) ?? 0) * valuesWeight;
  let most = 0;
  for (const action of request.actions) if (!heard.has(action)) most = Math.max(most, values(action) ?? 0);
  return most * valuesWeight;
}

/** How many of the pending votes, heaviest first, are needed for this weight. */
function votesFor(weight: number, pending: readonly number[]): number {
  let left = weight;
  let needed = 0;
  for (const each of pending.toSorted((a, b) => b - a)) {
    if (left < 0) break;
    left -= each;
    needed++;
  }
  return Math.max(1, needed);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
