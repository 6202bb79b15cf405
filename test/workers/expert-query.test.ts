import { describe, expect, test } from 'vitest';
import { answerSchema } from '../../src/shared/constrained-answer.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import { renderSituation, situationOf } from '../../src/shared/situation.ts';
import type { ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import type { ChatCaller } from '../../src/shared/vote-answer.ts';
import { queryExpert } from '../../src/workers/expert-query.ts';

const situation = situationOf(
  { agent: 'lydia', observation: { scene: 'combat', health: 22 }, actions: ['attack', 'block'] },
  64,
);
const TASK: ExpertTask = {
  kind: 'expert',
  planId: 1,
  role: 'threat_assessment',
  model: 'm',
  endpoint: 'local',
  situation,
  timeoutMs: 500,
  maxTokens: 64,
  temperature: 0,
  answer: 'text',
  thinks: false,
  stream: true,
  cancel: { slot: 0, generation: 0 },
};

/** Answers every call with one text, and keeps the calls. */
class OneAnswer implements ChatCaller {
  readonly calls: ChatCall[] = [];
  readonly #content: string;

  constructor(content: string) {
    this.#content = content;
  }

  async chat(call: ChatCall): Promise<ChatOutcome> {
    this.calls.push(call);
    const answer = { content: this.#content, reasoning: '', finishReason: 'stop' };
    return { ok: true, answer, report: { totalMs: 1 } };
  }
}

async function ask(more: Partial<ExpertTask>, content: string): Promise<{ call: ChatCall; result: ExpertResult }> {
  const client = new OneAnswer(content);
  const [role] = skyrim.roles;
  if (role === undefined) throw new Error('no role');
  const query = { domain: skyrim, role, client, task: { ...TASK, ...more } };
  const result = await queryExpert(query, new AbortController().signal);
  const [call] = client.calls;
  if (call === undefined) throw new Error('nothing was asked');
  return { call, result };
}

const prompt = (call: ChatCall): string => String(call.messages[1]?.content);

describe('a query for text', () => {
  test('has no schema, and says nothing of whether one was kept', async () => {
    const { call, result } = await ask({ thinks: true }, '2\nIt is safe.');
    expect(Object.keys(call)).not.toContain('schema');
    expect(call.stream).toBe(true);
    expect(prompt(call)).toContain(renderSituation(skyrim, situation));
    expect(result).toEqual({ ok: true, vote: { action: 'block', reason: 'It is safe.' }, report: { totalMs: 1 } });
  });
});

describe('a query for JSON', () => {
  test('has the schema of its actions, the prompt that names it, and the stream of its task', async () => {
    const json = { answer: 'json', thinks: true, stream: false } as const;
    const { call } = await ask(json, '');
    expect(call.schema).toEqual(answerSchema(situation.actions, { thinks: true }));
    expect(call).toMatchObject({ stream: false });
    expect(prompt(call)).toContain(renderSituation(skyrim, situation, 'json'));
  });

  test('ends at the closing brace', async () => {
    const { call } = await ask({ answer: 'json' }, '');
    expect(call.isComplete?.('{"choice":2,"confidence":1,"reason":"x"')).toBe(false);
    expect(call.isComplete?.('{"choice":2,"confidence":1,"reason":"x"}')).toBe(true);
  });

  test.each<readonly [string, boolean | undefined]>([
    ['{"choice":2,"confidence":0.9,"reason":"It is safe."}', true],
    ['2\nIt is safe.', false],
    ['No idea.', false],
  ])('reports whether %s is of the schema, vote or none', async (content, keptSchema) => {
    const { result } = await ask({ answer: 'json' }, content);
    expect(result.report).toEqual({ totalMs: 1, keptSchema });
    expect(result.ok).toBe(content !== 'No idea.');
  });
});
