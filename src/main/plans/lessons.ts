import type { Decision } from '../../shared/decision.ts';
import { signatureText } from '../../shared/signature.ts';
import type { AskedRequest } from '../cache/decision-learner.ts';
import type { SharedHits } from '../cache/false-hits.ts';
import type { Hit } from '../cache/look.ts';
import type { PlanCache } from '../cache/plan-cache.ts';
import type { BookedState, StateBook } from './background/state-book.ts';
import type { LateAnswers } from './ladder/late-answers.ts';
import type { PlanCall } from './plan-call.ts';

/** An answer of the cache about which models are asked again. */
export interface Errand extends Pick<PlanCall, 'request' | 'signature'> {
  readonly hit: Hit;
}

/** Remembers what models decide: in the cache, in the book of states to ask about later, and for late answers and other stand-ins. */
export class Lessons {
  readonly #cache: PlanCache | undefined;
  readonly #book: StateBook;
  readonly #late: LateAnswers | undefined;

  constructor(cache: PlanCache | undefined, book: StateBook, late: LateAnswers | undefined) {
    this.#cache = cache;
    this.#book = book;
    this.#late = late;
  }

  /** A flight has decided. `call` is the one for which it started; at least one of its callers did not cancel. `others` wait for it too. */
  decided(call: PlanCall, decision: Decision, others: readonly PlanCall[]): void {
    const { request, signature, look } = call;
    if (look !== undefined) this.#cache?.learn(request, signature, look, decision, askedOf(others));
    this.#known(signature, decision);
  }

  /** Another node's models have decided. What to remember comes through the log of the cluster. */
  decidedElsewhere(call: PlanCall, decision: Decision, others: readonly PlanCall[]): void {
    this.#cache?.learnOutcomes(askedOf([call, ...others]), decision);
    this.#known(call.signature, decision);
  }

  /** Models have decided for a state that an agent was expected to be in. `others` are in it by now, and wait for that. */
  foreseen(
    { request, signature }: Pick<PlanCall, 'request' | 'signature'>,
    decision: Decision,
    others: readonly PlanCall[],
  ): void {
    this.#cache?.foreseen(request, signature, decision, askedOf(others));
    this.#known(signature, decision);
  }

  /** Models were asked again, here or at another node. `others` are further hits of the same state that share the answer. */
  checked(
    { request, signature, hit }: Errand,
    decision: Decision,
    others: readonly SharedHits[],
    isElsewhere = false,
  ): void {
    this.#cache?.checked(request, signature, hit, decision, others, isElsewhere);
    this.#known(signature, decision);
  }

  /** Whether the answer that an errand is about is still remembered. */
  holds({ signature, hit }: Errand): boolean {
    return this.#cache?.holds(signature, hit) === true;
  }

  /** These hits were to be checked, and never will be. */
  lost(hits: readonly SharedHits[]): void {
    this.#cache?.lost(hits);
  }

  /** Models voted for a state in the book. Returns what is now remembered for it. */
  voted({ request, signature }: Pick<BookedState, 'request' | 'signature'>, decision: Decision): Decision {
    this.#late?.decided(signature, decision.action);
    return this.#cache?.addVotes(request, signature, decision) ?? decision;
  }

  #known(signature: PlanCall['signature'], decision: Decision): void {
    if (this.#book.size > 0) this.#book.learned(signatureText(signature), decision);
  }
}

/** Those of the calls that looked into the cache. */
function askedOf(calls: readonly PlanCall[]): AskedRequest[] {
  return calls.flatMap(({ request, signature, look }) => (look === undefined ? [] : [{ request, signature, look }]));
}
