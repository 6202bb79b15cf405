import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures } from '../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { CHOICE_REASON } from '../../../src/main/plans/ladder/best-in-hand.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import { drive, flush } from '../../support/drive.ts';
import type { Behaviour } from '../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../support/make-cached-planner.ts';
import { request } from '../../support/make-planner.ts';

const FEATURES = { ...allFeatures(true), discovery: false, constrainedAnswers: false };

/** How each expert behaves, and the synthesis as `synthesis`. */
type Script = Readonly<Record<string, Behaviour>>;

let under: CachedPlanner;

/** Two experts, both asked at once, and one synthesizer. */
async function make(script: Script, options: Partial<PlannerOptions> = {}): Promise<void> {
  under = await makeCachedPlanner(
    ({ role }) => script[role ?? 'synthesis'] ?? { kind: 'errors', code: 'ERR_MODEL_STATUS' },
    {
      options: {
        experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
        synthesis: { models: ['a'], when: 'onDisagreement' },
        quorum: 'firstAgree',
        features: FEATURES,
        ...options,
      },
    },
  );
}

afterEach(async () => {
  await under?.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

function plan(timeoutMs = 1_000): Promise<Plan> {
  return drive(under.clock, under.planner.plan(request(), { timeoutMs }));
}

/** An answer whose choice stands after 10 ms and whose reason never comes. */
function slow(action: string, atMs = 10): Behaviour {
  return { kind: 'times-out', chooses: [[action, atMs]] };
}

function told({ attempts }: Plan): string[] {
  return attempts.map(({ step, code, action }) => `${step} ${code} ${action}`);
}

const earlyChoices = (): number => under.planner.stats().calls.earlyChoices;

describe('choices that agree', () => {
  // A plan of a second settles after 985 ms at the latest.
  test('are a quorum a tenth of the time after the second, with no reason and no synthesis', async () => {
    await make({ one: slow('flee', 10), two: slow('flee', 30) });
    const made = await plan();
    expect(made).toMatchObject({ source: 'quorum', action: 'flee', reason: CHOICE_REASON, model: 'e', latencyMs: 129 });
    expect(told(made)).toEqual(['expert ERR_PLAN_SETTLED flee', 'expert ERR_PLAN_SETTLED flee']);
    expect(made.attempts.map(({ latencyMs }) => latencyMs)).toEqual([129, 129]);
    expect(earlyChoices()).toBe(2);
  });

  test('are a quorum as soon as one reason has come, which is that of the plan', async () => {
    await make({ one: slow('flee'), two: { kind: 'answers', action: 'flee', afterMs: 40 } });
    expect(await plan()).toMatchObject({ source: 'quorum', reason: 'two says so', latencyMs: 40 });
    expect(earlyChoices()).toBe(1);
  });

  test('are a quorum at the deadline, where it comes before that tenth is over', async () => {
    await make({ one: slow('flee', 900), two: slow('flee', 950) }, { synthesis: { models: [] } });
    const made = await plan();
    expect(made).toMatchObject({ source: 'quorum', action: 'flee', reason: CHOICE_REASON, latencyMs: 985 });
    expect(earlyChoices()).toBe(2);
  });

  test('are remembered as any quorum', async () => {
    await make({ one: slow('flee'), two: slow('flee') });
    await plan();
    expect(under.planner.peek(request())).toMatchObject({ source: 'quorum', tally: [{ action: 'flee', count: 2 }] });
    expect(await plan()).toMatchObject({ source: 'cache', action: 'flee' });
  });

  test('are remembered when the deadline cuts them off, since others wait for their slots, and counted once', async () => {
    await make(
      { one: slow('flee', 900), two: slow('flee', 950) },
      {
        synthesis: { models: [] },
        endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 2 } },
        features: { ...FEATURES, adaptiveSlots: false },
      },
    );
    const first = under.planner.plan(request(), { timeoutMs: 1_000 });
    const other = request({ agent: 'other', observation: { place: 'town', health: 50 } });
    await flush();
    const waiting = under.planner.plan(other, { timeoutMs: 1_500 });
    const made = await drive(under.clock, first);
    expect(made).toMatchObject({ source: 'quorum', latencyMs: 985 });
    await drive(under.clock, waiting);
    expect(under.planner.peek(request())).toMatchObject({ source: 'quorum', action: 'flee' });
    expect(earlyChoices()).toBe(2);
  });

  test('end a synthesis that runs', async () => {
    await make({ one: slow('flee', 10), two: slow('flee', 700), synthesis: { kind: 'times-out' } });
    const made = await plan();
    expect(made).toMatchObject({ source: 'quorum', action: 'flee', latencyMs: 799 });
    expect(told(made).at(-1)).toMatch(/^synthesis /);
  });

  test('end it at once where one of them has its reason', async () => {
    const answers: Behaviour = { kind: 'answers', action: 'flee', afterMs: 10 };
    await make({ one: answers, two: slow('flee', 700), synthesis: { kind: 'times-out' } });
    expect(await plan()).toMatchObject({ source: 'quorum', action: 'flee', reason: 'one says so', latencyMs: 700 });
  });

  test('count for nothing where the feature is off', async () => {
    await make({ one: slow('flee'), two: slow('flee') }, { features: { ...FEATURES, earlyChoices: false } });
    const made = await plan();
    expect(made).toMatchObject({ source: 'heuristic' });
    expect(told(made)[0]).toBe('expert ERR_PLAN_SETTLED undefined');
    expect(earlyChoices()).toBe(0);
  });
});

describe('a choice', () => {
  test('alone is a vote at the deadline, not the last rung', async () => {
    await make({ one: slow('flee'), two: { kind: 'times-out' } }, { synthesis: { models: [] } });
    expect(await plan()).toMatchObject({ source: 'vote', action: 'flee', reason: CHOICE_REASON });
    expect(earlyChoices()).toBe(1);
  });

  test('that is withdrawn does not count, nor does its attempt name it', async () => {
    await make(
      {
        one: slow('flee'),
        two: {
          kind: 'times-out',
          chooses: [
            ['flee', 10],
            [undefined, 50],
          ],
        },
      },
      { synthesis: { models: [] } },
    );
    const made = await plan();
    expect(made).toMatchObject({ source: 'vote', action: 'flee' });
    expect(told(made)).toEqual(['expert ERR_PLAN_SETTLED flee', 'expert ERR_PLAN_SETTLED undefined']);
  });

  test('that its whole answer contradicts does not count', async () => {
    await make({
      one: slow('flee'),
      two: { kind: 'answers', action: 'block', afterMs: 60, chooses: [['flee', 10]] },
      synthesis: { kind: 'answers', action: 'attack', afterMs: 10 },
    });
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'attack' });
  });

  test('that a cut leaves behind counts, and its attempt says both', async () => {
    await make({
      one: { kind: 'errors', code: 'ERR_MODEL_RESET', afterMs: 20, chooses: [['flee', 10]] },
      two: { kind: 'errors', code: 'ERR_MODEL_RESET', afterMs: 20, chooses: [['flee', 10]] },
    });
    const made = await plan();
    expect(made).toMatchObject({ source: 'quorum', action: 'flee', latencyMs: 20 });
    expect(told(made)).toEqual(['expert ERR_MODEL_RESET flee', 'expert ERR_MODEL_RESET flee']);
  });

  test('of an answer that turns out to be no vote does not count', async () => {
    const none: Behaviour = { kind: 'errors', code: 'ERR_VOTE_AMBIGUOUS', afterMs: 20, chooses: [['flee', 10]] };
    await make({ one: none, two: none }, { synthesis: { models: [] } });
    const made = await plan();
    expect(made).toMatchObject({ source: 'heuristic' });
    expect(told(made)).toEqual(['expert ERR_VOTE_AMBIGUOUS undefined', 'expert ERR_VOTE_AMBIGUOUS undefined']);
  });
});

describe('the choice of a synthesis', () => {
  const DISAGREE = {
    one: { kind: 'answers', action: 'flee', afterMs: 10 },
    two: { kind: 'answers', action: 'block', afterMs: 10 },
  } as const;

  test('is enough at the deadline', async () => {
    await make({ ...DISAGREE, synthesis: slow('attack', 200) });
    const made = await plan();
    expect(made).toMatchObject({ source: 'synthesis', action: 'attack', model: 'a', reason: CHOICE_REASON });
    expect(told(made).at(-1)).toBe('synthesis ERR_PLAN_SETTLED attack');
    expect(earlyChoices()).toBe(1);
  });

  test('is enough where it was cut and no other one can be asked', async () => {
    const cut: Behaviour = { kind: 'errors', code: 'ERR_MODEL_RESET', afterMs: 250, chooses: [['attack', 200]] };
    await make({ ...DISAGREE, synthesis: cut });
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'attack', latencyMs: 260 });
  });

  test('is not, where it was contradicted: then a vote has to do', async () => {
    await make({
      ...DISAGREE,
      synthesis: {
        kind: 'times-out',
        chooses: [
          ['attack', 200],
          ['block', 250],
        ],
      },
    });
    expect(await plan()).toMatchObject({ source: 'vote', action: 'block' });
  });

  test('is not, where its whole answer was no vote', async () => {
    const none: Behaviour = { kind: 'errors', code: 'ERR_VOTE_NONE', afterMs: 250, chooses: [['attack', 200]] };
    await make({ ...DISAGREE, synthesis: none });
    expect(await plan()).toMatchObject({ source: 'vote', action: 'block' });
  });

  test('is not, once a late vote has changed what most speaks for', async () => {
    const experts = ['one', 'two'].map((role) => ({ role, model: 'e', weight: role === 'two' ? 1.5 : 1 }));
    const late: Behaviour = { kind: 'answers', action: 'attack', afterMs: 700 };
    await make({ one: DISAGREE.one, two: late, synthesis: slow('flee', 200) }, { experts });
    expect(await plan()).toMatchObject({ source: 'vote', action: 'attack' });
  });
});
