import { readManner } from '../../src/main/models/forms/read-forms.ts';
import { answerSchema } from '../../src/shared/constrained-answer.ts';
import type { Domain, ExpertRole } from '../../src/shared/domain.ts';
import type { ModelClient } from '../../src/shared/model-client/model-client.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { indexOfBest } from '../../src/shared/reads/reading.ts';
import type { CallReport } from '../../src/shared/tasks.ts';
import { readVote } from '../../src/shared/vote-answer.ts';
import { rounded } from '../figures.ts';
import type { AskedForm, Layout } from './layout.ts';

const TIMEOUT_MS = 120_000;
const TOKENS_MAX = 96;

/** What a model answered to one prompt. */
interface Answer {
  /** Undefined if it named no offered action. */
  readonly action: string | undefined;
  readonly promptTokens: number;
  /** Those that the server had to read. */
  readonly readTokens: number;
}

/** All answers of one layout in one form, in the order of states and roles. */
export interface Answers {
  readonly states: number;
  readonly list: readonly Answer[];
}

export interface Asked {
  readonly client: ModelClient;
  readonly model: string;
  readonly domain: Domain;
  /** A stream of requests of one agent. */
  readonly requests: readonly PlanRequest[];
}

/** Asks all roles about all states, one after the other, so that the server's prefix cache is used as well as it can be. */
export async function answersOf(asked: Asked, layout: Layout, form: AskedForm): Promise<Answers> {
  const list: Answer[] = [];
  for (const request of asked.requests) {
    layout.saw(request);
    for (const role of asked.domain.roles) list.push(await ask(asked, layout, request, role, form));
  }
  return { states: asked.requests.length, list };
}

async function ask(
  { client, model, domain }: Asked,
  layout: Layout,
  request: PlanRequest,
  role: ExpertRole,
  form: AskedForm,
): Promise<Answer> {
  const messages = layout.messages(domain, request, role, form);
  const { actions } = request;
  if (form === 'label') {
    const manner = { ...readManner('unknown'), timeoutMs: TIMEOUT_MS };
    const call = { form: 'logprobs', model, messages, roles: [role.name], actions, ...manner } as const;
    const outcome = await client.read(call);
    if (!outcome.ok) throw outcome.failure;
    const { probabilities } = outcome.readings[0] as (typeof outcome.readings)[0];
    return { action: actions[indexOfBest(probabilities)], ...tokensOf(outcome.report) };
  }
  const schema = answerSchema(actions, { thinks: false });
  const limits = { maxTokens: TOKENS_MAX, temperature: 0, timeoutMs: TIMEOUT_MS, stream: false };
  const outcome = await client.chat({ model, messages, schema, ...limits });
  if (!outcome.ok) throw outcome.failure;
  return { action: chosen(() => readVote(outcome.answer, actions).action), ...tokensOf(outcome.report) };
}

function chosen(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function tokensOf({ promptTokens = 0, cachedTokens = 0 }: CallReport): Pick<Answer, 'promptTokens' | 'readTokens'> {
  return { promptTokens, readTokens: promptTokens - cachedTokens };
}

/** The figures of one layout in one form. */
export function figuresOf({ states, list }: Answers): Record<string, number> {
  const sum = (key: 'promptTokens' | 'readTokens'): number => list.reduce((whole, answer) => whole + answer[key], 0);
  return {
    tokensPerPrompt: rounded(sum('promptTokens') / list.length),
    readTokensPerState: rounded(sum('readTokens') / states),
    legal: rounded(list.filter(({ action }) => action !== undefined).length / list.length),
  };
}

/** Share of the prompts to which two layouts got the same answer. */
export function agreementOf(one: Answers, other: Answers): number {
  const same = one.list.filter(({ action }, index) => action !== undefined && action === other.list[index]?.action);
  return rounded(same.length / one.list.length);
}
