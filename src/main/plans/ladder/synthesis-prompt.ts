import type { Domain } from '../../../shared/domain.ts';
import type { ChatMessage } from '../../../shared/model-client/model-client.ts';
import {
  type AnswerForm,
  oneLine,
  type Preamble,
  renderSituation,
  renderSystem,
  type Situation,
} from '../../../shared/situation.ts';
import type { ExpertVote } from '../panel/tally.ts';

const REASON_CHARS_MAX = 240;

const TASK = [
  'Weigh the opinions against the situation and the values, and choose one action from the list.',
  'Agreement counts, but a good reason counts more. Where the experts are silent, judge yourself.',
].join(' ');

/** The prompt of the synthesizer: first what it shares with the experts, then their answers. Pure. */
export function synthesisMessages(
  domain: Domain,
  situation: Situation,
  votes: readonly ExpertVote[],
  answer: AnswerForm = 'text',
  preamble?: Preamble,
): ChatMessage[] {
  const lines = votes.map(({ role, vote }) => {
    const reason = vote.reason === '' ? '' : ` — ${oneLine(vote.reason, REASON_CHARS_MAX)}`;
    return `- ${role}: ${oneLine(vote.action)}${reason}`;
  });
  const opinions = lines.length > 0 ? lines.join('\n') : 'none in time';
  const text = `${renderSituation(domain, situation, answer)}\n\nEXPERT OPINIONS\n${opinions}\n\nYOUR TASK\n${TASK}`;
  return [
    { role: 'system', content: renderSystem(domain, preamble) },
    { role: 'user', content: text },
  ];
}
