import type { Plan } from '../../src/main/plans/plan.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { defineDomain } from '../../src/shared/domain.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { quantile } from '../figures.ts';
import type { Contestant } from './contestants.ts';
import type { RecordedModel } from './recording.ts';
import { MODEL, ReplayedClient, ReplayedPool, ReplayedServers } from './replayed-server.ts';
import { ReplayedState } from './state.ts';

export interface ReplaySetting {
  readonly plans: number;
  readonly seed: number;
  readonly agreement: number;
  readonly timeoutMs: number;
  /** Whether a synthesis follows where the experts do not agree; else the votes decide. */
  readonly synthesis: boolean;
}

/** Milliseconds, and shares from 0 to 1. */
export interface TailFigures {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Experts and synthesis, second tries included. */
  readonly callsPerPlan: number;
  /** Plans that give the plurality's action. */
  readonly plurality: number;
  /** Plans that a synthesis decided. */
  readonly synthesized: number;
  /** Calls that were made a second time beside the first. */
  readonly hedged: number;
  /** Calls that ran into a timeout. */
  readonly timedOut: number;
}

/** Until times are learned. */
const WARM_UP_PLANS = 60;
const SLOTS = 64;

const domain = defineDomain({
  name: 'replay',
  features: { scene: { kind: 'category' } },
  roles: ['first', 'second', 'third'].map((name) => ({ name, prompt: 'Choose an action.' })),
});

/** One plan after the other, each in a state of its own, by the real planner in virtual time. */
export async function replayTail(
  model: RecordedModel,
  contestant: Contestant,
  setting: ReplaySetting,
): Promise<TailFigures> {
  const { plans, seed, agreement } = setting;
  const clock = new VirtualClock();
  const servers = new ReplayedServers(clock, model);
  const planner = await runVirtual(clock, openPlanner(clock, servers, contestant, setting));
  const planned: { readonly plan: Plan; readonly isPlurality: boolean }[] = [];
  const live = async (from: number, count: number): Promise<void> => {
    for (let index = from; index < from + count; index++) {
      const state = new ReplayedState(seed, `${model.name}, plan ${index}`, agreement);
      servers.show(state);
      const plan = await planner.plan(state.request);
      planned.push({ plan, isPlurality: plan.action === state.plurality });
    }
  };
  await runVirtual(clock, live(0, WARM_UP_PLANS));
  planned.length = 0;
  const before = planner.stats().calls;
  await runVirtual(clock, live(WARM_UP_PLANS, plans));
  const { calls } = planner.stats();
  await runVirtual(clock, planner.close());
  const made = calls.made - before.made;
  const latencies = planned.map(({ plan }) => plan.latencyMs);
  const shareOf = (is: (each: (typeof planned)[number]) => boolean): number => planned.filter(is).length / plans;
  return {
    p50: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    p99: quantile(latencies, 0.99),
    callsPerPlan: made / plans,
    plurality: shareOf(({ isPlurality }) => isPlurality),
    synthesized: shareOf(({ plan }) => plan.source === 'synthesis' || plan.source === 'fallback'),
    hedged: (calls.hedges - before.hedges) / made,
    timedOut: (calls.timeouts - before.timeouts) / made,
  };
}

function openPlanner(
  clock: VirtualClock,
  servers: ReplayedServers,
  { endpoints, options }: Contestant,
  { seed, timeoutMs, synthesis }: ReplaySetting,
): Promise<Planner> {
  const names = Array.from({ length: endpoints }, (_, index) => `server-${index + 1}`);
  const places = names.map((name, index) => [
    name,
    { baseURL: `http://127.0.0.1:${index + 1}/v1`, slots: SLOTS, maxConcurrent: SLOTS },
  ]);
  return createPlanner(
    {
      domain,
      endpoints: Object.fromEntries(places),
      experts: domain.roles.map(({ name }) => ({ role: name, model: MODEL })),
      synthesis: { models: synthesis ? [MODEL] : [] },
      timeoutMs,
      cache: false,
      singleFlight: false,
      ...options,
    },
    { clock, random: seededRandom(seed), pool: new ReplayedPool(servers), client: () => new ReplayedClient(servers) },
  );
}
