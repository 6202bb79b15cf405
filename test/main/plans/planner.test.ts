import { afterEach, describe, expect, test } from 'vitest';
import type { PlannerError } from '../../../src/shared/errors.ts';
import { drive, flush } from '../../support/drive.ts';
import type { Behaviour } from '../../support/fake-models.ts';
import { makePlanner, type PlannerUnderTest, request } from '../../support/make-planner.ts';

const decided = ({ model }: { model: string }): Behaviour =>
  model === 'a' ? { kind: 'answers', action: 'block', afterMs: 40 } : { kind: 'answers', action: 'flee', afterMs: 10 };
const silent = (): Behaviour => ({ kind: 'times-out' });
const stuck = (): Behaviour => ({ kind: 'stuck' });

let under: PlannerUnderTest;

afterEach(async () => {
  await under.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return (error as PlannerError).code;
  }
}

describe('legal', () => {
  test('the action is the string of the request, also for another order and from the cache', async () => {
    under = await makePlanner(decided);
    const first = await drive(under.clock, under.planner.plan(request()));
    const second = await drive(under.clock, under.planner.plan(request({ actions: ['flee', 'block', 'attack'] })));
    expect([first.source, second.source]).toEqual(['synthesis', 'cache']);
    expect([first.action, second.action]).toEqual(['block', 'block']);
  });

  test('of 31,000 actions models are shown a few, and what they choose is one of the request', async () => {
    const actions = Array.from({ length: 31_000 }, (_, i) => `take item ${i}`);
    under = await makePlanner(({ model }) =>
      model === 'e' ? { kind: 'answers', action: 'take item 30999' } : { kind: 'empty' },
    );
    const asked = request({ actions, qValues: { 'take item 30999': 5 } });
    const plan = await drive(under.clock, under.planner.plan(asked));
    expect(plan).toMatchObject({ action: 'take item 30999', source: 'vote' });
  });
});

describe('on time', () => {
  test.each([
    ['models time out', silent],
    ['workers are stuck and deaf to cancellation', stuck],
  ])('settles by the deadline when %s', async (_, script) => {
    under = await makePlanner(script);
    const startedAtMs = under.clock.now();
    const plan = await drive(under.clock, under.planner.plan(request(), { timeoutMs: 200 }));
    expect(under.clock.now() - startedAtMs).toBeLessThanOrEqual(200);
    expect(plan).toMatchObject({ source: 'heuristic', action: 'attack', latenessMs: 0 });
  });

  test('a late model costs quality, never time: the votes in hand decide', async () => {
    under = await makePlanner(({ model, role }) =>
      model === 'e' && role === 'one' ? { kind: 'answers', action: 'flee', afterMs: 5 } : { kind: 'stuck' },
    );
    const plan = await drive(under.clock, under.planner.plan(request(), { timeoutMs: 200 }));
    expect(plan).toMatchObject({ source: 'vote', action: 'flee' });
  });

  test('a plan without time for any model answers at once', async () => {
    under = await makePlanner(silent);
    const plan = await under.planner.plan(request({ qValues: { flee: 1 } }), { timeoutMs: 0.5 });
    expect(plan).toMatchObject({ source: 'heuristic', action: 'flee', attempts: [] });
    expect(under.models.calls).toHaveLength(0);
  });

  test('says how late it was when the event loop was blocked', async () => {
    under = await makePlanner(stuck);
    const pending = under.planner.plan(request(), { timeoutMs: 200 });
    await flush();
    under.clock.stall(250);
    expect((await pending).latenessMs).toBe(50);
  });
});

describe('honest', () => {
  test('lists every attempt with its outcome and time', async () => {
    under = await makePlanner(({ model, role }) => {
      if (role === 'one') return { kind: 'answers', action: 'flee', afterMs: 30 };
      if (role === 'two') return { kind: 'errors', code: 'ERR_MODEL_OVERLOADED', afterMs: 12 };
      return model === 'a' ? { kind: 'illegal', afterMs: 7 } : { kind: 'answers', action: 'block', afterMs: 9 };
    });
    const plan = await drive(under.clock, under.planner.plan(request()));
    expect(plan.attempts).toMatchObject([
      { step: 'expert', role: 'one', model: 'e', endpoint: 'fake', code: 'OK', latencyMs: 30, action: 'flee' },
      { step: 'expert', role: 'two', code: 'ERR_MODEL_OVERLOADED', latencyMs: 12 },
      { step: 'synthesis', model: 'a', code: 'ERR_VOTE_ILLEGAL', latencyMs: 7 },
      { step: 'fallback', model: 'b', code: 'OK', latencyMs: 9, action: 'block' },
    ]);
  });

  test('an attempt that outlives its plan is listed as such', async () => {
    under = await makePlanner(stuck);
    const plan = await drive(under.clock, under.planner.plan(request(), { timeoutMs: 100 }));
    expect(plan.attempts.map(({ step, code }) => `${step} ${code}`)).toEqual([
      'expert ERR_PLAN_SETTLED',
      'expert ERR_PLAN_SETTLED',
      'synthesis ERR_PLAN_SETTLED',
    ]);
  });

  test('names the model that answered where it is another one', async () => {
    under = await makePlanner(decided);
    under.models.answersAs = 'other-model';
    const plan = await drive(under.clock, under.planner.plan(request()));
    expect(plan.attempts.map((attempt) => attempt.modelAnswered)).toEqual(Array(3).fill('other-model'));
  });

  test('counts each call once, by how it ended', async () => {
    under = await makePlanner(({ model, role }) => {
      if (role === 'two') return { kind: 'times-out' };
      return model === 'a' ? { kind: 'empty' } : { kind: 'answers', action: 'block' };
    });
    await drive(under.clock, under.planner.plan(request()));
    const { calls, fallbacks } = under.planner.stats();
    expect(calls).toMatchObject({ made: 4, useful: 2, timeouts: 1, failed: 1, cancelled: 0, running: 0 });
    expect(fallbacks).toBe(1);
  });
});

describe('fresh', () => {
  test('serves a decision until its expiry, and after it only as stale', async () => {
    let down = false;
    under = await makePlanner((call) => (down ? { kind: 'empty' } : decided(call)), { cache: { ttlMs: 1_000 } });
    await drive(under.clock, under.planner.plan(request()));
    down = true;
    under.clock.advance(999);
    expect((await under.planner.plan(request())).source).toBe('cache');
    under.clock.advance(1);
    // Another agent: this one has tried it twice.
    const plan = await drive(under.clock, under.planner.plan(request({ agent: 'other' })));
    expect(plan).toMatchObject({ source: 'stale', action: 'block' });
    expect(plan.ageMs).toBeGreaterThanOrEqual(1_000);
  });

  test('serves nothing stale that its agent has tried twice without effect', async () => {
    let down = false;
    under = await makePlanner((call) => (down ? { kind: 'empty' } : decided(call)), { cache: { ttlMs: 1_000 } });
    await drive(under.clock, under.planner.plan(request()));
    down = true;
    await under.planner.plan(request());
    under.clock.advance(1_000);
    const plan = await drive(under.clock, under.planner.plan(request({ qValues: { flee: 1 } })));
    expect(plan).toMatchObject({ source: 'heuristic', action: 'flee' });
  });

  test('does not remember what the heuristic chose', async () => {
    under = await makePlanner(() => ({ kind: 'empty' }));
    await drive(under.clock, under.planner.plan(request()));
    expect(under.planner.peek(request())).toBeUndefined();
    expect((await drive(under.clock, under.planner.plan(request()))).source).toBe('heuristic');
  });

  test.each(['synthesis', 'fallback', 'vote'])('remembers what the rung %s decided', async (rung) => {
    under = await makePlanner(({ model }) => {
      if (model === 'e') return { kind: 'answers', action: 'flee' };
      const answers = (rung === 'synthesis' && model === 'a') || (rung === 'fallback' && model === 'b');
      return answers ? { kind: 'answers', action: 'block' } : { kind: 'empty' };
    });
    const plan = await drive(under.clock, under.planner.plan(request()));
    expect(plan.source).toBe(rung);
    expect(under.planner.peek(request())).toMatchObject({ action: plan.action, source: rung });
    expect(await under.planner.plan(request())).toMatchObject({ source: 'cache', action: plan.action, attempts: [] });
  });
});

describe('frugal', () => {
  test('equal work in flight is done once', async () => {
    under = await makePlanner(decided);
    const plans = [1, 2, 3].map((i) => under.planner.plan(request({ agent: `agent ${i}` })));
    const settled = await drive(under.clock, Promise.all(plans));
    expect(settled.map((plan) => [plan.action, plan.source, plan.coalesced])).toEqual([
      ['block', 'synthesis', false],
      ['block', 'synthesis', true],
      ['block', 'synthesis', true],
    ]);
    expect(under.models.calls).toHaveLength(3);
  });

  test('with single flight off, each plan has its own work', async () => {
    under = await makePlanner(decided, { singleFlight: false });
    await drive(under.clock, Promise.all([under.planner.plan(request()), under.planner.plan(request())]));
    expect(under.models.calls).toHaveLength(6);
  });

  test('each of those who share a flight falls back on its own values', async () => {
    under = await makePlanner(() => ({ kind: 'empty' }));
    const plans = [{ attack: 1 }, { flee: 1 }].map((qValues) => under.planner.plan(request({ qValues })));
    const settled = await drive(under.clock, Promise.all(plans));
    expect(settled.map((plan) => plan.action)).toEqual(['attack', 'flee']);
  });

  test('who joins with less time leaves at its own deadline, and the others get the decision', async () => {
    under = await makePlanner(decided);
    const patient = under.planner.plan(request());
    const hasty = under.planner.plan(request({ qValues: { attack: 1 } }), { timeoutMs: 20 });
    const settled = await drive(under.clock, Promise.all([patient, hasty]));
    expect(settled.map((plan) => plan.source)).toEqual(['synthesis', 'vote']);
    expect(settled[1]?.latencyMs).toBeLessThanOrEqual(20);
  });

  test('the work is cancelled when the last of its waiters leaves, and not before', async () => {
    under = await makePlanner(stuck);
    const one = new AbortController();
    const two = new AbortController();
    const first = codeOf(under.planner.plan(request(), { signal: one.signal }));
    const second = codeOf(under.planner.plan(request(), { signal: two.signal }));
    await flush();
    one.abort();
    expect(await first).toBe('ERR_PLAN_CANCELLED');
    await flush();
    expect(under.models.calls.map((call) => call.cancelled)).toEqual([false, false]);
    two.abort();
    expect(await second).toBe('ERR_PLAN_CANCELLED');
    await flush();
    expect(under.models.calls.map((call) => call.cancelled)).toEqual([true, true]);
  });

  test('a request in the same state begins anew after its flight was cancelled', async () => {
    under = await makePlanner(({ model, nth }) =>
      nth === 0 && model === 'e' ? { kind: 'stuck' } : decided({ model }),
    );
    const controller = new AbortController();
    const left = codeOf(under.planner.plan(request(), { signal: controller.signal }));
    await flush();
    controller.abort();
    await left;
    expect((await drive(under.clock, under.planner.plan(request()))).source).toBe('synthesis');
  });

  test('votes given before the deadline are remembered', async () => {
    under = await makePlanner(({ model }) =>
      model === 'e' ? { kind: 'answers', action: 'flee' } : { kind: 'times-out' },
    );
    expect((await drive(under.clock, under.planner.plan(request()))).source).toBe('vote');
    await flush();
    expect(under.planner.peek(request())).toMatchObject({ action: 'flee', source: 'vote' });
  });
});

describe('plans that share a flight with others', () => {
  test('a flight that ends late does not take the place of the one that followed it', async () => {
    // The first plan's time is up; the agent asks again at once; then the first flight ends; then another one asks.
    under = await makePlanner(({ role, nth }) =>
      role !== undefined && nth === 0 ? { kind: 'stuck' } : { kind: 'answers', action: 'flee', afterMs: 500 },
    );
    await drive(under.clock, under.planner.plan(request(), { timeoutMs: 100 }));
    const second = under.planner.plan(request());
    await flush();
    const third = under.planner.plan(request());
    const plans = await drive(under.clock, Promise.all([second, third]));
    expect(plans.map((plan) => plan.coalesced)).toEqual([false, true]);
  });

  test('who joined a shorter plan and can wait longer gets an answer of models, not its failure', async () => {
    under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 100 }));
    const hasty = under.planner.plan(request(), { timeoutMs: 60 });
    await flush();
    const patient = under.planner.plan(request(), { timeoutMs: 5_000 });
    const plans = await drive(under.clock, Promise.all([hasty, patient]));
    expect(plans.map((plan) => plan.source)).toEqual(['heuristic', 'synthesis']);
    expect(plans[1]?.attempts.length).toBeGreaterThan(3);
    expect(plans[1]?.latencyMs).toBeLessThan(500);
  });

  // Found by the simulation, seed 2: the votes of the flight that was too short were forgotten.
  test('who went on in a second flight that hears nothing gets what was voted in the first one', async () => {
    under = await makePlanner(({ role, nth }) =>
      role === 'one' && nth === 0 ? { kind: 'answers', action: 'flee', afterMs: 20 } : { kind: 'times-out' },
    );
    const hasty = under.planner.plan(request(), { timeoutMs: 60 });
    await flush();
    const patient = under.planner.plan(request(), { timeoutMs: 1_000 });
    const plans = await drive(under.clock, Promise.all([hasty, patient]));
    expect(plans.map(({ source, action }) => [source, action])).toEqual([
      ['vote', 'flee'],
      ['vote', 'flee'],
    ]);
  });

  test('what was voted until the caller left is not remembered', async () => {
    under = await makePlanner(({ role }) =>
      role === 'one' ? { kind: 'answers', action: 'flee', afterMs: 5 } : { kind: 'stuck' },
    );
    const controller = new AbortController();
    const left = codeOf(under.planner.plan(request(), { signal: controller.signal }));
    await flush();
    under.clock.advance(20);
    await flush();
    controller.abort();
    expect(await left).toBe('ERR_PLAN_CANCELLED');
    await flush();
    expect(under.planner.peek(request())).toBeUndefined();
  });

  test('a host may reuse its lists while the plan runs', async () => {
    under = await makePlanner(decided);
    const actions = ['attack', 'block', 'flee'];
    const pending = under.planner.plan(request({ actions }));
    actions.splice(0, 3, 'dance');
    expect(await drive(under.clock, pending)).toMatchObject({ action: 'block', source: 'synthesis' });
  });
});

describe('bounded', () => {
  test('refuses the plan beyond maxInFlight with a code, and takes the next one after', async () => {
    under = await makePlanner(stuck, { maxInFlight: 2, singleFlight: false });
    const pending = [
      under.planner.plan(request(), { timeoutMs: 100 }),
      under.planner.plan(request(), { timeoutMs: 100 }),
    ];
    expect(await codeOf(under.planner.plan(request()))).toBe('ERR_PLANNER_OVERLOADED');
    await drive(under.clock, Promise.all(pending));
    const later = under.planner.plan(request(), { timeoutMs: 100 });
    expect((await drive(under.clock, later)).source).toBe('heuristic');
    expect(under.planner.stats().plans).toMatchObject({ settled: 3, refused: 1, inFlight: 0 });
  });

  test('an endpoint runs as many calls at once as it has slots', async () => {
    under = await makePlanner(({ model }) => ({ kind: 'answers', action: 'flee', afterMs: model === 'e' ? 50 : 1 }), {
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } },
    });
    const startedAtMs = under.clock.now();
    await drive(under.clock, under.planner.plan(request()));
    expect(under.models.calls.map((call) => call.startedAtMs - startedAtMs)).toEqual([0, 50, 100]);
  });

  test('calls of one endpoint are staggered when asked', async () => {
    under = await makePlanner(decided, { endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', staggerMs: 40 } } });
    const startedAtMs = under.clock.now();
    await drive(under.clock, under.planner.plan(request()));
    expect(under.models.calls.map((call) => call.startedAtMs - startedAtMs)).toEqual([0, 40, 80]);
  });
});

describe('sturdy', () => {
  const flaky =
    (code: 'ERR_MODEL_RESET' | 'ERR_WORKER_EXITED' | 'ERR_MODEL_STATUS', retryable: boolean) =>
    ({ model, nth }: { model: string; nth: number }): Behaviour =>
      model === 'e' && nth === 0 ? { kind: 'errors', code, retryable } : decided({ model });

  test.each(['ERR_MODEL_RESET', 'ERR_WORKER_EXITED'] as const)('makes a call again that ended in %s', async (code) => {
    under = await makePlanner(flaky(code, true));
    const plan = await drive(under.clock, under.planner.plan(request()));
    expect(plan.attempts.filter((attempt) => attempt.step === 'expert').map((attempt) => attempt.code)).toEqual([
      code,
      code,
      'OK',
      'OK',
    ]);
    expect(under.planner.stats().calls.retries).toBe(2);
  });

  test('makes a call again once only', async () => {
    under = await makePlanner(({ model }) =>
      model === 'e' ? { kind: 'errors', code: 'ERR_WORKER_EXITED', retryable: true } : decided({ model }),
    );
    await drive(under.clock, under.planner.plan(request()));
    expect(under.models.callsOf('e')).toHaveLength(4);
  });

  test('does not make a call again that the server refused', async () => {
    under = await makePlanner(flaky('ERR_MODEL_STATUS', false));
    await drive(under.clock, under.planner.plan(request()));
    expect(under.models.callsOf('e')).toHaveLength(2);
  });

  test('a listener that throws has no say in the plan', async () => {
    under = await makePlanner(decided);
    const warnings: string[] = [];
    under.planner.on('warning', (message) => warnings.push(message));
    under.planner.on('plan', () => {
      throw new Error('broken listener');
    });
    expect((await drive(under.clock, under.planner.plan(request()))).source).toBe('synthesis');
    expect(warnings).toEqual(['a listener of "plan" threw: broken listener']);
  });

  test('a bad request fails alone', async () => {
    under = await makePlanner(decided);
    const good = under.planner.plan(request());
    expect(await codeOf(under.planner.plan(request({ actions: [] })))).toBe('ERR_REQUEST_INVALID');
    expect(await codeOf(under.planner.plan(request(), { timeoutMs: Number.NaN }))).toBe('ERR_REQUEST_INVALID');
    expect(await codeOf(under.planner.plan(request(), { timeoutMs: -1 }))).toBe('ERR_REQUEST_INVALID');
    expect((await drive(under.clock, good)).source).toBe('synthesis');
    expect(under.planner.stats().plans).toMatchObject({ settled: 1, invalid: 3 });
  });
});

describe('close', () => {
  test('refuses a plan that a listener asks for while the last ones settle', async () => {
    under = await makePlanner(silent);
    let asked: Promise<string> | undefined;
    under.planner.on('plan', () => {
      asked = codeOf(under.planner.plan(request()));
    });
    const pending = under.planner.plan(request());
    await flush();
    await under.planner.close();
    await pending;
    expect(await asked).toBe('ERR_PLANNER_CLOSED');
  });

  test('settles what is in flight with the best answer in hand, then refuses', async () => {
    under = await makePlanner(({ model }) =>
      model === 'e' ? { kind: 'answers', action: 'flee' } : { kind: 'times-out' },
    );
    const pending = under.planner.plan(request());
    await flush();
    under.clock.advance(10);
    await flush();
    await under.planner.close();
    expect(await pending).toMatchObject({ source: 'vote', action: 'flee' });
    expect(await codeOf(under.planner.plan(request()))).toBe('ERR_PLANNER_CLOSED');
    expect(under.models.closed).toBe(true);
  });

  test('a signal that is aborted before the call ends the plan before any work', async () => {
    under = await makePlanner(decided);
    expect(await codeOf(under.planner.plan(request(), { signal: AbortSignal.abort() }))).toBe('ERR_PLAN_CANCELLED');
    expect(under.models.calls).toHaveLength(0);
  });
});
