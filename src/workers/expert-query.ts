import { defined } from '../shared/defined.ts';
import type { Domain, ExpertRole } from '../shared/domain.ts';
import type { CallPhase } from '../shared/model-client/failures.ts';
import { renderSituation } from '../shared/situation.ts';
import type { ExpertResult, ExpertTask } from '../shared/tasks.ts';
import { askForVote, type ChatCaller, type OnChoice, voteCall } from '../shared/vote-answer.ts';
import { expertMessages } from './prompt.ts';

export interface ExpertQuery {
  readonly domain: Domain;
  readonly role: ExpertRole;
  readonly client: ChatCaller;
  readonly task: ExpertTask;
  /** The rendered situation, if another expert of the same plan has rendered it on this thread. */
  readonly shared?: string;
  readonly onFirstToken?: (() => void) | undefined;
  readonly onChoice?: OnChoice | undefined;
  readonly onPhase?: ((phase: CallPhase) => void) | undefined;
}

/** Asks one expert: the prompt, one call, the vote. Known failures are returned as values; bugs throw. */
export async function queryExpert(query: ExpertQuery, signal: AbortSignal): Promise<ExpertResult> {
  const { domain, role, client, task, shared, onFirstToken, onChoice, onPhase } = query;
  const { situation, answer, preamble } = task;
  const { actions } = situation;
  const rendered = shared ?? renderSituation(domain, situation, answer);
  const messages = expertMessages(domain, role, situation, rendered, preamble);
  const asked = voteCall(task, messages, actions, onChoice);
  const call = {
    ...asked,
    ...defined({ onFirstToken, onPhase }),
  };
  return askForVote(client, call, actions, signal);
}
