import { stampNow } from '../../../shared/clock.ts';
import type { Decision, ModelSource } from '../../../shared/decision.ts';
import type { Vote } from '../../../shared/vote/vote-parser.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { Ballot } from '../panel/ballot.ts';
import { tallyVotes, withWinner } from '../panel/tally.ts';
import type { ReadChoice } from '../reads/reads.ts';
import { answerFromVotes, CHOICE_REASON } from './best-in-hand.ts';

/** The choice of a model of the ladder, in an answer that has not ended. */
export interface LadderChoice {
  readonly action: string;
  readonly step: 'synthesis' | 'fallback';
  readonly model: string;
  /** The action with most support when the model was asked. */
  readonly leader: string | undefined;
}

/** The decision of one flight, once it is made, and what the votes and choices amount to until then. */
export class DecisionInHand {
  /** What the models decided, once they did. */
  decision: Decision | undefined;
  /** The current choice of the ladder's model that is being asked. */
  choice: LadderChoice | undefined;
  readonly #parts: FlightParts;
  readonly #ballot: Ballot;
  readonly #startedAtMs: number;
  #isChoiceCounted = false;

  constructor(parts: FlightParts, ballot: Ballot, startedAtMs: number) {
    this.#parts = parts;
    this.#ballot = ballot;
    this.#startedAtMs = startedAtMs;
  }

  /** Whether the votes agree, so that a synthesis is not needed. */
  get isOvertaken(): boolean {
    return this.#parts.options.synthesis.when === 'onDisagreement' && this.#ballot.isAgreed;
  }

  /** A model of the ladder has answered. */
  decide({ action, reason }: Vote, source: ModelSource, model: string): void {
    this.#countChoices();
    this.decision = this.#made(action, reason, source, model);
  }

  /** The decision of a read. */
  ofRead({ action, model, probability }: ReadChoice, source: 'quorum' | 'vote'): Decision {
    const tally = [{ action, count: 1, weight: probability }];
    const reason = `read with a probability of ${probability.toFixed(2)}`;
    return { ...this.#stamp(), action, reason, source, model, tally };
  }

  decideByVotes(source: 'quorum' | 'vote'): void {
    this.#countChoices();
    this.decision = this.#ofVotes(source);
  }

  /** Decides when time is over or there is no synthesis: by choices that agree, else by the choice of a synthesis, else by the votes. */
  decideInHand(source: 'quorum' | 'vote'): void {
    this.decision = this.standing();
    if (this.decision === undefined) this.decideByVotes(source);
  }

  /**
   * The decision that the current choices amount to, for a plan that is settled now: an agreement, or the choice of a synthesis.
   * Undefined if only votes are available.
   */
  standing(): Decision | undefined {
    if (!this.#parts.options.features.earlyChoices) return undefined;
    this.#countChoices();
    if (this.isOvertaken) return this.#ofVotes('quorum');
    const { choice } = this;
    const { leader } = this.#ballot;
    if (choice === undefined || (leader !== choice.leader && leader !== choice.action)) return undefined;
    if (!this.#isChoiceCounted) this.#parts.counters.earlyChoices++;
    this.#isChoiceCounted = true;
    return this.#made(choice.action, CHOICE_REASON, choice.step, choice.model);
  }

  #made(action: string, reason: string, source: ModelSource, model: string): Decision {
    const tally = withWinner(tallyVotes(this.#ballot.standing, this.#ballot.request), action);
    return { ...this.#stamp(), action, reason, source, model, tally };
  }

  #ofVotes(source: 'quorum' | 'vote'): Decision | undefined {
    const { request, standing, leader } = this.#ballot;
    const answer = answerFromVotes(request, standing, leader);
    if (answer === undefined) return undefined;
    const { action, reason, model, tally } = answer;
    return { ...this.#stamp(), action, reason, source, model: model ?? '', tally };
  }

  #countChoices(): void {
    this.#parts.counters.earlyChoices += this.#ballot.choices.count();
  }

  #stamp(): Pick<Decision, 'decidedAtMs' | 'latencyMs'> {
    const { clock } = this.#parts;
    return { decidedAtMs: stampNow(clock), latencyMs: clock.now() - this.#startedAtMs };
  }
}
