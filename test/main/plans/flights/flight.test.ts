import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures, type FeatureName } from '../../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request } from '../../../support/make-planner.ts';

const ROLES = ['one', 'two', 'three', 'four'];
const domain = defineDomain({
  name: 'flights',
  features: { place: { kind: 'category' }, health: { kind: 'number', edges: [], range: [0, 100] } },
  roles: ROLES.map((name) => ({ name, prompt: name })),
});

/** All that a plan does; servers are not asked what they are, so that every call is one of a plan. */
const ON = { ...allFeatures(true), discovery: false, constrainedAnswers: false };

/** What each expert votes for, and when; and the synthesis, as `synthesis`. */
type Votes = Readonly<Record<string, readonly [action: string, afterMs: number] | 'silent' | 'fails'>>;

function behaviour(votes: Votes, role = 'synthesis'): Behaviour {
  const vote = votes[role] ?? 'fails';
  if (vote === 'silent') return { kind: 'times-out' };
  if (vote === 'fails') return { kind: 'errors', code: 'ERR_MODEL_STATUS' };
  return { kind: 'answers', action: vote[0], afterMs: vote[1] };
}

interface Setup extends Partial<PlannerOptions> {
  readonly experts?: PlannerOptions['experts'];
  readonly off?: readonly FeatureName[];
}

let under: CachedPlanner;

/** The default planner, less what is `off`: three experts, the first two asked first, and one synthesizer. */
async function make(votes: Votes, { off = [], ...options }: Setup = {}): Promise<void> {
  under = await makeCachedPlanner(({ role }) => behaviour(votes, role), {
    cache: false,
    options: {
      domain,
      experts: ROLES.slice(0, 3).map((role) => ({ role, model: 'e' })),
      synthesis: { models: ['a'], when: 'onDisagreement' },
      quorum: 'firstAgree',
      features: { ...ON, ...Object.fromEntries(off.map((name) => [name, false])) },
      ...options,
    },
  });
}

afterEach(async () => {
  await under?.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

function plan(more: Parameters<typeof request>[0] = {}, timeoutMs = 1_000): Promise<Plan> {
  return drive(under.clock, under.planner.plan(request(more), { timeoutMs }));
}

function asked(): (string | undefined)[] {
  return under.models.calls.map(({ role }) => role ?? 'synthesis');
}

function cancelled(): (string | undefined)[] {
  return under.models.calls.filter((call) => call.cancelled).map(({ role }) => role ?? 'synthesis');
}

describe('a quorum', () => {
  test('of the first two that agree decides: the third is never asked, nor is the synthesis', async () => {
    await make({ one: ['flee', 10], two: ['flee', 20], three: ['block', 5] });
    const made = await plan();
    expect(made).toMatchObject({ source: 'quorum', action: 'flee', reason: 'one says so', model: 'e', latencyMs: 20 });
    expect(made.attempts.map(({ role, code }) => `${role} ${code}`)).toEqual(['one OK', 'two OK']);
    expect(asked()).toEqual(['one', 'two']);
  });

  test('cancels the third where all were asked at once', async () => {
    await make({ one: ['flee', 10], two: ['flee', 20], three: 'silent' }, { off: ['panelFit'] });
    expect(await plan()).toMatchObject({ source: 'quorum', latencyMs: 20 });
    expect([asked(), cancelled()]).toEqual([['one', 'two', 'three'], ['three']]);
  });

  test('is looked for with a third where two disagree', async () => {
    await make({ one: ['flee', 10], two: ['block', 20], three: ['block', 30] });
    expect(await plan()).toMatchObject({ source: 'quorum', action: 'block', latencyMs: 50 });
    expect(asked()).toEqual(['one', 'two', 'three']);
  });

  test('is looked for with a third where one is silent for long', async () => {
    await make({ one: 'silent', two: ['block', 20], three: ['block', 30] }, { timeoutMs: 10_000 });
    const made = await plan({}, 10_000);
    expect(made).toMatchObject({ source: 'quorum', action: 'block', latencyMs: 2_050 });
    expect([asked(), cancelled()]).toEqual([['one', 'two', 'three'], ['one']]);
  });

  test('of all asks everyone, whoever agrees', async () => {
    await make({ one: ['flee', 10], two: ['flee', 20], three: ['flee', 100] }, { quorum: 'all' });
    expect(await plan()).toMatchObject({ source: 'quorum', latencyMs: 100 });
  });

  test('of one that agrees with experience asks for no more, where its record is good', async () => {
    await make(
      { one: ['flee', 10], two: ['flee', 400], three: ['flee', 400] },
      {
        experts: ROLES.slice(0, 3).map((role) => ({ role, model: 'e', weight: role === 'one' ? 1.2 : 1 })),
      },
    );
    const valued = { qValues: { flee: 1, attack: 0 } };
    expect(await plan(valued)).toMatchObject({ source: 'quorum', action: 'flee', latencyMs: 10 });
    expect(cancelled()).toEqual(['two']);
  });

  test('is not made by experience where votes are not weighted', async () => {
    await make(
      { one: ['flee', 10], two: ['flee', 400] },
      {
        experts: ROLES.slice(0, 2).map((role) => ({ role, model: 'e', weight: role === 'one' ? 1.2 : 1 })),
        off: ['weightedVotes'],
      },
    );
    expect(await plan({ qValues: { flee: 1, attack: 0 } })).toMatchObject({ source: 'quorum', latencyMs: 400 });
  });
});

describe('a synthesis', () => {
  const DISAGREEING = { one: ['flee', 10], two: ['block', 10], three: ['attack', 10] } as const;

  test('is asked where the experts disagree', async () => {
    await make({ ...DISAGREEING, synthesis: ['block', 30] });
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'block', latencyMs: 50 });
    expect(under.models.prompts).toHaveLength(1);
  });

  test('is asked on agreement too where it always is', async () => {
    await make(
      { one: ['flee', 10], two: ['flee', 10], synthesis: ['block', 30] },
      { synthesis: { models: ['a'], when: 'always' } },
    );
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'block' });
  });

  test('is asked where one expert alone has answered', async () => {
    await make({ one: ['flee', 10], synthesis: ['block', 30] });
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'block' });
  });

  test('is cancelled by a late vote that makes an agreement', async () => {
    await make({ one: ['flee', 10], two: ['block', 10], three: ['flee', 640], synthesis: 'silent' });
    const made = await plan();
    expect(made).toMatchObject({ source: 'quorum', action: 'flee', latencyMs: 650 });
    expect([asked(), cancelled()]).toEqual([['one', 'two', 'three', 'synthesis'], ['synthesis']]);
  });

  test('leaves whoever was not asked until then unasked, whatever those say that were', async () => {
    await make({ one: ['flee', 650], two: ['block', 10], three: ['flee', 10], synthesis: ['attack', 200] });
    expect(await plan({ actions: ['block', 'flee', 'attack'] })).toMatchObject({
      source: 'synthesis',
      action: 'attack',
    });
    expect(asked()).toEqual(['one', 'two', 'synthesis']);
  });

  test('is not cancelled by it where it is asked always', async () => {
    await make(
      { one: ['flee', 10], two: ['block', 10], three: ['flee', 640], synthesis: ['block', 300] },
      { synthesis: { models: ['a'], when: 'always' } },
    );
    expect(await plan()).toMatchObject({ action: 'flee', source: 'vote' });
    expect(cancelled()).toEqual([]);
  });

  const HEAVY_LATE = {
    experts: ROLES.slice(0, 2).map((role) => ({ role, model: 'e', weight: role === 'two' ? 1.5 : 1 })),
  };

  test('has no say once a late vote has changed what most speaks for', async () => {
    await make({ one: ['flee', 10], two: ['attack', 650], synthesis: ['flee', 200] }, HEAVY_LATE);
    const made = await plan();
    expect(made).toMatchObject({ source: 'vote', action: 'attack' });
    expect(made.attempts.map(({ step, code }) => `${step} ${code}`)).toEqual([
      'expert OK',
      'expert OK',
      'synthesis OK',
    ]);
  });

  test('has its say where it says what the late vote did, or where that changed nothing', async () => {
    await make({ one: ['flee', 10], two: ['attack', 650], synthesis: ['attack', 200] }, HEAVY_LATE);
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'attack' });
    await under.planner.close();
    await make({ one: ['attack', 650], two: ['flee', 10], synthesis: ['block', 200] }, HEAVY_LATE);
    expect(await plan()).toMatchObject({ source: 'synthesis', action: 'block' });
  });

  test('that fails leaves what the votes say, and so does one that is out of time', async () => {
    for (const synthesis of ['fails', 'silent'] as const) {
      await make({ ...DISAGREEING, synthesis }, { off: ['lateAnswers'] });
      expect(await plan({ qValues: { flee: 2, block: 1, attack: 0 } })).toMatchObject({
        source: 'vote',
        action: 'flee',
      });
      await under.planner.close();
    }
  });
});

describe('a ladder that failed', () => {
  test('leaves a plan without a vote to the expert that is still asked', async () => {
    await make({ one: ['flee', 800], two: 'fails', three: 'fails', synthesis: 'fails' });
    expect(await plan()).toMatchObject({ source: 'vote', action: 'flee', latencyMs: 800 });
    expect(asked()).toContain('synthesis');
    expect(cancelled()).toEqual([]);
  });

  test('leaves it to the ladder below as soon as no expert can vote any more, and at the deadline', async () => {
    await make({ one: 'fails', two: 'fails', three: 'fails', synthesis: 'fails' });
    expect((await plan()).source).toBe('heuristic');
    expect((await plan()).latencyMs).toBeLessThan(50);
    await under.planner.close();
    await make({ one: 'silent', two: 'fails', three: 'fails', synthesis: 'fails' });
    expect(await plan()).toMatchObject({ source: 'heuristic', latencyMs: 985 });
  });

  test('leaves the say to its next model, which was told of votes that came meanwhile', async () => {
    under = await makeCachedPlanner(
      ({ role, model }) => {
        if (model === 'a') return { kind: 'errors', code: 'ERR_MODEL_STATUS', afterMs: 150 };
        if (model === 'b') return { kind: 'answers', action: 'block', afterMs: 50 };
        return { kind: 'answers', action: role === 'one' ? 'flee' : 'attack', afterMs: role === 'one' ? 10 : 650 };
      },
      {
        cache: false,
        options: {
          domain,
          experts: ROLES.slice(0, 2).map((role) => ({ role, model: 'e', weight: role === 'two' ? 1.5 : 1 })),
          synthesis: { models: ['a', 'b'], when: 'onDisagreement' },
          quorum: 'firstAgree',
          features: ON,
          callRetries: 0,
        },
      },
    );
    expect(await plan()).toMatchObject({ source: 'fallback', model: 'b', action: 'block' });
  });
});

describe('a plan that is out of time', () => {
  test('is decided as it would have been a moment before: by the weights of its votes', async () => {
    // The tally alone would be won by the better value.
    for (const off of [[], ['lateAnswers']] as const) {
      await make(
        { one: ['flee', 10], two: ['block', 10], three: 'silent', synthesis: 'silent' },
        { off, experts: ROLES.slice(0, 3).map((role) => ({ role, model: 'e', weight: role === 'two' ? 1.15 : 1 })) },
      );
      expect(await plan({ qValues: { flee: 1, block: 0.9, attack: 0 } })).toMatchObject({
        source: 'vote',
        action: 'block',
      });
      await under.planner.close();
    }
  });

  test('has told its silent server from one that was not needed', async () => {
    await make({ one: ['flee', 10], two: ['flee', 10], three: 'silent' }, { quorum: 'all', off: ['lateAnswers'] });
    await plan();
    expect(under.planner.stats().calls).toMatchObject({ useful: 2, timeouts: 1, cancelled: 0, running: 0 });
  });
});

describe('where plans wait for slots', () => {
  const ONE = {
    endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } },
    off: ['adaptiveSlots'] as const,
  };
  const DISAGREEING = {
    one: ['flee', 50],
    two: ['block', 50],
    three: ['attack', 50],
    synthesis: ['block', 50],
  } as const;
  const wait = (place: string, timeoutMs = 5_000) =>
    under.planner.plan(request({ agent: place, observation: { place, health: 50 } }), { timeoutMs });
  const roles = ({ attempts }: Plan) => attempts.map(({ step, role }) => role ?? step);

  test('two experts are asked, and one where more wait than are at work; no synthesis follows', async () => {
    await make(DISAGREEING, ONE);
    const plans: Promise<Plan>[] = [];
    for (const place of ['free', 'crowded', 'more crowded']) {
      plans.push(wait(place));
      await flush();
    }
    const [free, crowded, more] = (await drive(under.clock, Promise.all(plans))) as [Plan, Plan, Plan];
    expect([roles(free), free.source]).toEqual([['one', 'two', 'three', 'synthesis'], 'synthesis']);
    expect([roles(crowded), crowded.source]).toEqual([['one', 'two'], 'vote']);
    expect([roles(more), more.source]).toEqual([['one'], 'vote']);
  });

  test('everyone is asked all the same where panels are not fitted', async () => {
    await make(DISAGREEING, { ...ONE, off: ['adaptiveSlots', 'panelFit'] });
    const plans: Promise<Plan>[] = [];
    for (const place of ['a', 'b', 'c']) {
      plans.push(wait(place));
      await flush();
    }
    for (const made of await drive(under.clock, Promise.all(plans))) {
      expect([roles(made), made.source]).toEqual([['one', 'two', 'three', 'synthesis'], 'synthesis']);
    }
  });

  test('a plan whose turn would come too late is answered from the ladder at once, and asks nobody', async () => {
    await make({ one: ['flee', 300], two: ['flee', 300], three: ['flee', 300] }, ONE);
    for (let nth = 0; nth < 15; nth++) await plan({ observation: { place: `before ${nth}`, health: 50 } }, 10_000);
    under.models.calls.length = 0;
    const settled: Plan[] = [];
    const plans: Promise<unknown>[] = [];
    for (let nth = 0; nth < 12; nth++) {
      plans.push(wait(`now ${nth}`, 1_500).then((made) => settled.push(made)));
      await flush();
    }
    expect(settled.length).toBeGreaterThanOrEqual(1);
    for (const made of settled) expect(made).toMatchObject({ source: 'heuristic', latencyMs: 0, attempts: [] });
    await drive(under.clock, Promise.all(plans));
    for (const made of settled) expect(made.latenessMs).toBe(0);
    expect(under.models.calls.length).toBeLessThanOrEqual(6);
  });
});

test.each([
  ['a check', { checkShare: 1, askLater: false }],
  ['a state asked about for later', { checkShare: 0, askLater: true }],
])('%s makes room for a plan that could not be in time behind it', async (_, { checkShare, askLater }) => {
  under = await makeCachedPlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 300 }), {
    cache: { similar: false, loopGuard: false, checkShare },
    options: {
      domain,
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } },
      experts: [{ role: 'one', model: 'e' }],
      synthesis: { models: [] },
      features: { ...ON, adaptiveSlots: false, slotHolds: false, askLater },
    },
  });
  // The first call may have had to wait for the model to be loaded, and teaches no times.
  for (const place of ['cave', 'hall', 'mine']) await plan({ observation: { place, health: 50 } });
  const { source } = await plan();
  // A state is asked about later once it has come back.
  if (askLater) await plan();
  expect(source).toBe('cache');
  await flush();
  under.clock.advance(20);
  expect(under.planner.stats().calls.running).toBe(1);
  // One after another they would take 600 ms.
  const live = await plan({ observation: { place: 'wood', health: 50 } }, 500);
  expect(live).toMatchObject({ source: 'vote', action: 'flee' });
  expect(live.latencyMs).toBeLessThan(320);
  expect(under.models.calls.map((call) => call.cancelled)).toEqual([false, false, false, true, false]);
  expect(under.planner.stats().background).toMatchObject(
    askLater ? { later: { asked: 1, voted: 0 } } : { cancelled: 1, failed: 0 },
  );
  expect(under.planner.stats().endpoints).toMatchObject([{ givenUp: 1 }]);
});

test.each([
  // The late call has run for 235 ms of 300 when the plan comes.
  ['needs its slot to be in time', 340, 320, true],
  ['can be in time behind it', 500, 370, false],
])(
  'what goes on late makes room for a plan that %s: given up within %i ms',
  async (_, timeoutMs, latestMs, isGivenUp) => {
    under = await makeCachedPlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 300 }), {
      cache: { similar: false, loopGuard: false },
      options: {
        domain,
        endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } },
        experts: [{ role: 'one', model: 'e' }],
        synthesis: { models: [] },
        features: { ...ON, adaptiveSlots: false, slotHolds: false, askLater: false },
      },
    });
    for (const place of ['cave', 'hall', 'mine']) await plan({ observation: { place, health: 50 } });
    expect((await plan({ observation: { place: 'late', health: 50 } }, 250)).source).toBe('heuristic');
    expect(under.planner.stats().calls.running).toBe(1);
    const live = await plan({ observation: { place: 'wood', health: 50 } }, timeoutMs);
    expect(live).toMatchObject({ source: 'vote', action: 'flee' });
    expect(live.latencyMs).toBeLessThan(latestMs);
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([false, false, false, isGivenUp, false]);
    expect(under.planner.peek(request({ observation: { place: 'late', health: 50 } })) === undefined).toBe(isGivenUp);
  },
);

describe('experts are asked in the order', () => {
  const up = { baseURL: 'http://up/v1' };
  const inTurn = async (experts: PlannerOptions['experts'], script: (model: string) => Behaviour, plans: number) => {
    under = await makeCachedPlanner(({ model }) => script(model), {
      cache: false,
      options: {
        domain,
        endpoints: { up, down: { baseURL: 'http://down/v1' } },
        experts,
        synthesis: { models: [] },
        quorum: 'firstAgree',
        // Records are weights too, and would change from plan to plan.
        features: { ...ON, weightedVotes: false },
        callRetries: 0,
      },
    });
    for (let nth = 0; nth < plans; nth++) {
      await plan({ observation: { place: `place ${nth}`, health: 50 } });
      under.clock.advance(200);
    }
    const { attempts } = await plan();
    return attempts.map(({ role }) => role);
  };
  const flee = (afterMs: number): Behaviour => ({ kind: 'answers', action: 'flee', afterMs });

  test('of their weight', async () => {
    const experts = ROLES.slice(0, 3).map((role, nth) => ({
      role,
      model: 'e',
      endpoint: 'up',
      weight: 0.9 + nth / 10,
    }));
    expect(await inTurn(experts, () => flee(10), 0)).toEqual(['three', 'two']);
  });

  test('of their times once these are known, where they are heard alike', async () => {
    const experts = [
      { role: 'one', model: 'a', endpoint: 'up' },
      { role: 'two', model: 'b', endpoint: 'up' },
      { role: 'three', model: 'e', endpoint: 'up' },
    ];
    const script = (model: string) => flee({ a: 800, b: 10, e: 20 }[model] as number);
    expect(await inTurn(experts, script, 0)).toEqual(['one', 'two']);
    await under.planner.close();
    expect(await inTurn(experts, script, 6)).toEqual(['two', 'three']);
  });

  test('of health: those whose endpoint rests come last', async () => {
    const experts = [
      { role: 'one', model: 'b', endpoint: 'down' },
      { role: 'two', model: 'e', endpoint: 'up' },
      { role: 'three', model: 'e', endpoint: 'up' },
    ];
    const script = (model: string): Behaviour =>
      model === 'b' ? { kind: 'errors', code: 'ERR_MODEL_REFUSED' } : flee(10);
    expect(await inTurn(experts, script, 4)).toEqual(['one', 'two', 'three']);
    await under.planner.close();
    expect(await inTurn(experts, script, 5)).toEqual(['two', 'three']);
  });
});

test('a server that is silent costs a few plans some time and then few any, though its experts are never waited for to the end', async () => {
  for (const [answersFirst, chanceFit] of [
    [0, false],
    [30, false],
    [0, true],
    [30, true],
  ] as const) {
    let plans = 0;
    under = await makeCachedPlanner(
      ({ role }) =>
        role === 'one' && plans >= answersFirst
          ? { kind: 'times-out' }
          : { kind: 'answers', action: 'flee', afterMs: 300 },
      {
        cache: false,
        options: {
          domain,
          endpoints: Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { baseURL: `http://${name}/v1` }])),
          experts: ROLES.slice(0, 3).map((role, nth) => ({ role, model: 'e', endpoint: 'abc'[nth] as string })),
          synthesis: { models: [] },
          quorum: 'firstAgree',
          features: { ...ON, chanceFit },
        },
      },
    );
    const slow: number[] = [];
    for (; plans < answersFirst + 60; plans++) {
      const made = await plan({ observation: { place: `place ${plans}`, health: 50 } }, 10_000);
      expect(made.action).toBe('flee');
      if (made.latencyMs > 310) slow.push(plans);
      under.clock.advance(200);
    }
    // Where chance says how many are asked, an idle server is asked beside the silent one from the start.
    expect(slow.length).toBeGreaterThanOrEqual(chanceFit ? 1 : 5);
    expect(slow.length).toBeLessThanOrEqual(14);
    expect(slow.filter((nth) => nth >= answersFirst + 30).length).toBeLessThanOrEqual(4);
    await under.planner.close();
  }
});

describe('a profile without features', () => {
  const models = { experts: ROLES.map((role) => ({ role, model: 'e' })), synthesis: { models: ['a', 'b'] } };
  const AGREEING = {
    one: ['flee', 10],
    two: ['flee', 10],
    three: ['flee', 10],
    four: ['flee', 10],
    synthesis: ['block', 10],
  } as const;
  const profiled = async (profile: 'unoptimized' | 'november', votes: Votes) => {
    under = await makeCachedPlanner(({ role }) => behaviour(votes, role), {
      options: {
        ...models,
        domain,
        profile,
        cache: false,
        quorum: undefined,
        features: undefined,
        timeoutMs: undefined,
      } as unknown as Partial<PlannerOptions>,
    });
    const made = await drive(under.clock, under.planner.plan(request()));
    return made;
  };

  test.each([
    ['unoptimized', 400],
    ['november', 300],
  ] as const)(
    '%s asks all experts, though they agree, and always a synthesis, %i ms apart, unbounded and not streamed',
    async (profile, staggerMs) => {
      const made = await profiled(profile, AGREEING);
      expect(made).toMatchObject({ source: 'synthesis', action: 'block' });
      expect(asked()).toEqual([...ROLES, 'synthesis']);
      const [first] = under.models.calls;
      expect(under.models.calls.map(({ startedAtMs }) => startedAtMs - (first?.startedAtMs ?? 0))).toEqual(
        [0, 1, 2, 3, 4].map((nth) => nth * staggerMs),
      );
      for (const call of under.models.calls) expect(call).toMatchObject({ maxTokens: 100_000, stream: false });
    },
  );

  test('unoptimized has one synthesizer, november two, then the best vote', async () => {
    const failing = { ...AGREEING, synthesis: 'fails' } as const;
    const steps = (made: Plan) => made.attempts.slice(ROLES.length).map(({ step, model }) => `${step} ${model}`);
    const unoptimized = await profiled('unoptimized', failing);
    expect([steps(unoptimized), unoptimized.source]).toEqual([['synthesis a'], 'vote']);
    await under.planner.close();
    const november = await profiled('november', failing);
    expect([steps(november), november.source]).toEqual([['synthesis a', 'fallback b'], 'vote']);
  });

  test('both wait for a slow expert up to its timeout: 15 s and 20 s', async () => {
    for (const [profile, timeoutMs] of [
      ['unoptimized', 15_000],
      ['november', 20_000],
    ] as const) {
      await profiled(profile, { ...AGREEING, two: 'silent' });
      expect(under.models.calls[1]?.timeoutMs).toBe(timeoutMs);
      expect(asked()).toHaveLength(5);
      await under.planner.close();
    }
  });
});
