import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { synthesisMessages } from '../../src/main/plans/ladder/synthesis-prompt.ts';
import type { ExpertVote } from '../../src/main/plans/panel/tally.ts';
import type { ExpertRole } from '../../src/shared/domain.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { ChatMessage } from '../../src/shared/model-client/model-client.ts';
import { renderSituation, type Situation, situationOf } from '../../src/shared/situation.ts';
import { requireVote } from '../../src/shared/vote/vote-parser.ts';
import { expertMessages } from '../../src/workers/prompt.ts';
import { MAX_TOKENS, MODEL, PROMPT_ACTIONS_MAX, TEMPERATURE } from '../requests.ts';
import type { Contestant } from './contestant.ts';

const PanelState = Annotation.Root({
  situation: Annotation<Situation>(),
  shared: Annotation<string>(),
  votes: Annotation<ExpertVote[]>({ reducer: (held, more) => held.concat(more), default: () => [] }),
  action: Annotation<string>(),
});
type State = typeof PanelState.State;

/** LangGraph.js as its guide on parallel nodes shows it: the roles fan out from START and join in the synthesis. */
export function create(baseURL: string): Contestant {
  const model = new ChatOpenAI({
    model: MODEL,
    temperature: TEMPERATURE,
    maxTokens: MAX_TOKENS,
    apiKey: 'not-needed',
    configuration: { baseURL },
  });
  const ask = async (messages: ChatMessage[]): Promise<string> => {
    const message = await model.invoke(messages as { role: string; content: string }[]);
    return message.content as string;
  };
  const expert = (role: ExpertRole) => async (state: State) => {
    const answer = await ask(expertMessages(skyrim, role, state.situation, state.shared));
    return { votes: [{ role: role.name, model: MODEL, vote: requireVote(answer, state.situation.actions) }] };
  };
  const synthesis = async (state: State) => {
    const answer = await ask(synthesisMessages(skyrim, state.situation, state.votes));
    return { action: requireVote(answer, state.situation.actions).action };
  };
  const [first, second, third, fourth] = skyrim.roles as [ExpertRole, ExpertRole, ExpertRole, ExpertRole];
  const graph = new StateGraph(PanelState)
    .addNode('first', expert(first))
    .addNode('second', expert(second))
    .addNode('third', expert(third))
    .addNode('fourth', expert(fourth))
    .addNode('synthesis', synthesis)
    .addEdge(START, 'first')
    .addEdge(START, 'second')
    .addEdge(START, 'third')
    .addEdge(START, 'fourth')
    .addEdge(['first', 'second', 'third', 'fourth'], 'synthesis')
    .addEdge('synthesis', END)
    .compile();
  return {
    plan: async (request) => {
      const situation = situationOf(request, PROMPT_ACTIONS_MAX);
      const { action } = await graph.invoke({ situation, shared: renderSituation(skyrim, situation) });
      return action;
    },
    close: async () => {},
  };
}
