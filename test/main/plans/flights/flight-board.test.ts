import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures, type FeatureName } from '../../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import type { Plan, PlanOptions } from '../../../../src/main/plans/plan.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import type { PlanRequest } from '../../../../src/shared/plan-request.ts';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour, FakeCall } from '../../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request } from '../../../support/make-planner.ts';

const domain = defineDomain({
  name: 'boards',
  features: { place: { kind: 'category' } },
  roles: ['one', 'two'].map((name) => ({ name, prompt: name })),
  priorities: { combat: 4, shop: 0 },
});

const SERVER = { baseURL: 'http://127.0.0.1:9/v1' };
const ON = {
  ...allFeatures(true),
  discovery: false,
  constrainedAnswers: false,
  adaptiveSlots: false,
  slotHolds: false,
};

interface Setup {
  readonly off?: readonly FeatureName[];
  readonly slots?: number;
  readonly options?: Partial<PlannerOptions>;
}

let under: CachedPlanner;

/** Two experts that disagree, as the script says, and one synthesizer. */
async function make(
  script: (call: Pick<FakeCall, 'role'>) => Behaviour,
  { off = [], slots = 64, options = {} }: Setup = {},
): Promise<void> {
  under = await makeCachedPlanner(script, {
    cache: { similar: false, loopGuard: false },
    options: {
      domain,
      endpoints: { fake: { ...SERVER, maxConcurrent: slots } },
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

function asked(place: string, agent = 'tester'): PlanRequest {
  return request({ agent, observation: { place } });
}

function plan(place: string, options: PlanOptions = {}, agent = 'tester'): Promise<Plan> {
  return under.planner.plan(asked(place, agent), { timeoutMs: 1_000, ...options });
}

async function pass(ms: number): Promise<void> {
  for (let each = 0; each < ms; each++) {
    under.clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const syntheses = () => under.models.callsOf('a');

describe('model work that is late', () => {
  /** The synthesis ends 615 ms after the deadline of its plan. */
  const LATE = ({ role }: { role: string | undefined }): Behaviour =>
    role === undefined
      ? { kind: 'answers', action: 'flee', afterMs: 1_590 }
      : { kind: 'answers', action: role === 'one' ? 'attack' : 'block', afterMs: 10 };

  test('goes on for the sake of the cache: the plan has the best vote, the next one the decision', async () => {
    await make(LATE);
    expect(await drive(under.clock, plan('cave'))).toMatchObject({ source: 'vote', latencyMs: 985 });
    expect(under.planner.peek(asked('cave'))).toBeUndefined();
    await pass(614);
    expect(under.planner.peek(asked('cave'))).toBeUndefined();
    await pass(2);
    expect(under.planner.peek(asked('cave'))).toMatchObject({ action: 'flee', source: 'synthesis' });
    expect(await drive(under.clock, plan('cave'))).toMatchObject({ source: 'cache', action: 'flee' });
    expect(syntheses().map(({ cancelled }) => cancelled)).toEqual([false]);
  });

  test('is not joined: a plan in the same state begins a flight of its own, which has its own time', async () => {
    await make(LATE);
    await drive(under.clock, plan('cave'));
    await pass(300);
    const own = await drive(under.clock, plan('cave'));
    expect(own).toMatchObject({ coalesced: false, source: 'vote', latencyMs: 985 });
    expect(syntheses()).toHaveLength(2);
    // Each plan's own flight can be joined until it is late.
    expect(under.planner.stats().plans.coalesced).toBe(0);
  });

  test('that hangs costs no other plan in the same state its time', async () => {
    let isHung = true;
    await make(({ role }) =>
      role === undefined && isHung
        ? { kind: 'times-out' }
        : { kind: 'answers', action: role === 'one' ? 'attack' : 'flee', afterMs: 10 },
    );
    await drive(under.clock, plan('cave'));
    isHung = false;
    const next = await drive(under.clock, plan('cave', { timeoutMs: 500 }));
    expect(next).toMatchObject({ coalesced: false, source: 'synthesis' });
    expect(next.latencyMs).toBeLessThan(350);
  });

  test('is given up for a plan in the same state too, where that has to wait for its slots', async () => {
    await make(LATE, { slots: 1 });
    await drive(under.clock, plan('cave'));
    const next = plan('cave');
    await flush();
    await pass(1);
    expect(syntheses()[0]?.cancelled).toBe(true);
    expect(await drive(under.clock, next)).toMatchObject({ source: 'vote', coalesced: false });
  });

  test('is that of experts too where there is no synthesis', async () => {
    await make(() => ({ kind: 'answers', action: 'flee', afterMs: 1_590 }), { options: { synthesis: { models: [] } } });
    expect(await drive(under.clock, plan('cave'))).toMatchObject({ source: 'heuristic', latencyMs: 985 });
    await pass(604);
    expect(under.planner.peek(asked('cave'))).toBeUndefined();
    await pass(2);
    expect(under.planner.peek(asked('cave'))).toMatchObject({ action: 'flee', source: 'quorum' });
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([false, false]);
  });

  test('is cancelled as soon as somebody has to wait for a slot who needs it', async () => {
    await make(LATE, { slots: 1 });
    await drive(under.clock, plan('cave'));
    await pass(100);
    expect(syntheses()[0]?.cancelled).toBe(false);
    const other = plan('wood', {}, 'other');
    await flush();
    await pass(1);
    expect(syntheses()[0]?.cancelled).toBe(true);
    await pass(12);
    expect(under.models.callsOf('e').length).toBeGreaterThan(2);
    await drive(under.clock, other);
    expect(under.planner.peek(asked('cave'))).toMatchObject({ source: 'vote' });
    expect(under.planner.stats().endpoints).toMatchObject([{ givenUp: 1 }]);
    expect(under.planner.stats().calls).toMatchObject({ cancelled: 1 });
  });

  test('is begun by nobody: while others wait at the deadline it ends there', async () => {
    await make(LATE, { slots: 1 });
    const first = plan('cave', { timeoutMs: 500 });
    await pass(400);
    void plan('wood', { timeoutMs: 1_000 }, 'other');
    await drive(under.clock, first);
    await flush();
    expect(syntheses()[0]?.cancelled).toBe(true);
  });

  test('goes on beside somebody who can be in time behind it, and is remembered', async () => {
    await make(() => ({ kind: 'answers', action: 'flee', afterMs: 300 }), {
      slots: 1,
      options: { synthesis: { models: [] }, experts: [{ role: 'one', model: 'e' }], quorum: 'majority' },
    });
    for (const place of ['a', 'b', 'c']) await drive(under.clock, plan(place));
    expect(await drive(under.clock, plan('cave', { timeoutMs: 250 }))).toMatchObject({ source: 'heuristic' });
    const other = await drive(under.clock, plan('wood', { timeoutMs: 900 }, 'other'));
    expect(other).toMatchObject({ source: 'vote', action: 'flee' });
    expect(under.planner.peek(asked('cave'))).toMatchObject({ action: 'flee' });
    expect(under.models.calls.map(({ cancelled }) => cancelled)).not.toContain(true);
  });

  test('is that of as many flights as there are slots', async () => {
    await make(LATE);
    const places = ['a', 'b', 'c', 'd', 'e', 'f'];
    await drive(under.clock, Promise.all(places.map((place) => plan(place, {}, place))));
    await flush();
    expect(syntheses().filter(({ cancelled }) => cancelled)).toHaveLength(0);
    await pass(700);
    const known = places.filter((place) => under.planner.peek(asked(place))?.source === 'synthesis');
    expect(known).toHaveLength(6);
  });

  test('is begun but now and then where its times say that it would be late, unless chances are not asked for', async () => {
    const known: (string | undefined)[][] = [];
    for (const off of [[], ['chanceFit']] as const) {
      await make(LATE, { off });
      const sources: (string | undefined)[] = [];
      for (const place of ['a', 'b', 'c', 'd', 'e', 'f']) {
        await drive(under.clock, plan(place));
        await pass(700);
        sources.push(under.planner.peek(asked(place))?.source);
      }
      known.push(sources);
      await under.planner.close();
    }
    expect(known[0]?.slice(0, 2)).toEqual(['synthesis', 'synthesis']);
    // In two seconds there is one try.
    expect(known[0]?.slice(-2).toSorted()).toEqual(['synthesis', 'vote']);
    expect(known[1]).toEqual(Array(6).fill('synthesis'));
  });

  test('is not that of a model that is stuck, where it is not kept: the model is told at the deadline', async () => {
    await make(({ role }) => (role === undefined ? { kind: 'stuck' } : LATE({ role })), { off: ['lateAnswers'] });
    await drive(under.clock, plan('cave'));
    await flush();
    expect(syntheses()[0]?.cancelled).toBe(true);
  });

  test('is cancelled by close, which waits for its end', async () => {
    await make(LATE);
    await drive(under.clock, plan('cave'));
    await under.planner.close();
    expect(syntheses().map(({ cancelled }) => cancelled)).toEqual([true]);
    expect(under.planner.stats().calls.running).toBe(0);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('ends after its own time, however long a model is silent', async () => {
    await make(({ role }) => (role === undefined ? { kind: 'times-out' } : LATE({ role })), {
      options: { lateMs: 200 },
    });
    await drive(under.clock, plan('cave'));
    await pass(199);
    expect(under.planner.stats().calls.running).toBe(1);
    await pass(20);
    expect(under.planner.stats().calls.running).toBe(0);
    expect(syntheses()[0]?.cancelled).toBe(false);
  });

  test('is cancelled at the deadline where it is not kept, and where the caller left by a signal', async () => {
    await make(LATE, { off: ['lateAnswers'] });
    await drive(under.clock, plan('cave'));
    await flush();
    expect(under.planner.stats().calls.running).toBe(0);
    await under.planner.close();
    await make(LATE);
    const controller = new AbortController();
    const left = plan('cave', { signal: controller.signal });
    await pass(700);
    controller.abort();
    await expect(left).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
    await flush();
    expect(syntheses()[0]?.cancelled).toBe(true);
  });

  test('counts as timed out where it is cut off at the deadline', async () => {
    await make(LATE, { off: ['lateAnswers'] });
    const made = await drive(under.clock, plan('cave'));
    await flush();
    expect(made.attempts.at(-1)).toMatchObject({ step: 'synthesis' });
    expect(under.planner.stats().calls).toMatchObject({ useful: 2, timeouts: 1, cancelled: 0 });
  });
});

describe('a flight that is late', () => {
  test('asks nobody further: who waits for a slot leaves the queue, and no other expert takes the place', async () => {
    const experts = ['one', 'two', 'one'].map((role) => ({ role, model: 'e' }));
    await make(() => ({ kind: 'answers', action: 'flee', afterMs: 600 }), {
      slots: 1,
      off: ['askLater'],
      options: { experts, synthesis: { models: [] } },
    });
    const late = drive(under.clock, plan('cave', { timeoutMs: 500 }));
    await flush();
    expect(under.planner.stats().endpoints).toMatchObject([{ busy: 1, waiting: 1 }]);
    expect(await late).toMatchObject({ source: 'heuristic' });
    await flush();
    expect(under.planner.stats().endpoints).toMatchObject([{ busy: 1, waiting: 0 }]);
    await pass(2_000);
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([false]);
    expect(under.planner.peek(asked('cave'))).toMatchObject({ action: 'flee', source: 'vote' });
  });

  test('begins no synthesis without a vote while experts are likelier to answer', async () => {
    for (const [off, waits] of [
      [[], true],
      [['chanceFit'], false],
    ] as const) {
      // Half of the experts' calls take 700 ms, and who has not answered after 300 is one of those.
      let isSlow = false;
      await make(
        ({ role }) => ({
          kind: 'answers',
          action: role === 'one' ? 'attack' : 'block',
          afterMs: role === undefined ? (isSlow ? 430 : 200) : isSlow ? 700 : 300,
        }),
        { off: [...off, 'askLater'] },
      );
      for (let nth = 0; nth < 40; nth++) {
        isSlow = nth % 2 === 0;
        await drive(under.clock, plan(`before ${nth}`, { timeoutMs: 3_000 }));
      }
      const before = syntheses().length;
      isSlow = true;
      const startedAtMs = under.clock.now();
      await drive(under.clock, plan('cave', { timeoutMs: 1_000 }));
      const begunAfterMs = (syntheses()[before]?.startedAtMs ?? Number.NaN) - startedAtMs;
      expect([begunAfterMs >= 700, begunAfterMs < 700], String(off)).toEqual([waits, !waits]);
      await under.planner.close();
    }
  });
});

describe('an agent that walks on while its model is slower than its plans', () => {
  const SLOW = (): Behaviour => ({ kind: 'answers', action: 'flee', afterMs: 1_200 });
  const walk = async (off: readonly FeatureName[]) => {
    await make(SLOW, { off, options: { synthesis: { models: [] }, experts: [{ role: 'one', model: 'e' }] } });
    const plans: Plan[] = [];
    for (let nth = 0; nth < 16; nth++) plans.push(await drive(under.clock, plan(`place ${nth}`)));
    return plans;
  };

  test('is answered by the rung late once that has been right where the next one was not', async () => {
    const plans = await walk(['askLater']);
    expect(plans.slice(0, 4).map(({ source }) => source)).toEqual(Array(4).fill('heuristic'));
    expect(plans.slice(-4).map(({ source }) => source)).toEqual(Array(4).fill('late'));
    expect(plans.at(-1)).toMatchObject({
      action: 'flee',
      reason: expect.stringMatching(/^for the state of \d\.\d s ago: /),
    });
    expect(under.planner.stats().late.some(({ serves }) => serves)).toBe(true);
    expect(under.planner.stats().sources.late).toBeGreaterThanOrEqual(4);
  });

  test('is not where that rung is off, and nothing is compared', async () => {
    const plans = await walk(['askLater', 'lateRung']);
    expect(new Set(plans.map(({ source }) => source))).toEqual(new Set(['heuristic']));
    expect(under.planner.stats().late).toEqual([]);
  });

  test('has its states asked about later, unless that is off', async () => {
    for (const [off, isAsked] of [
      [[], true],
      [['askLater'], false],
    ] as const) {
      await walk(off);
      const { later } = under.planner.stats().background;
      expect([later.states > 0 || later.asked > 0, String(off)]).toEqual([isAsked, String(off)]);
      await under.planner.close();
    }
  });
});

describe('a newer request of an agent', () => {
  const SLOW = (): Behaviour => ({ kind: 'answers', action: 'flee', afterMs: 200 });
  const ONE_SLOT = { slots: 1 };
  const superseded = () => under.planner.stats().plans.superseded;

  test('replaces its older one that still waits for a slot: that is answered at once from what is in hand', async () => {
    await make(SLOW, { ...ONE_SLOT, off: ['askLater'] });
    const holder = plan('cave', { timeoutMs: 5_000 }, 'holder');
    await flush();
    const older = plan('wood', { timeoutMs: 5_000 }, 'lydia');
    await flush();
    const newer = plan('hall', { timeoutMs: 5_000 }, 'lydia');
    expect(await older).toMatchObject({ source: 'heuristic', latencyMs: 0 });
    expect(superseded()).toBe(1);
    // In a crowd one expert has to do.
    expect(await drive(under.clock, newer)).toMatchObject({ source: 'vote' });
    await drive(under.clock, holder);
    expect(under.models.situations.map(({ observation }) => observation.place)).not.toContain('wood');
  });

  test('leaves the state of the one it replaced to be asked about, behind everyone', async () => {
    await make(SLOW, ONE_SLOT);
    const holder = plan('cave', { timeoutMs: 5_000 }, 'holder');
    await flush();
    // Twice, so that it is known to come back.
    for (const agent of ['lydia', 'mjoll']) {
      const older = plan('wood', { timeoutMs: 5_000 }, agent);
      await flush();
      const newer = plan('hall', { timeoutMs: 5_000 }, agent);
      expect(await older).toMatchObject({ source: 'heuristic' });
      void newer;
    }
    await drive(under.clock, holder);
    await pass(900);
    const places = under.models.situations.map(({ observation }) => observation.place);
    expect(places.indexOf('wood')).toBeGreaterThan(places.indexOf('hall'));
    expect(under.planner.peek(asked('wood'))).toMatchObject({ action: 'flee' });
  });

  test('replaces one that has not begun at all, in the same turn', async () => {
    await make(SLOW);
    const older = plan('wood', {}, 'lydia');
    const newer = plan('hall', {}, 'lydia');
    expect(await older).toMatchObject({ source: 'heuristic', latencyMs: 0 });
    expect(await drive(under.clock, newer)).toMatchObject({ source: 'quorum' });
    expect(superseded()).toBe(1);
  });

  test('replaces one after another: only the newest waits', async () => {
    await make(SLOW, ONE_SLOT);
    const holder = plan('cave', { timeoutMs: 5_000 }, 'holder');
    await flush();
    const plans = ['a', 'b', 'c', 'd'].map((place) => plan(place, { timeoutMs: 5_000 }, 'lydia'));
    const settled = await drive(under.clock, Promise.all([...plans, holder]));
    expect(settled.map(({ source }) => source)).toEqual(['heuristic', 'heuristic', 'heuristic', 'quorum', 'quorum']);
    expect(superseded()).toBe(3);
  });

  test('leaves one whose calls have begun', async () => {
    await make(SLOW, ONE_SLOT);
    const older = plan('wood', { timeoutMs: 5_000 }, 'lydia');
    await flush();
    const newer = plan('hall', { timeoutMs: 5_000 }, 'lydia');
    const settled = await drive(under.clock, Promise.all([older, newer]));
    expect([settled.map(({ source }) => source), superseded()]).toEqual([['quorum', 'quorum'], 0]);
  });

  test('leaves one that shares its flight with others', async () => {
    await make(SLOW, ONE_SLOT);
    const holder = plan('cave', { timeoutMs: 5_000 }, 'holder');
    await flush();
    const older = plan('wood', { timeoutMs: 5_000 }, 'lydia');
    const sharing = plan('wood', { timeoutMs: 5_000 }, 'other');
    const newer = plan('hall', { timeoutMs: 5_000 }, 'lydia');
    const settled = await drive(under.clock, Promise.all([older, sharing, newer, holder]));
    expect(settled[0]?.source).toBe(settled[1]?.source);
    expect([settled[0]?.source, superseded()]).toEqual(['quorum', 0]);
  });

  test('leaves one in the same state: both share one flight', async () => {
    await make(SLOW, ONE_SLOT);
    const plans = [plan('wood', {}, 'lydia'), plan('wood', {}, 'lydia')];
    const settled = await drive(under.clock, Promise.all(plans));
    expect([settled.map(({ source }) => source), superseded()]).toEqual([['quorum', 'quorum'], 0]);
  });

  test('leaves those of other agents, and its own where that is switched off', async () => {
    for (const [agents, off] of [
      [['lydia', 'other'], []],
      [['lydia', 'lydia'], ['newestFirst']],
    ] as const) {
      await make(SLOW, { ...ONE_SLOT, off });
      const holder = plan('cave', { timeoutMs: 5_000 }, 'holder');
      await flush();
      const plans = agents.map((agent, nth) => plan(`place ${nth}`, { timeoutMs: 5_000 }, agent));
      const settled = await drive(under.clock, Promise.all([...plans, holder]));
      expect([settled.some(({ source }) => source === 'heuristic'), superseded()]).toEqual([false, 0]);
      await under.planner.close();
    }
  });

  test('does not find an older one that has been settled', async () => {
    await make(SLOW);
    await drive(under.clock, plan('wood', {}, 'lydia'));
    await drive(under.clock, plan('hall', {}, 'lydia'));
    expect(superseded()).toBe(0);
  });
});

describe('where plans wait for a slot', () => {
  const SLOW = (): Behaviour => ({ kind: 'answers', action: 'flee', afterMs: 50 });
  /** The places in the order in which models were asked about them. */
  const order = () => [...new Set(under.models.situations.map(({ observation }) => observation.place))];
  const waiting = async (...plans: readonly (readonly [place: string, options?: PlanOptions])[]): Promise<void> => {
    const all = [plan('first', { timeoutMs: 5_000 }, 'first')];
    await flush();
    for (const [place, options] of plans) {
      all.push(plan(place, { timeoutMs: 5_000, ...options }, place));
      await flush();
    }
    await drive(under.clock, Promise.all(all));
  };

  test('combat is served before shopping that waited longer', async () => {
    await make(SLOW, { slots: 1 });
    await waiting(['shop'], ['combat']);
    expect(order()).toEqual(['first', 'combat', 'shop']);
  });

  test('what the plan says has precedence over its scene', async () => {
    await make(SLOW, { slots: 1 });
    await waiting(['combat', { priority: 0 }], ['shop', { priority: 4 }]);
    expect(order()).toEqual(['first', 'shop', 'combat']);
  });

  test('the nearer deadline is served first where they are equally urgent', async () => {
    await make(SLOW, { slots: 1 });
    await waiting(['later', { timeoutMs: 6_000 }], ['sooner', { timeoutMs: 4_000 }]);
    expect(order()).toEqual(['first', 'sooner', 'later']);
  });

  test('a priority that is no number is refused and counted', async () => {
    await make(SLOW);
    for (const priority of [Number.NaN, Number.POSITIVE_INFINITY, 'high' as unknown as number]) {
      await expect(plan('shop', { priority })).rejects.toMatchObject({
        code: 'ERR_REQUEST_INVALID',
        message: expect.stringMatching(/^priority must be a number, got /),
      });
    }
    expect(under.planner.stats().plans.invalid).toBe(3);
  });
});

test('the statistics tell each server as it is: its slots, who waits, its health and its times', async () => {
  await make(() => ({ kind: 'answers', action: 'flee', afterMs: 50 }), { slots: 1 });
  const waits = plan('cave');
  await flush();
  expect(under.planner.stats().endpoints).toMatchObject([
    { endpoint: 'fake', slots: 1, busy: 1, waiting: 1, held: 0, breaker: { state: 'closed' } },
  ]);
  await drive(under.clock, waits);
  expect(under.planner.stats().endpoints).toMatchObject([{ busy: 0, waiting: 0 }]);
  const [server] = under.planner.stats().endpoints;
  expect(server?.profiles.find(({ model }) => model === 'e')).toMatchObject({ kind: 'text', samples: 1 });
});
