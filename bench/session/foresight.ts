import { share } from '../../src/main/measure/shares.ts';
import type { Plan } from '../../src/main/plans/plan.ts';
import { ForesightReplay } from '../../src/main/replay/foresight/foresight-replay.ts';
import type { TraceRecord } from '../../src/main/session/trace-reader.ts';
import { isFromTier } from '../../src/shared/decision.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { runVirtual } from '../../test/sim/virtual-clock.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from './live-world.ts';
import { MODEL_SOURCES } from './overload.ts';
import { openSession } from './run-session.ts';

/** What foresight from experience gives agents that act for seconds between two plans, next to what its gates allow on the same records. */
export interface ForesightFigures {
  /** Share of the plans that were answered immediately because models had been asked ahead. */
  readonly readyShare: number;
  /** What `replay --foresight` says its gates allow, for the same requests, a model as quick as this one was, and answers that expire. */
  readonly allowed: number;
  /** Calls of any kind, for each plan. */
  readonly callsPerDecision: number;
  readonly meanSeconds: number;
  readonly p90Seconds: number;
  readonly hitRate: number;
  readonly regret: number;
  /** Usual time of a plan that models decided, from its start. */
  readonly answerSeconds: number;
}

export async function runForesight(
  experience: boolean,
  agents: number,
  plans: number,
  seed: number,
): Promise<ForesightFigures> {
  const { clock, server, planner } = await openSession({ foresight: { experience } }, seed);
  const made: Plan[] = [];
  const records: TraceRecord[] = [];
  let regrets = 0;
  const live = async (agent: LiveAgent): Promise<void> => {
    for (let step = 0; step < plans / agents; step++) {
      const t = clock.now() / 1_000;
      const request = agent.request(t, true);
      const plan = await planner.plan(request);
      records.push({ line: 0, t, request, chosen: plan.action });
      made.push(plan);
      const { regret, seconds } = agent.act(request, plan.action, t);
      regrets += regret;
      await new Promise<void>((resolve) => void clock.setTimer(seconds * 1_000, resolve));
    }
  };
  await runVirtual(clock, Promise.all(liveAgents(agents, seed).map(live)));
  const { foresight, calls, cache } = planner.stats();
  await runVirtual(clock, planner.close());
  server.close();
  const seconds = made.map(({ latencyMs }) => latencyMs / 1_000);
  const answers = made.filter(({ source }) => MODEL_SOURCES.has(source)).map(({ latencyMs }) => latencyMs);
  const answerMs = quantile(answers, 0.5);
  return {
    readyShare: share(foresight.used, made.length),
    allowed: allowedOf(records, answerMs, cache === false ? 0 : cache.ttlMs),
    callsPerDecision: share(calls.made, made.length),
    meanSeconds: seconds.reduce((sum, each) => sum + each, 0) / made.length,
    p90Seconds: quantile(seconds, 0.9),
    hitRate: share(made.filter(({ source }) => isFromTier(source)).length, made.length),
    regret: regrets / made.length,
    answerSeconds: answerMs / 1_000,
  };
}

function allowedOf(records: readonly TraceRecord[], answerMs: number, freshMs: number): number {
  const replay = new ForesightReplay(skyrim, [answerMs], freshMs);
  for (const record of records) replay.next(record);
  return replay.outcome().trials[0]?.ready ?? 0;
}

export interface ForesightChange {
  readonly on: ForesightFigures;
  readonly off: ForesightFigures;
  /** Of what the gates allow, what was gained. */
  readonly gained: number;
  /** Standard error of the change of the regret. */
  readonly regretError: number;
}

/** Means of paired seeds. */
export async function runForesightPairs(
  agents: number,
  plans: number,
  seed: number,
  seeds: number,
): Promise<ForesightChange> {
  const on: ForesightFigures[] = [];
  const off: ForesightFigures[] = [];
  for (let at = seed; at < seed + seeds; at++) {
    on.push(await runForesight(true, agents, plans, at));
    off.push(await runForesight(false, agents, plans, at));
  }
  const means = { on: meanOfAll(on), off: meanOfAll(off) };
  const changes = on.map((run, nth) => run.regret - (off[nth] as ForesightFigures).regret);
  const squares = mean(changes.map((each) => (each - mean(changes)) ** 2));
  const regretError = Math.sqrt(squares / Math.max(1, seeds - 1));
  return { ...means, gained: share(means.on.readyShare, means.on.allowed), regretError };
}

function meanOfAll(runs: readonly ForesightFigures[]): ForesightFigures {
  const keys = Object.keys(runs[0] as ForesightFigures) as (keyof ForesightFigures)[];
  return Object.fromEntries(keys.map((key) => [key, mean(runs.map((run) => run[key]))])) as unknown as ForesightFigures;
}

function mean(of: readonly number[]): number {
  return of.reduce((sum, each) => sum + each, 0) / of.length;
}
