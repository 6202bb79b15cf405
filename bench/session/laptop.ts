import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import type { Plan } from '../../src/main/plans/plan.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { NO_RATES, type SimulatorOptions } from '../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from './live-world.ts';
import { MODEL_SOURCES } from './overload.ts';
import { openServers } from './quick-server.ts';

/**
 * A laptop without a graphics card that serves one small model with llama.cpp: it reads a prompt for seconds, all slots' prompts
 * in one batch, to the end whoever leaves, while nobody's answer goes on; and it writes some thirty tokens a second. As measured
 * on a real server (FIELD.md, section 9): 7 ms a token of a small vocabulary, which are 14 of the simulator's.
 */
export const LAPTOP = {
  flavour: 'llamacpp',
  slots: 4,
  queueMax: 10_000,
  promptTokensPerSecond: 70,
  overheadSeconds: 0.02,
  reading: 'batched',
  slotSlowdown: 0.1,
  latencySigma: 0.05,
  models: [{ id: 'laptop/small', skill: 0.8, tokensPerSecond: 28 }],
  rates: NO_RATES,
} as const satisfies SimulatorOptions;

const [{ id: MODEL }] = LAPTOP.models;
const OPTIONS: Partial<PlannerOptions> = {
  experts: skyrim.roles.map(({ name }) => ({ role: name, model: MODEL })),
  synthesis: { models: [MODEL] },
};
/** One expert and all the time it takes: what the machine can do when it does one thing after the other. */
const ALONE: Partial<PlannerOptions> = {
  experts: [{ role: (skyrim.roles[0] as { readonly name: string }).name, model: MODEL, timeoutMs: 60_000 }],
  synthesis: { models: [] },
  timeoutMs: 60_000,
};

export interface LaptopFigures {
  /** Of the plans, those that a model decided. */
  readonly modelDecided: number;
  /** The same, a second. */
  readonly goodput: number;
  readonly p50Seconds: number;
  readonly p95Seconds: number;
  readonly onTime: number;
  readonly callsPerPlan: number;
}

export interface LaptopScenario {
  readonly agents: number;
  readonly timeoutMs: number;
  readonly options?: Partial<PlannerOptions>;
  /** Whether agents ask again as soon as they have their plan: while the server still works on what that plan cut. */
  readonly asksAtOnce?: boolean;
}

export const LAPTOP_SCENARIOS: readonly {
  readonly name: string;
  readonly scenario: LaptopScenario;
  readonly modelDecidedMin?: number;
  readonly ofCapacityMin?: number;
}[] = [
  { name: 'one agent, 10 s', scenario: { agents: 1, timeoutMs: 10_000 }, modelDecidedMin: 0.95 },
  { name: 'one that asks at once', scenario: { agents: 1, timeoutMs: 10_000, asksAtOnce: true }, modelDecidedMin: 0.9 },
  { name: 'one agent, 5 s', scenario: { agents: 1, timeoutMs: 5_000 }, modelDecidedMin: 0.85 },
  { name: 'one agent, 3 s', scenario: { agents: 1, timeoutMs: 3_000 } },
  { name: 'two agents, 10 s', scenario: { agents: 2, timeoutMs: 10_000 }, modelDecidedMin: 0.8 },
  { name: 'eight agents, 10 s', scenario: { agents: 8, timeoutMs: 10_000 }, ofCapacityMin: 0.65 },
  {
    name: 'eight without callWidth',
    scenario: { agents: 8, timeoutMs: 10_000, options: { features: { callWidth: false } } },
  },
];

/** Times are learned in the first minute, which is not counted. */
const WARM_SECONDS = 60;
/** Between a plan and the next request of an agent that asks at once. */
const PAUSE_MS = 20;

/** Agents that plan, do what was planned, and plan again, without a cache and without pictures. */
export async function runLaptop(
  { agents, timeoutMs, options, asksAtOnce = false }: LaptopScenario,
  seconds: number,
  seed: number,
): Promise<LaptopFigures> {
  const clock = new VirtualClock();
  const { planner, close } = await openServers(clock, { laptop: LAPTOP }, seed, { ...OPTIONS, timeoutMs, ...options });
  const startMs = WARM_SECONDS * 1_000;
  const endMs = startMs + seconds * 1_000;
  const times: number[] = [];
  const counts = { decided: 0, onTime: 0, calls: 0 };
  const live = async (agent: LiveAgent): Promise<void> => {
    while (clock.now() < endMs) {
      const { plan, restMs } = await step(planner, agent, clock);
      if (clock.now() > startMs && clock.now() <= endMs) {
        times.push(plan.latencyMs / 1_000);
        if (MODEL_SOURCES.has(plan.source)) counts.decided++;
        if (plan.latenessMs === 0) counts.onTime++;
        counts.calls += plan.attempts.length;
      }
      // A heuristic costs no time: an agent that asked again at once would ask for ever.
      const pauseMs = asksAtOnce ? Math.min(restMs, PAUSE_MS) : restMs;
      await new Promise<void>((resolve) => void clock.setTimer(pauseMs, resolve));
    }
  };
  await runVirtual(clock, Promise.all(liveAgents(agents, seed).map(live)));
  await close();
  return {
    modelDecided: counts.decided / times.length,
    goodput: counts.decided / seconds,
    p50Seconds: quantile(times, 0.5),
    p95Seconds: quantile(times, 0.95),
    onTime: counts.onTime / times.length,
    callsPerPlan: counts.calls / times.length,
  };
}

/** Plans a second where agents take turns, each with one call that has the machine for itself. */
export async function laptopCapacity(agents: number, plans: number, seed: number): Promise<number> {
  const clock = new VirtualClock();
  const { planner, close } = await openServers(clock, { laptop: LAPTOP }, seed, ALONE);
  const team = liveAgents(agents, seed);
  const startMs = clock.now();
  for (let nth = 0; nth < plans; nth++) await runVirtual(clock, step(planner, team[nth % agents] as LiveAgent, clock));
  const perSecond = plans / ((clock.now() - startMs) / 1_000);
  await close();
  return perSecond;
}

/** One plan, and what it says is done; for how long that takes. */
async function step(
  planner: Planner,
  agent: LiveAgent,
  clock: VirtualClock,
): Promise<{ readonly plan: Plan; readonly restMs: number }> {
  const atSeconds = clock.now() / 1_000;
  const request = agent.request(atSeconds);
  const { screenshot: _, ...observation } = request.observation;
  const plan = await planner.plan({ ...request, observation });
  return { plan, restMs: agent.act(request, plan.action, atSeconds).seconds * 1_000 };
}
