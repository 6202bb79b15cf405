import { share } from '../../src/main/measure/shares.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import type { Plan } from '../../src/main/plans/plan.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { seededRandom } from '../../src/shared/random.ts';
import type { SimulatorOptions } from '../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from './live-world.ts';
import { MODELS, OVERLOADED } from './scenario.ts';

/** Sources of plans that a model decided, or a remembered decision of one that is still fresh. */
const MODEL_SOURCES: ReadonlySet<Plan['source']> = new Set([
  'cache',
  'similar',
  'habit',
  'quorum',
  'synthesis',
  'fallback',
  'vote',
]);
const CACHED: ReadonlySet<Plan['source']> = new Set(['cache', 'similar', 'habit']);

export interface SessionSetting {
  readonly options: Partial<PlannerOptions>;
  readonly agents: number;
  /** Of all agents together. */
  readonly plans: number;
  readonly seed: number;
  /** Observations come without pictures. Default: half of them have one. */
  readonly isBlind?: boolean;
  /** How good reads are, from noise to as good as written votes. Default 1. */
  readonly readSkill?: number;
  /** How much reads prefer some labels. Default 0. */
  readonly labelBias?: number;
  /** The forms in which the machine can be read. Default: those of the scenario. */
  readonly reads?: SimulatorOptions['reads'];
}

/** Shares from 0 to 1, seconds of the simulated world. */
export interface SessionFigures {
  /** Useful calls of those that were wanted to their end. */
  readonly llmSuccess: number;
  /** Plans that a model decided, now or before. */
  readonly modelDecided: number;
  readonly meanSeconds: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  /** Calls out of time, of those that were wanted to their end. */
  readonly timeouts: number;
  /** In the second half of the session. */
  readonly hitRate: number;
  /** Of the hits that were checked, those that models now decide otherwise; null where none was checked. */
  readonly falseHitRate: number | null;
  /** What the best action would have been worth more than the chosen one, mean of all plans. */
  readonly regret: number;
  /** All calls, also those of checks and refreshes, for each plan that was not answered from the cache. */
  readonly callsPerPlan: number;
  /** Read and written by the machine, for each plan. */
  readonly tokensPerPlan: number;
  readonly cachedTokensPerPlan: number;
  /** Calls of plans that were not answered from the cache, their own alone. */
  readonly requestsPerPlan: number;
  /** Tokens that models wrote, for each plan. */
  readonly writtenTokensPerPlan: number;
  /** Tokens that the machine had to read, those that it still had left out, for each plan. */
  readonly readTokensPerPlan: number;
  /** Of what reads were expected to be worth, next to what was written; null where nothing was compared. */
  readonly calibrationError: number | null;
  readonly meanUncachedSeconds: number;
  readonly p99UncachedSeconds: number;
  /** The same of plans that a read decided, and of those for which models wrote; null where there were none. */
  readonly readShare: number;
  readonly p99ReadSeconds: number | null;
  readonly p99UnsureSeconds: number | null;
  readonly onTime: number;
  readonly legal: number;
}

/** Parts of a planner over the overloaded machine, in virtual time. */
export interface VirtualSession {
  readonly clock: VirtualClock;
  readonly server: VirtualServer;
  readonly planner: Planner;
}

/** What is assumed of reads. */
export type ReadAssumptions = Pick<SessionSetting, 'readSkill' | 'labelBias' | 'reads'>;

export async function openSession(
  options: Partial<PlannerOptions>,
  seed: number,
  { readSkill = 1, labelBias = 0, reads = OVERLOADED.reads }: ReadAssumptions = {},
): Promise<VirtualSession> {
  const clock = new VirtualClock();
  const models = MODELS.map((model) => ({ ...model, readSkill, labelBias }));
  const server = new VirtualServer({ ...OVERLOADED, reads, models, seed }, clock);
  const [phi, nemo, qwen, gemma] = MODELS.map(({ id }) => id) as [string, string, string, string];
  const byRole = [gemma, phi, nemo, qwen];
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: { machine: { baseURL: 'http://127.0.0.1:9/v1' } },
      experts: skyrim.roles.map(({ name }, index) => ({ role: name, model: byRole[index] as string })),
      synthesis: { models: [phi, nemo] },
      ...options,
    },
    {
      clock,
      random: seededRandom(seed),
      pool: new VirtualPool(skyrim, new Map([['machine', server]])),
      client: () => new VirtualClient(server),
    },
  );
  return { clock, server, planner: await runVirtual(clock, opening) };
}

/** A session in the live world: each agent plans, does what was planned, and plans again when that is done. */
export async function runSession(setting: SessionSetting): Promise<SessionFigures> {
  const { options, agents, plans, seed, isBlind } = setting;
  const { clock, server, planner } = await openSession(options, seed, setting);
  const seen = new Sightings();
  const live = async (agent: LiveAgent): Promise<void> => {
    for (let step = 0; step < plans / agents; step++) {
      const atSeconds = clock.now() / 1_000;
      const request = agent.request(atSeconds, isBlind);
      const plan = await planner.plan(request);
      const { regret, seconds } = agent.act(request, plan.action, atSeconds);
      seen.add(plan, request.actions.includes(plan.action), regret, step >= plans / agents / 2);
      await new Promise<void>((resolve) => void clock.setTimer(seconds * 1_000, resolve));
    }
  };
  await runVirtual(clock, Promise.all(liveAgents(agents, seed).map(live)));
  const figures = seen.figures(planner, server);
  await runVirtual(clock, planner.close());
  server.close();
  return figures;
}

/** The mean of each figure over sessions of several seeds, from this one on. */
export async function runSessionMean(
  setting: Omit<SessionSetting, 'seed'>,
  firstSeed: number,
  seeds: number,
): Promise<SessionFigures> {
  const runs: SessionFigures[] = [];
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) runs.push(await runSession({ ...setting, seed }));
  return meanOfRuns(runs);
}

/** The mean of each figure over several sessions; null where no session has it. */
function meanOfRuns(runs: readonly SessionFigures[]): SessionFigures {
  const mean = (key: keyof SessionFigures): number | null => {
    const known = runs.map((run) => run[key]).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0) / known.length;
  };
  const keys = Object.keys(runs[0] as SessionFigures) as (keyof SessionFigures)[];
  return Object.fromEntries(keys.map((key) => [key, mean(key)])) as unknown as SessionFigures;
}

class Sightings {
  readonly #seconds: number[] = [];
  #modelDecided = 0;
  readonly #uncached: number[] = [];
  readonly #read: number[] = [];
  readonly #unsure: number[] = [];
  #requests = 0;
  #late = { plans: 0, hits: 0 };
  #regret = 0;
  #onTime = 0;
  #legal = 0;

  add(plan: Plan, isLegal: boolean, regret: number, isWarm: boolean): void {
    this.#seconds.push(plan.latencyMs / 1_000);
    if (MODEL_SOURCES.has(plan.source)) this.#modelDecided++;
    const isHit = CACHED.has(plan.source);
    if (!isHit) this.#sawUncached(plan);
    if (isWarm) {
      this.#late.plans++;
      if (isHit) this.#late.hits++;
    }
    this.#regret += regret;
    if (plan.latenessMs === 0) this.#onTime++;
    if (isLegal) this.#legal++;
  }

  #sawUncached({ latencyMs, attempts }: Plan): void {
    const seconds = latencyMs / 1_000;
    this.#uncached.push(seconds);
    for (const { requests = 1 } of attempts) this.#requests += requests;
    const isRead = attempts.some(({ step }) => step === 'read');
    if (isRead && attempts.length === 1) this.#read.push(seconds);
    else if (isRead) this.#unsure.push(seconds);
  }

  figures(planner: Planner, server: VirtualServer): SessionFigures {
    const { calls, cache, reads } = planner.stats();
    const machine = server.stats();
    const plans = this.#seconds.length;
    const wanted = calls.useful + calls.timeouts + calls.failed;
    return {
      llmSuccess: share(calls.useful, wanted),
      modelDecided: this.#modelDecided / plans,
      meanSeconds: meanOf(this.#seconds),
      p50Seconds: quantile(this.#seconds, 0.5),
      p99Seconds: quantile(this.#seconds, 0.99),
      timeouts: share(calls.timeouts, wanted),
      hitRate: share(this.#late.hits, this.#late.plans),
      falseHitRate: falseHitRate(cache),
      regret: this.#regret / plans,
      callsPerPlan: share(calls.made, this.#uncached.length),
      tokensPerPlan: (machine.promptTokens + machine.completionTokens) / plans,
      cachedTokensPerPlan: machine.cachedTokens / plans,
      requestsPerPlan: share(this.#requests, this.#uncached.length),
      writtenTokensPerPlan: machine.completionTokens / plans,
      readTokensPerPlan: (machine.promptTokens - machine.cachedTokens) / plans,
      calibrationError: calibrationError(reads),
      meanUncachedSeconds: meanOf(this.#uncached),
      p99UncachedSeconds: quantile(this.#uncached, 0.99),
      readShare: share(this.#read.length, this.#uncached.length),
      p99ReadSeconds: this.#read.length === 0 ? null : quantile(this.#read, 0.99),
      p99UnsureSeconds: this.#unsure.length === 0 ? null : quantile(this.#unsure, 0.99),
      onTime: this.#onTime / plans,
      legal: this.#legal / plans,
    };
  }
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / Math.max(1, numbers.length);
}

/** Of all models that were read, by how often they could be compared. */
function calibrationError(reads: ReturnType<Planner['stats']>['reads']): number | null {
  const known = reads === false ? [] : reads.calibration.filter(({ error }) => error !== undefined);
  const compared = known.reduce((sum, model) => sum + model.compared, 0);
  if (compared === 0) return null;
  return known.reduce((sum, model) => sum + model.compared * (model.error as number), 0) / compared;
}

function falseHitRate(cache: ReturnType<Planner['stats']>['cache']): number | null {
  if (cache === false) return null;
  const { exact, similar } = cache.falseHits;
  const checked = exact.checked + similar.checked;
  return checked === 0 ? null : (exact.wrong + similar.wrong) / checked;
}
