import type { AnyPlannerOptions } from '../../src/main/options/planner-options.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import type { Domain } from '../../src/shared/domain.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import type { ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import { median } from '../figures.ts';
import { requestOf } from '../requests.ts';
import { DOMAINS } from './crowds.ts';

/** Cached plans a second in a planner of five domains against a planner of one, side by side on one thread. */
export interface HitFigures {
  readonly hitsPerSecond: number;
  readonly hitsPerSecondOfOne: number;
  /** Median of the rounds. */
  readonly ratio: number;
}

/** As many states for the one domain as for the five together: both memories are equally large. */
const STATES = 320;
const BATCH = 64_000;

const POOL = {
  run: async ({ situation }: Omit<ExpertTask, 'cancel'>): Promise<ExpertResult> => {
    const [action] = situation.actions as [string, ...string[]];
    return { ok: true, vote: { action, reason: 'It is the first.' }, report: { totalMs: 1 } };
  },
  stats: () => ({ threads: 0, running: 0, stuck: 0, crashed: 0 }),
  close: async () => {},
};

const CLIENT = {
  chat: () => Promise.reject(new Error('nothing is synthesized')),
  listModels: async () => ['m'],
  close: async () => {},
};

async function open(kinds: { domain: Domain } | { domains: Record<string, Domain> }): Promise<Planner> {
  const common = {
    endpoints: { none: { baseURL: 'http://127.0.0.1:1/v1' } },
    experts: [{ role: skyrim.roles[0]?.name as string, model: 'm' }],
    features: { constrainedAnswers: false },
    cache: {
      loopGuard: false,
      cycleGuard: false,
      checkShare: 0,
      refreshAhead: false,
      valuesMin: false,
      ttlMs: 3_600_000,
    },
  } as const;
  return createPlanner({ ...common, ...kinds } as AnyPlannerOptions, { pool: POOL, client: () => CLIENT });
}

/** The requests take turns by domain, which is the hardest order for what is remembered of the last one. */
function requestsOf(isSplit: boolean): PlanRequest[] {
  return Array.from({ length: STATES }, (_, index) => {
    const request = requestOf(index);
    return isSplit ? { ...request, domain: DOMAINS[index % DOMAINS.length] as string } : request;
  });
}

async function warm(planner: Planner, requests: readonly PlanRequest[]): Promise<void> {
  for (const request of requests) await planner.plan(request);
  for (const request of requests) {
    if (planner.peek(request) === undefined) throw new Error('a state is not remembered');
  }
}

/** Nanoseconds for a plan. */
function timed(planner: Planner, requests: readonly PlanRequest[]): number {
  const startedAt = process.hrtime.bigint();
  for (let nth = 0; nth < BATCH; nth++) {
    const plan = planner.planNow(requests[nth % requests.length] as PlanRequest);
    if (plan instanceof Promise) throw new Error('a plan was not answered from memory');
  }
  return Number(process.hrtime.bigint() - startedAt) / BATCH;
}

export async function runHits(rounds: number): Promise<HitFigures> {
  const one = { planner: await open({ domain: skyrim }), requests: requestsOf(false), ns: [] as number[] };
  const five = {
    planner: await open({ domains: Object.fromEntries(DOMAINS.map((name) => [name, skyrim])) }),
    requests: requestsOf(true),
    ns: [] as number[],
  };
  const both = [one, five];
  for (const each of both) await warm(each.planner, each.requests);
  for (let round = -2; round < rounds; round++) {
    for (const each of round % 2 === 0 ? both : both.toReversed()) {
      const ns = timed(each.planner, each.requests);
      if (round >= 0) each.ns.push(ns);
    }
  }
  const ratio = median(one.ns.map((ns, round) => ns / (five.ns[round] as number)));
  await Promise.all(both.map(({ planner }) => planner.close()));
  return { hitsPerSecond: 1e9 / median(five.ns), hitsPerSecondOfOne: 1e9 / median(one.ns), ratio };
}
