import { expect } from 'vitest';
import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import type { WhyCode } from '../../src/main/plans/ladder/why.ts';
import type { Plan } from '../../src/main/plans/plan.ts';
import type { ErrorCode } from '../../src/shared/errors.ts';
import { drive } from './drive.ts';
import type { FakeClock } from './fake-clock.ts';
import type { Behaviour } from './fake-models.ts';
import { request, testOptions } from './make-planner.ts';
import { eventually } from './raw-client.ts';

/** A planner behind any of its faces. */
export interface Stage {
  readonly planner: ChatPlanner;
  readonly clock: FakeClock;
  /** Asks through the face. */
  readonly plan: (asked: ReturnType<typeof request>, timeoutMs: number) => Promise<Plan>;
}

export interface WhyScenario {
  readonly options?: Partial<PlannerOptions>;
  readonly script: () => Behaviour;
  /** Returns the plan that no model decided. */
  readonly play: (stage: Stage) => Promise<Plan>;
  /** The sentence of that plan; a pattern where clients take their own time from it. */
  readonly message: string | RegExp;
  /** Whether it rests on what happens in one turn of the event loop, which no face can bring about. */
  readonly isEmbedded?: true;
}

/** What `plan.why` is at the end of a scenario. */
export function expectedWhy(code: WhyCode, { message }: WhyScenario): object {
  return { code, message: typeof message === 'string' ? message : expect.stringMatching(message) };
}

const { features } = testOptions;
const stuckIn = (...reaches: NonNullable<Behaviour['reaches']>[number][]): (() => Behaviour) => {
  return () => ({ kind: 'stuck', reaches });
};
const fails = (code: ErrorCode) => (): Behaviour => ({ kind: 'errors', code });
const at = (place: string, agent = 'tester') => request({ agent, observation: { place, health: 50 } });
const once = (stage: Stage): Promise<Plan> => drive(stage.clock, stage.plan(at('cave'), 600));
/** One slot, and nobody else waits for it. */
const ONE_SLOT: Partial<PlannerOptions> = {
  endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 1, maxConcurrent: 1 } },
};

const inFlight = ({ planner }: Stage, count: number): Promise<void> =>
  eventually(() => planner.stats().plans.inFlight === count, `${count} plans in flight`);

/** A plan that begins after another one has had the only slot for `heldMs`. */
async function behindHolder(stage: Stage, heldMs: number): Promise<Plan> {
  const holder = stage.plan(at('cave', 'holder'), 60_000);
  await inFlight(stage, 1);
  await eventually(() => stage.planner.stats().endpoints[0]?.busy === 1, 'the slot is taken');
  stage.clock.advance(heldMs);
  const plan = await drive(stage.clock, stage.plan(at('wood'), 600));
  void holder.catch(() => {});
  return plan;
}

/**
 * One way to each cause that a planner can tell, over scripted models; `gave-way` and `planner-silent` have tests of their own.
 * A new code without its scenario does not compile.
 */
export const WHY_SCENARIOS: Readonly<Record<Exclude<WhyCode, 'gave-way' | 'planner-silent'>, WhyScenario>> = {
  'no-vote': {
    script: () => ({ kind: 'illegal' }),
    play: once,
    message: 'fake gave 4 answers that were no vote for one of the actions (ERR_VOTE_ILLEGAL)',
  },
  unfinished: {
    script: stuckIn(['headers', 1], ['first-token', 2], ['stream', 3]),
    play: once,
    message: 'fake had begun 3 answers and finished none in 585 ms',
  },
  'server-silent': {
    script: stuckIn(['headers', 1]),
    play: once,
    message: 'fake took 3 calls and sent nothing in 585 ms',
  },
  'server-failed': {
    script: fails('ERR_MODEL_RESET'),
    play: once,
    message: '4 calls to fake failed (ERR_MODEL_RESET)',
  },
  'server-overloaded': {
    script: fails('ERR_MODEL_OVERLOADED'),
    play: once,
    message: 'fake says that it is overloaded or still loading',
  },
  'server-refused': {
    script: fails('ERR_MODEL_INVALID_ID'),
    play: once,
    message: 'fake refused 4 calls (ERR_MODEL_INVALID_ID)',
  },
  unreachable: { script: fails('ERR_MODEL_REFUSED'), play: once, message: 'nothing listens at the address of fake' },
  internal: {
    script: fails('ERR_WORKER_STUCK'),
    play: once,
    message: '4 calls to fake failed in Conclave itself (ERR_WORKER_STUCK)',
  },
  'state-changed': {
    script: () => ({ kind: 'answers', action: 'block', afterMs: 100 }),
    play: async (stage) => {
      const plan = stage.plan(at('cave'), 600);
      await inFlight(stage, 1);
      stage.planner.observe({ ...at('wood'), actions: ['hide'] });
      return drive(stage.clock, plan);
    },
    message: 'the agent came into another state while models decided, and their action is not possible there',
  },
  'no-slot': {
    options: ONE_SLOT,
    script: stuckIn(['headers', 1]),
    play: (stage) => behindHolder(stage, 0),
    message: 'no slot of fake became free in 585 ms',
  },
  resting: {
    options: { features: { ...features, breaker: true } },
    script: fails('ERR_MODEL_RESET'),
    play: async (stage) => {
      for (let failed = 0; failed < 5; failed++) {
        await once(stage);
        stage.clock.advance(150);
      }
      return once(stage);
    },
    message: 'fake rests after failures',
  },
  'too-short': {
    script: () => ({ kind: 'answers', action: 'block', afterMs: 400 }),
    play: async (stage) => {
      for (const place of ['a', 'b', 'c']) await drive(stage.clock, stage.plan(at(place), 5_000));
      return drive(stage.clock, stage.plan(at('wood'), 100));
    },
    message: 'fake had 81 ms for a call that usually takes 390 ms',
  },
  superseded: {
    options: { ...ONE_SLOT, features: { ...features, newestFirst: true } },
    script: stuckIn(),
    play: async (stage) => {
      void stage.plan(at('cave', 'holder'), 60_000).catch(() => {});
      await inFlight(stage, 1);
      const older = stage.plan(at('wood'), 60_000);
      await inFlight(stage, 2);
      void stage.plan(at('hall'), 60_000).catch(() => {});
      return older;
    },
    message:
      'a newer request with the same agent name came while this one waited for its first slot; agents that plan at the same time need names of their own',
  },
  closing: {
    script: stuckIn(['headers', 1]),
    play: async (stage) => {
      const plan = stage.plan(at('cave'), 60_000);
      await inFlight(stage, 1);
      void stage.planner.close();
      return plan;
    },
    message: 'the planner was closed before a model had decided',
  },
  'no-turn': {
    script: stuckIn(),
    play: async (stage) => {
      const plans = Array.from({ length: 10 }, (_, i) => stage.plan(at(`place ${i}`, `agent ${i}`), 600));
      stage.clock.advance(600);
      return (await Promise.all(plans)).at(-1) as Plan;
    },
    message: 'so many plans came at once that no model could be asked within 600 ms',
    isEmbedded: true,
  },
  'no-time': {
    script: stuckIn(),
    play: (stage) => stage.plan(at('cave'), 4.5),
    message: /^no model was asked, since [0-9.]+ ms are less than any model call takes$/,
  },
  'no-models': {
    options: { experts: [], synthesis: { models: [] } },
    script: stuckIn(),
    play: once,
    message: 'no model is configured, or none of the configured ones is there',
  },
};
