import { answerSchema } from '../shared/constrained-answer.ts';
import type { Domain, ExpertRole } from '../shared/domain.ts';
import type { ChatCall } from '../shared/model-client/model-client.ts';
import { renderSituation } from '../shared/situation.ts';
import type { ExpertResult, ExpertTask } from '../shared/tasks.ts';
import { isVoteComplete } from '../shared/vote/vote-parser.ts';
import { askForVote, type ChatCaller } from '../shared/vote-answer.ts';
import { expertMessages } from './prompt.ts';

export interface ExpertQuery {
  readonly domain: Domain;
  readonly role: ExpertRole;
  readonly client: ChatCaller;
  readonly task: ExpertTask;
  /** The rendered situation, where the thread has it from another expert of the same plan. */
  readonly shared?: string;
  readonly onFirstToken?: () => void;
}

/** One expert's question: the prompt, one call, the vote. Failures it understands are values; bugs throw. */
export async function queryExpert(query: ExpertQuery, signal: AbortSignal): Promise<ExpertResult> {
  const { domain, role, client, task, shared, onFirstToken } = query;
  const { situation, answer, thinks, slot, phases } = task;
  const call: ChatCall = {
    model: task.model,
    messages: expertMessages(domain, role, situation, shared ?? renderSituation(domain, situation, answer, thinks)),
    maxTokens: task.maxTokens,
    temperature: task.temperature,
    timeoutMs: task.timeoutMs,
    isComplete: isVoteComplete,
    stream: task.stream,
    ...(answer === 'json' ? { schema: answerSchema(situation.actions, { thinks }) } : {}),
    ...(slot === undefined ? {} : { slot }),
    ...(phases === undefined ? {} : { phases }),
    ...(onFirstToken === undefined ? {} : { onFirstToken }),
  };
  return askForVote(client, call, situation.actions, signal);
}
