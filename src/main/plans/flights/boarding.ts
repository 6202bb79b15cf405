import type { Timer } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { PlannerError } from '../../../shared/errors.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { LateAnswer, RecentWork } from '../ladder/late-answers.ts';
import type { ExpertVote } from '../panel/tally.ts';
import type { Plan } from '../plan.ts';
import type { PlanCall } from '../plan-call.ts';
import type { Due } from './early-settling.ts';
import type { Flight } from './flight.ts';

/** One caller's wait for a flight. It is answered by `settleMs` at the latest, slightly before its deadline. */
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

/** A flight and the callers that wait for it. */
export class Boarding {
  readonly flight: Flight;
  /** The call for which the flight started. */
  readonly call: PlanCall;
  /** Undefined if flights are not shared. */
  readonly key: string | undefined;
  readonly waiters = new Set<Waiter>();
  /**
   * Whether its decision is not remembered: all callers cancelled, and too few votes had been given by then; or the cache was
   * cleared since it started.
   */
  abandoned = false;
  /** Whether it is for a state that an agent is expected to be in, and whether a plan has joined it since. */
  foreseen: 'waits' | 'joined' | undefined;
  /** Resolves when the flight has ended. */
  done: Promise<void> = Promise.resolve();
  /** The shorter flight before it, which did not decide, and that flight's votes. */
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

  /** A plan joins. Returns whether it shares the work of another plan: the first one to join foreseen work does not. */
  join({ request: { agent }, startedAtMs, deadlineMs, priority }: PlanCall, settleMs: number): boolean {
    if (this.foreseen !== 'waits') return true;
    this.foreseen = 'joined';
    this.flight.promote({ agent, startedAtMs, deadlineMs, priority, settleMs });
    return false;
  }

  /** The decision to be remembered: none of an abandoned flight, or of a read that is not known to be better than no model. */
  get lesson(): Decision | undefined {
    const { decision, lone } = this.flight;
    return this.abandoned || lone?.isKept === false ? undefined : decision;
  }

  /** Whether models have decided with more than single votes, so that plans with more time need no other flight. */
  get isSettled(): boolean {
    const { decision } = this.flight;
    return decision !== undefined && decision.source !== 'vote';
  }

  /** The attempts so far, relative to a plan that started at `originMs`. */
  attemptsFor(originMs: number): Attempt[] {
    return [...(this.#before?.attemptsFor(originMs) ?? []), ...this.flight.attemptsFor(originMs)];
  }

  /** The votes of the flight, or of the one before it while there are none: an expert has one vote. */
  get votes(): readonly ExpertVote[] {
    return this.flight.votes.length > 0 ? this.flight.votes : this.#votesBefore;
  }

  /** The answer of the flight's models so far. */
  get answer(): LateAnswer | undefined {
    const { decision, leader, votes } = this.flight;
    if (decision !== undefined) return decision;
    const voter = votes.find(({ vote }) => vote.action === leader);
    return voter && { action: voter.vote.action, reason: voter.vote.reason, model: voter.model };
  }

  /** Adds what an agent remembers of the flight. */
  addWork(work: RecentWork): void {
    this.#works.push(work);
  }

  /** The flight has ended: agents remember only its answer. */
  endWorks(): void {
    const { answer } = this;
    for (const work of this.#works) {
      work.answer = () => answer;
      work.isEnded = true;
    }
  }
}
