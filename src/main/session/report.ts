import { type ErrorWire, encodeError } from '../../shared/errors.ts';
import type { CacheStats } from '../cache/cache-options.ts';
import type { BudgetStats } from '../cache/evidence/error-budget.ts';
import type { StandingStats } from '../cache/standing/tier-standing.ts';
import type { Durations } from '../measure/durations.ts';
import { rounded, share } from '../measure/shares.ts';
import type { EndpointStats } from '../models/endpoint-parts.ts';
import type { Series } from '../monitor/series.ts';
import type { ModelStats } from '../plans/counters.ts';
import type { DomainStats } from '../plans/domain-core.ts';
import { PLAN_FIGURES } from '../plans/figures/plan-figures.ts';
import type { PlannerStats, StatsByDomain } from '../plans/planner.ts';
import type { ReadStats } from '../plans/reads/reads.ts';
import type { Judgement } from './judgement.ts';
import type { SessionCounts, SessionOutcome } from './session.ts';
import type { SkippedLines } from './trace-reader.ts';

/** Which models answered: the simulated server, which may run faster than real time, or the user's own. */
export type ReportServer =
  | { readonly kind: 'simulated'; readonly speed: number; readonly baseURL: string }
  | { readonly kind: 'endpoints'; readonly baseURLs: readonly string[] };

export interface ReportTrace {
  readonly file: string;
  readonly name: string;
  /** Broken lines that were skipped; absent if there are none, or if they are not to be skipped. */
  readonly skipped?: SkippedLines;
}

/** A distribution of durations, in milliseconds. */
type ReportDurations = Omit<Durations, 'count'>;

/** Token counts that servers reported, over all calls, including background and cancelled ones. */
interface ReportTokens {
  readonly prompt: number;
  readonly completion: number;
  /** Prompt tokens that the server had read before. */
  readonly cached: number;
  /** Share of the tokens read and written that no server reported: 0 to 1. */
  readonly estimated: number;
}

/** Parts of the cache's `stats()` that a report lacks, or has at another place. */
type NotReported = 'hitRate' | 'bytes' | 'cut' | 'entriesByScene' | 'ttl' | 'disk';
const NOT_REPORTED: ReadonlySet<string> = new Set<NotReported>(['hitRate', 'bytes', 'cut']);

/** The result of a session. Counts are numbers, rates are between 0 and 1; `session --json` prints it unchanged. */
export interface SessionReport extends Omit<SessionCounts, 'compared' | 'agreed'> {
  /** Share of the cache lookups that were hits. */
  readonly hitRate: number;
  /**
   * Share of the calls that gave a vote, of those that ended while they were wanted. Cancelled calls do not count (see `calls.cancelled`): a panel
   * that has its quorum cancels the rest on purpose.
   */
  readonly llmSuccess: number;
  /** Calls that ran out of time. */
  readonly timeouts: number;
  /** Plans for which model A gave no decision and a later rung was started. */
  readonly fallbacks: number;
  readonly sources: PlannerStats['sources'];
  /** Plans that no model decided, by reason. */
  readonly why: PlannerStats['why'];
  readonly planningMs: ReportDurations;
  readonly latenessMs: ReportDurations;
  /** All zero if the cache is off. */
  readonly cache: Omit<CacheStats, NotReported | 'falseHits' | 'standing' | 'budget'> & {
    /** What each tier has shown, and whether it serves; null with an error budget, or if the cache is off. */
    readonly standing: StandingStats | null;
    /** How often served answers turned out to be wrong when models were asked again; null if the cache is off. */
    readonly falseHits: CacheStats['falseHits'] | null;
    /** Null without an error budget. */
    readonly budget: BudgetStats | null;
  };
  /** Model calls that no plan waits for. */
  readonly background: PlannerStats['background'];
  readonly late: PlannerStats['late'];
  /** What became of the states that agents were expected to be in. Null in reports of earlier versions. */
  readonly foresight: PlannerStats['foresight'] | null;
  /** The decisions of reads, and how reliable their probabilities are; null if no model is read. */
  readonly reads: ReadStats | null;
  /** Its success rate is `llmSuccess`. */
  readonly calls: Omit<PlannerStats['calls'], 'successRate'>;
  readonly models: readonly ModelStats[];
  /** The state of each model server at the end. */
  readonly endpoints: readonly EndpointStats[];
  readonly tokensPerPlan: ReportTokens;
  /** Plans that shared the model work of another one. */
  readonly coalesced: number;
  /** Plans answered with what was available because their agent asked for a newer one. */
  readonly superseded: number;
  /** Plans for records with the agent's real action, and those that chose the same. */
  readonly agreement: { readonly compared: number; readonly agreed: number; readonly rate: number };
  readonly interrupted: boolean;
  readonly seconds: number;
  readonly plansPerSecond: number;
  readonly trace: ReportTrace;
  readonly server: ReportServer;
  /** By domain, if there are several; the figures above are of all together. */
  readonly domains?: Readonly<Record<string, ReportDomain>>;
  /** The course of the session in at most 601 samples, for charts; included in `--json`. */
  readonly series?: Series;
  /** The result of the expectations, if there were any. */
  readonly expect?: Judgement;
  /** The error that ended the session early, or made its recording incomplete. */
  readonly error?: ErrorWire;
}

/** The figures of one of several domains. */
interface ReportDomain extends Pick<DomainStats, 'sources' | 'why' | 'fallbacks'> {
  readonly plans: number;
  readonly hitRate: number;
  readonly planningMs: ReportDurations;
  /** How often served answers turned out to be wrong; null if nothing is remembered. */
  readonly falseHits: CacheStats['falseHits']['all'] | null;
}

export interface ReportSubject {
  readonly trace: ReportTrace;
  readonly server: ReportServer;
  readonly series?: Series;
  readonly expect?: Judgement;
}

export function sessionReport(
  outcome: SessionOutcome,
  stats: PlannerStats & StatsByDomain,
  subject: ReportSubject,
): SessionReport {
  const { successRate: llmSuccess, ...calls } = stats.calls;
  const { plans, legal, onTime, compared, agreed, agents, laps, interrupted, cancelled, seconds, fault } = outcome;
  return {
    plans,
    legal,
    onTime,
    hitRate: stats.cache === false ? 0 : stats.cache.hitRate,
    llmSuccess,
    timeouts: calls.timeouts,
    fallbacks: stats.fallbacks,
    sources: stats.sources,
    why: stats.why,
    planningMs: durations(stats.planningMs),
    latenessMs: durations(stats.latenessMs),
    cache: cacheOf(stats.cache),
    background: stats.background,
    late: stats.late,
    foresight: stats.foresight,
    reads: stats.reads || null,
    calls,
    models: stats.models,
    endpoints: stats.endpoints,
    tokensPerPlan: tokensPerPlan(stats.models, plans),
    coalesced: stats.plans.coalesced,
    superseded: stats.plans.superseded,
    agreement: { compared, agreed, rate: share(agreed, compared) },
    agents,
    laps,
    interrupted,
    cancelled,
    seconds: rounded(seconds),
    plansPerSecond: rounded(share(plans, seconds)),
    ...subject,
    ...(stats.domains === undefined ? {} : { domains: byDomain(stats.domains) }),
    ...(fault === undefined ? {} : { error: encodeError(fault) }),
  };
}

function byDomain(domains: Readonly<Record<string, DomainStats>>): Readonly<Record<string, ReportDomain>> {
  const entries = Object.entries(domains).map(([name, stats]): [string, ReportDomain] => {
    const { plans, sources, why, fallbacks, cache, planningMs } = stats;
    const { hitRate, falseHits } = cache || { hitRate: 0, falseHits: undefined };
    const figures = { sources, why, fallbacks, hitRate, planningMs: durations(planningMs) };
    return [name, { plans: plans.settled, ...figures, falseHits: falseHits?.all ?? null }];
  });
  return Object.fromEntries(entries);
}

type ReportCache = SessionReport['cache'];
type CacheFigures = Omit<ReportCache, 'standing' | 'falseHits' | 'budget' | 'ttlByScene'>;

/** The figures of the cache itself, in the order of the table; its lists follow them. */
const CACHE_FIGURES = PLAN_FIGURES.flatMap(({ path }) => /^cache\.(\w+)$/.exec(path)?.[1] ?? []).filter(
  (name) => !NOT_REPORTED.has(name),
) as (keyof CacheFigures)[];

function cacheOf(cache: PlannerStats['cache']): ReportCache {
  const figures = CACHE_FIGURES.map((name) => [name, cache === false ? 0 : cache[name]]);
  const { standing, falseHits, budget, ttlByScene } = cache || { falseHits: null, ttlByScene: [] };
  const parts = { standing: standing || null, falseHits, budget: budget || null, ttlByScene };
  return { ...(Object.fromEntries(figures) as CacheFigures), ...parts };
}

function tokensPerPlan(models: readonly ModelStats[], plans: number): ReportTokens {
  const sum = (tokensOf: (model: ModelStats) => number): number =>
    models.reduce((total, model) => total + tokensOf(model), 0);
  const perPlan = (tokensOf: (model: ModelStats) => number): number => rounded(share(sum(tokensOf), plans));
  return {
    prompt: perPlan(({ promptTokens }) => promptTokens),
    completion: perPlan(({ completionTokens }) => completionTokens),
    cached: perPlan(({ cachedTokens }) => cachedTokens),
    estimated: rounded(
      share(
        sum((model) => model.promptTokensEstimated + model.completionTokensEstimated),
        sum((model) => model.promptTokens + model.completionTokens),
      ),
    ),
  };
}

function durations({ mean, p50, p95, p99, max }: ReportDurations): ReportDurations {
  return { mean: rounded(mean), p50, p95, p99, max };
}
