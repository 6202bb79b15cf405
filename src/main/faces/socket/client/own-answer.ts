import type { PlanRequest } from '../../../../shared/plan-request.ts';
import type { Plan } from '../../../plan.ts';
import { heuristicAnswer } from '../../../planner/best-in-hand.ts';

/** Of a plan that the client answered itself. The planner's own begin at 1. */
const CLIENT_PLAN_ID = 0;

/**
 * The last rung, for a server that does not answer. Taken from the request now: its owner may reuse the lists in the next
 * frame. `elapsedMs` tells how long the plan has taken when it is used.
 */
export function ownAnswer(request: PlanRequest, timeoutMs: number | undefined, elapsedMs: () => number): () => Plan {
  const { agent } = request;
  const { action, source, reason } = heuristicAnswer(request);
  return () => {
    const latencyMs = elapsedMs();
    return {
      id: CLIENT_PLAN_ID,
      agent,
      action,
      source,
      reason: `the planner did not answer in time; ${reason}`,
      attempts: [],
      coalesced: false,
      latencyMs,
      latenessMs: Math.max(0, latencyMs - (timeoutMs ?? latencyMs)),
    };
  };
}
