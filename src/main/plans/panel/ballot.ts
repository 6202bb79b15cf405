import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import { isAgreed, type QuorumSettings, type QuorumState, supportOf, type Voice, verdictOf } from './quorum.ts';
import { StandingChoices } from './standing-choices.ts';
import type { ExpertVote } from './tally.ts';

/** The votes of one flight and what they amount to. The panel fills it; the flight and the ladder read it at any moment. */
export class Ballot {
  readonly request: PlanRequest;
  readonly quorum: QuorumSettings;
  /** The votes of answers that have ended. */
  readonly votes: ExpertVote[] = [];
  /** The choices in answers that have not ended. */
  readonly choices = new StandingChoices<ResolvedExpert>();
  /** With fewer votes it is not settled while more may come: how often experts agree is not known from votes that stop as soon as they do. */
  votesMin = 1;
  /** Called after each vote, also after the panel has settled or was given up, and when choices have settled it. */
  onVote: () => void = () => {};

  constructor(request: PlanRequest, quorum: QuorumSettings) {
    this.request = request;
    this.quorum = quorum;
  }

  /** All votes that count now. */
  get standing(): readonly ExpertVote[] {
    return [...this.votes, ...this.choices.votes];
  }

  /** The action with most support so far. */
  get leader(): string | undefined {
    return supportOf(this.standing, this.request, this.quorum)[0]?.action;
  }

  get isAgreed(): boolean {
    return isAgreed(this.standing, this.request, this.quorum);
  }

  /** Whether the votes settle it, given that the `pending` experts may still vote. */
  verdict(pending: readonly Voice[]): QuorumState {
    const weights = pending.map((voice) => this.quorum.weightOf(voice));
    const state = verdictOf(this.standing, weights, this.request, this.quorum);
    const isShort = state.kind === 'settled' && pending.length > 0 && this.standing.length < this.votesMin;
    return isShort ? { kind: 'open', needed: 1 } : state;
  }
}
