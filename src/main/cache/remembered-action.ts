import type { Decision } from '../../shared/decision.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { ranked } from './tally-change.ts';

/** Returns the request's own string for an action, if the action is legal. */
export function legalAction(request: Pick<PlanRequest, 'actions'>, action: string): string | undefined {
  const index = request.actions.indexOf(action);
  return index < 0 ? undefined : request.actions[index];
}

/** The legal action of a remembered decision: its winner, else the best legal one of its tally. */
export function rememberedAction(request: Pick<PlanRequest, 'actions'>, decision: Decision): string | undefined {
  const winner = legalAction(request, decision.action);
  if (winner !== undefined) return winner;
  for (const entry of ranked(decision.tally)) {
    const action = legalAction(request, entry.action);
    if (action !== undefined) return action;
  }
  return undefined;
}

/** Returns a remembered decision with an action of the request as its winner. */
export function decisionFor(decision: Decision, action: string): Decision {
  return action === decision.action ? decision : { ...decision, action };
}
