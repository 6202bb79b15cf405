import { synthesisMessages } from '../../src/main/plans/ladder/synthesis-prompt.ts';
import type { ExpertVote } from '../../src/main/plans/panel/tally.ts';
import type { ExpertRole } from '../../src/shared/domain.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { ChatMessage } from '../../src/shared/model-client/model-client.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { renderSituation, situationOf } from '../../src/shared/situation.ts';
import { requireVote } from '../../src/shared/vote/vote-parser.ts';
import { expertMessages } from '../../src/workers/prompt.ts';
import { MODEL, PROMPT_ACTIONS_MAX } from '../requests.ts';

/** One chat call: the content of its answer. */
export type Ask = (messages: readonly ChatMessage[]) => Promise<string>;

/** The five calls of a plan without a planner: Conclave's own prompts and parser, and nothing around them. */
export async function planByHand(request: PlanRequest, ask: Ask): Promise<string> {
  const situation = situationOf(request, PROMPT_ACTIONS_MAX);
  const shared = renderSituation(skyrim, situation);
  const askExpert = async (role: ExpertRole): Promise<ExpertVote> => {
    const answer = await ask(expertMessages(skyrim, role, situation, shared));
    return { role: role.name, model: MODEL, vote: requireVote(answer, situation.actions) };
  };
  const votes = await Promise.all(skyrim.roles.map(askExpert));
  const answer = await ask(synthesisMessages(skyrim, situation, votes));
  return requireVote(answer, situation.actions).action;
}
