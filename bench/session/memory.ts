import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { seededRandom } from '../../src/shared/random.ts';
import type { SimulatorOptions } from '../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { TellingClient, VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from './live-world.ts';
import { MODEL_SOURCES } from './overload.ts';

/** What agents get of a server that holds fewer models than they are configured to ask. */
export interface MemoryFigures {
  readonly loadsPerPlan: number;
  readonly p95Seconds: number;
  /** Plans of all. */
  readonly heuristics: number;
  /** Share of the plans that a model decided. */
  readonly byModels: number;
  readonly onTime: number;
}

export interface MemoryScenario {
  /** Models in memory at once. */
  readonly fits: number;
  readonly agents: number;
  /** Whether the server tells which they are; else that is learned from the times of calls. */
  readonly tells: boolean;
  readonly options?: Partial<PlannerOptions>;
}

const MODELS = ['memory/one', 'memory/two', 'memory/three', 'memory/four'] as const;
const [ONE, TWO, THREE, FOUR] = MODELS;
/** Small models on a laptop's graphics card, four seconds a load; one that has to go takes its answers with it. */
const SERVER = {
  slots: 4,
  evictionCuts: true,
  models: MODELS.map((id) => ({ id, skill: 0.8, loadSeconds: 4, vision: true })),
} as const satisfies SimulatorOptions;

const WITHOUT: Partial<PlannerOptions> = { features: { residency: false } };

/** What a scenario may cost next to the same with all models in memory. */
export interface MemoryBounds {
  readonly of: string;
  readonly loadsMax: number;
  readonly p95Max: number;
}

const BOUNDS = { loadsMax: 0.05, p95Max: 1.2 } as const;

export const MEMORY: readonly {
  readonly name: string;
  readonly scenario: MemoryScenario;
  readonly bounds?: MemoryBounds;
}[] = [
  { name: 'all in memory', scenario: { fits: 4, agents: 1, tells: true } },
  { name: 'one in memory', scenario: { fits: 1, agents: 1, tells: true }, bounds: { ...BOUNDS, of: 'all in memory' } },
  { name: 'two in memory', scenario: { fits: 2, agents: 1, tells: true }, bounds: { ...BOUNDS, of: 'all in memory' } },
  { name: 'one, learned from times', scenario: { fits: 1, agents: 1, tells: false } },
  { name: 'one, without residency', scenario: { fits: 1, agents: 1, tells: true, options: WITHOUT } },
  { name: 'four agents, all', scenario: { fits: 4, agents: 4, tells: true } },
  {
    name: 'four agents, one',
    scenario: { fits: 1, agents: 4, tells: true },
    bounds: { ...BOUNDS, of: 'four agents, all' },
  },
];

/** Experts on three models and a fallback on a fourth, without a cache; each agent asks again as soon as it has its plan. */
export async function runMemory(scenario: MemoryScenario, plans: number, seed: number): Promise<MemoryFigures> {
  const { fits, agents, tells, options } = scenario;
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...SERVER, loadedModelsMax: fits, seed }, clock);
  const byRole = [ONE, TWO, THREE, ONE];
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: { machine: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } },
      experts: skyrim.roles.map(({ name }, index) => ({ role: name, model: byRole[index % 4] as string })),
      synthesis: { models: [ONE, FOUR] },
      cache: false,
      singleFlight: false,
      ...options,
    },
    {
      clock,
      random: seededRandom(seed),
      pool: new VirtualPool(skyrim, new Map([['machine', server]])),
      client: () => (tells ? new TellingClient(server) : new VirtualClient(server)),
    },
  );
  const planner = await runVirtual(clock, opening);
  const times: number[] = [];
  const counts = { heuristics: 0, byModels: 0, onTime: 0 };
  const live = async (agent: LiveAgent): Promise<void> => {
    for (let step = 0; step < plans / agents; step++) {
      const atSeconds = clock.now() / 1_000;
      const request = agent.request(atSeconds);
      const plan = await planner.plan(request);
      agent.act(request, plan.action, atSeconds);
      times.push(plan.latencyMs / 1_000);
      if (plan.source === 'heuristic') counts.heuristics++;
      if (MODEL_SOURCES.has(plan.source)) counts.byModels++;
      if (plan.latenessMs === 0) counts.onTime++;
    }
  };
  await runVirtual(clock, Promise.all(liveAgents(agents, seed).map(live)));
  const { loads } = server.stats();
  await runVirtual(clock, planner.close());
  server.close();
  return {
    loadsPerPlan: loads / times.length,
    p95Seconds: quantile(times, 0.95),
    heuristics: counts.heuristics,
    byModels: counts.byModels / times.length,
    onTime: counts.onTime / times.length,
  };
}

/** The same over several seeds. */
export async function runMemoryMean(
  scenario: MemoryScenario,
  plans: number,
  seed: number,
  seeds: number,
): Promise<MemoryFigures> {
  const runs: MemoryFigures[] = [];
  for (let at = seed; at < seed + seeds; at++) runs.push(await runMemory(scenario, plans, at));
  const keys = Object.keys(runs[0] as MemoryFigures) as (keyof MemoryFigures)[];
  const mean = (key: keyof MemoryFigures): number => runs.reduce((sum, run) => sum + run[key], 0) / runs.length;
  return Object.fromEntries(keys.map((key) => [key, mean(key)])) as unknown as MemoryFigures;
}
