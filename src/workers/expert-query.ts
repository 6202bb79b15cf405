import type { Domain, ExpertRole } from '../shared/domain.ts';
import type { ChatCall, ModelClient } from '../shared/model-client/model-client.ts';
import type { ExpertResult, ExpertTask } from '../shared/tasks.ts';
import { isVoteComplete } from '../shared/vote/vote-parser.ts';
import { askForVote } from '../shared/vote-answer.ts';
import { expertMessages } from './prompt.ts';

export interface ExpertQuery {
  readonly domain: Domain;
  readonly role: ExpertRole;
  readonly client: ModelClient;
  readonly task: ExpertTask;
  /** The rendered situation, where the thread has it from another expert of the same plan. */
  readonly shared?: string;
}

/** One expert's question: the prompt, one call, the vote. Failures it understands are values; bugs throw. */
export async function queryExpert(query: ExpertQuery, signal: AbortSignal): Promise<ExpertResult> {
  const { domain, role, client, task, shared } = query;
  const call: ChatCall = {
    model: task.model,
    messages: expertMessages(domain, role, task.situation, shared),
    maxTokens: task.maxTokens,
    temperature: task.temperature,
    timeoutMs: task.timeoutMs,
    isComplete: isVoteComplete,
  };
  return askForVote(client, call, task.situation.actions, signal);
}
