import type { Timer } from '../../../shared/clock.ts';
import type { PlannerError } from '../../../shared/errors.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { LateAnswer, RecentWork } from '../ladder/late-answers.ts';
import type { ExpertVote } from '../panel/tally.ts';
import type { Plan } from '../plan.ts';
import type { PlanCall } from '../plan-call.ts';
import type { Due } from './early-settling.ts';
import type { Flight } from './flight.ts';

/** One caller's wait for a flight. It is answered at the latest at `settleMs`, a little ahead of its deadline. */
export interface Waiter extends Due {
  readonly call: PlanCall;
  readonly coalesced: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  boarding: Boarding;
  readonly resolve: (plan: Plan) => void;
  readonly reject: (error: PlannerError) => void;
  timer: Timer | undefined;
}

/** A flight and who waits for it. */
export class Boarding {
  readonly flight: Flight;
  /** The call for which the flight began. */
  readonly call: PlanCall;
  /** Undefined where flights are not shared. */
  readonly key: string | undefined;
  readonly waiters = new Set<Waiter>();
  /**
   * What it decides is not remembered: everyone who waited left by their own signal, and what was voted until then is too
   * little; or the cache was cleared since it began.
   */
  abandoned = false;
  /** Resolves when the flight has ended. */
  done: Promise<void> = Promise.resolve();
  /** The shorter flight before it, which did not decide, and the votes that came of that one. */
  readonly #before: Boarding | undefined;
  readonly #votesBefore: readonly ExpertVote[];
  /** What is remembered of the flight for the agents that asked. */
  readonly #works: RecentWork[];

  constructor(flight: Flight, call: PlanCall, key: string | undefined, before?: Boarding) {
    this.flight = flight;
    this.call = call;
    this.key = key;
    this.#before = before;
    this.#votesBefore = before?.votes ?? [];
    this.#works = before === undefined ? [] : before.#works.splice(0);
    for (const work of this.#works) work.answer = () => this.answer;
  }

  /** The attempts so far, as seen from a plan that began at `originMs`. */
  attemptsFor(originMs: number): Attempt[] {
    return [...(this.#before?.attemptsFor(originMs) ?? []), ...this.flight.attemptsFor(originMs)];
  }

  /** The votes of the flight, or of the one before it while there are none: an expert has one vote. */
  get votes(): readonly ExpertVote[] {
    return this.flight.votes.length > 0 ? this.flight.votes : this.#votesBefore;
  }

  /** What the models of the flight say so far. */
  get answer(): LateAnswer | undefined {
    const { decision, leader, votes } = this.flight;
    if (decision !== undefined) return decision;
    const voter = votes.find(({ vote }) => vote.action === leader);
    return voter && { action: voter.vote.action, reason: voter.vote.reason, model: voter.model };
  }

  /** An agent remembers the flight. */
  addWork(work: RecentWork): void {
    this.#works.push(work);
  }

  /** The flight has ended: what agents remember of it is its answer alone. */
  endWorks(): void {
    const { answer } = this;
    for (const work of this.#works) {
      work.answer = () => answer;
      work.isEnded = true;
    }
  }
}
