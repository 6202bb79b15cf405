import { defined } from '../../shared/defined.ts';
import { PlannerError } from '../../shared/errors.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { heuristicAnswer } from '../plans/ladder/best-in-hand.ts';
import type { Plan } from '../plans/plan.ts';

/** The error of a decision that `peer` does not answer: a host cannot decide by itself. */
export function noDecision(peer: string, timeoutMs: number): PlannerError {
  return new PlannerError('ERR_MODEL_TIMEOUT_STREAM', `${peer} did not answer in ${timeoutMs} ms`);
}

/** Id of a plan that a host or client answered itself. The planner's own ids start at 1. */
const OWN_PLAN_ID = 0;

/**
 * The last rung, used by a host or client if `peer` does not answer. Taken from the request now: its owner may reuse the lists in the next frame.
 * `elapsedMs` returns how long the plan has taken when it is used.
 */
export function ownAnswer(
  peer: string,
  request: PlanRequest,
  timeoutMs: number | undefined,
  elapsedMs: () => number,
): () => Plan {
  const { agent, domain } = request;
  const { action, source, reason } = heuristicAnswer(request);
  return () => {
    const latencyMs = elapsedMs();
    return {
      id: OWN_PLAN_ID,
      agent,
      ...defined({ domain }),
      action,
      source,
      reason: `${peer} did not answer in time; ${reason}`,
      attempts: [],
      coalesced: false,
      why: { code: 'planner-silent', message: `${peer} did not answer in ${Math.round(latencyMs)} ms` },
      latencyMs,
      latenessMs: Math.max(0, latencyMs - (timeoutMs ?? latencyMs)),
    };
  };
}
