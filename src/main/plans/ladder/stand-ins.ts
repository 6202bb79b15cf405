import type { Clock } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { ExpertVote } from '../panel/tally.ts';
import type { PlanCall } from '../plan-call.ts';
import { type Answer, answerFromLate, answerFromNear, bestInHand } from './best-in-hand.ts';
import { kindOfNear, type LateAnswers } from './late-answers.ts';

/** What models have said so far. */
interface ModelsSaid {
  readonly decision: Decision | undefined;
  readonly votes: readonly ExpertVote[];
  readonly leader: string | undefined;
}

/**
 * The answers that may serve if no model was in time, before the next rung. Each is compared with that rung once models have
 * decided, and the first whose kind has earned it serves.
 */
export class StandIns {
  readonly #clock: Clock;
  readonly #late: LateAnswers | undefined;

  constructor(clock: Clock, late: LateAnswers | undefined) {
    this.#clock = clock;
    this.#late = late;
  }

  /** The best answer for a plan that is settled now. */
  best(call: PlanCall, models: ModelsSaid): Answer {
    const { request, look } = call;
    const inHand = { ...models, standing: look?.standing, stale: look?.stale };
    const answer = bestInHand(request, inHand);
    if (models.decision !== undefined || models.votes.length > 0 || look?.standing !== undefined) return answer;
    const standIn = this.#before(call, answer);
    return standIn === undefined ? answer : bestInHand(request, { ...inHand, standIn });
  }

  /** The answer that serves before `next`; undefined if none has earned it. */
  #before({ request, signature, look }: PlanCall, next: Answer): Answer | undefined {
    const late = this.#late;
    if (late === undefined) return undefined;
    const near = look?.shadow?.near[0];
    const candidate = late.candidate(request, signature, this.#clock.now());
    const candidates = [
      ...(near === undefined ? [] : [{ kind: kindOfNear(near), answer: answerFromNear(near) }]),
      ...(candidate === undefined ? [] : [{ kind: candidate.kind, answer: answerFromLate(candidate) }]),
    ].filter(({ answer }) => answer.action !== look?.inVain);
    for (const { kind, answer } of candidates) {
      late.shadow(signature, { kind, standIn: answer.action, next: next.action });
    }
    return candidates.find(({ kind }) => late.serves(kind))?.answer;
  }

  /** Models have decided: compares what would have been right if they had not, or not in time. */
  compare({ request, signature, look }: PlanCall, action: string, isAwaited: boolean): void {
    const near = look?.shadow?.near[0];
    const compared = this.#late?.decided(signature, action);
    if (near === undefined || !isAwaited || compared?.has(kindOfNear(near))) return;
    const next = bestInHand(request, { decision: undefined, votes: [], stale: look?.stale });
    this.#late?.compare({ kind: kindOfNear(near), standIn: near.action, next: next.action }, action);
  }
}

/** What is answered if no model answers. */
export function withoutModel({ request, look }: PlanCall): Answer {
  return bestInHand(request, { decision: undefined, votes: [], standing: look?.standing, stale: look?.stale });
}
