import { describe, expect, test } from 'vitest';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { createPlanner } from '../../../../src/main/service/create-planner.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import { expertMessages } from '../../../../src/workers/prompt.ts';
import { drive } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeModels } from '../../../support/fake-models.ts';

const domain = defineDomain({
  name: 'talking',
  features: { place: { kind: 'category' }, story: { kind: 'text' }, mood: { kind: 'category', optional: true } },
  roles: [
    { name: 'one', prompt: 'Judge.' },
    { name: 'two', prompt: `Weigh ${'this and that, '.repeat(100)}all.` },
  ],
});
const actions = Array.from({ length: 60 }, (_, index) => `go through the door number ${index}`);
const request = {
  agent: 'a',
  observation: { place: 'hall', story: 'word '.repeat(400), mood: 'calm' },
  actions,
  qValues: { [actions[59] as string]: 2 },
};

/** One plan, and the prompt that its first expert was sent. */
async function planned(
  contextLength: number | undefined,
  options: Partial<PlannerOptions<typeof domain>> = {},
  readable = false,
  asked: readonly string[] = ['one'],
): Promise<{ plan: Plan; prompt: string; offered: readonly string[] }> {
  const clock = new FakeClock(1_000);
  const reads = readable
    ? () => ({ kind: 'reads', probabilities: { [actions[59] as string]: 0.9 } }) as const
    : undefined;
  const models = new FakeModels(clock, () => ({ kind: 'answers', action: actions[59] as string }), reads);
  let prompt = '';
  let offered: readonly string[] = [];
  const pool = Object.assign(Object.create(models) as FakeModels, {
    run: (...[task, signal, listeners]: Parameters<FakeModels['run']>) => {
      if (task.role !== 'one') return models.run(task, signal, listeners);
      const [role] = domain.roles as readonly [(typeof domain.roles)[number]];
      offered = task.situation.actions;
      prompt = expertMessages(domain, role, task.situation, undefined, task.preamble)
        .map(({ content }) => content)
        .join('\n');
      return models.run(task, signal, listeners);
    },
    close: () => models.close(),
  });
  const getJson = async (path: string): Promise<unknown> => {
    if (path !== '/props' || contextLength === undefined) throw new Error('404');
    return { total_slots: 2, model_alias: 'e', default_generation_settings: { n_ctx: contextLength } };
  };
  const client = Object.assign(Object.create(models) as FakeModels, {
    getJson,
    chat: (...given: Parameters<FakeModels['chat']>) => models.chat(...given),
    listModels: () => models.listModels(),
    close: () => models.close(),
    read: models.read,
  });
  const planner = await createPlanner(
    {
      domain,
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1' } },
      experts: asked.map((role) => ({ role, model: 'e' })),
      synthesis: { models: [] },
      features: { constrainedAnswers: false },
      answers: readable ? 'read' : 'write',
      ...options,
    },
    { clock, pool, client: () => client },
  );
  const plan = (await drive(clock, planner.plan(request))) as Plan;
  await planner.close();
  return { plan, prompt, offered };
}

describe('a prompt that is too long', () => {
  test('is sent whole where nothing limits it', async () => {
    const { plan, offered } = await planned(undefined);
    expect(offered).toEqual(actions);
    expect(plan.attempts[0]).not.toHaveProperty('trimmed');
  });

  test.each([
    ['the option', undefined, { prompt: { tokensMax: 400 } }],
    ['the context of its model', 600, {}],
  ] as const)(
    'fits %s, offers what is worth most, and the attempt says what was left out',
    async (_, context, options) => {
      const { plan, prompt, offered } = await planned(context, options);
      // Four characters a token, as nothing else is known.
      expect(prompt.length / 4).toBeLessThan(context ?? 400);
      expect(offered.length).toBeGreaterThanOrEqual(4);
      expect(offered).toContain(actions[59]);
      expect(prompt).toContain('ANSWER\n');
      expect(prompt).toContain('- one: Judge.');
      expect(plan.action).toBe(actions[59]);
      expect(plan.attempts[0]?.trimmed).toMatch(/^story cut to \d+ characters; \d+ of 60 actions left out/);
    },
  );

  test('describes only the role that is asked where there is no room for all', async () => {
    const { prompt, plan } = await planned(600, {}, false, ['one', 'two']);
    expect(prompt).toContain('- one: Judge.');
    expect(prompt).not.toContain('- two:');
    expect(plan.action).toBe(actions[59]);
    expect((await planned(2_000, {}, false, ['one', 'two'])).prompt).toContain('- two:');
  });

  test('is read by what it offers: the probabilities of the plan are those of all actions', async () => {
    const { plan, offered } = await planned(undefined, { prompt: { tokensMax: 300 } }, true);
    expect(offered.length).toBeLessThan(26);
    expect(plan).toMatchObject({ action: actions[59], attempts: [{ step: 'read', trimmed: expect.any(String) }] });
    expect(Object.keys(plan.probabilities ?? {})).toHaveLength(26);
    expect(plan.probabilities?.[actions[59] as string]).toBeGreaterThan(0.8);
  });
});
