import { type ErrorWire, encodeError } from '../../shared/errors.ts';
import type { CacheStats, ResolvedCache } from '../cache/cache-options.ts';
import { rounded } from '../measure/shares.ts';
import type { ReportTrace } from '../session/report.ts';
import type { BucketingAdvice } from './bucketing-advice.ts';
import type { ReplayOutcome, TierOutcome } from './replay.ts';
import type { ReplayRun } from './run-replay.ts';
import { type SimilarAdvice, similarAdvice } from './similar-advice.ts';

/** The result of a replay. Shares are between 0 and 1, to six digits; `replay --json` prints it unchanged. */
export interface ReplayReport extends ReplayOutcome {
  readonly trace: ReportTrace;
  readonly serve: 'first' | 'budget';
  /** Whether tiers must earn trust before they serve; no effect with an error budget. */
  readonly trust: 'earned' | 'always';
  /** Null without a budget. */
  readonly errorBudget: number | null;
  /** 0 for no expiry. */
  readonly ttlSeconds: number;
  readonly entries: number;
  readonly advice: readonly BucketingAdvice[];
  /** Whether similar states are right often enough; null if too little was compared. */
  readonly similarAdvice: SimilarAdvice | null;
  /** Whether the loop guard and the cycle guard were on. */
  readonly guard: boolean;
  readonly withheld: Withheld;
  readonly interrupted: boolean;
  /** The error that ended the replay early, or made it worthless. */
  readonly error?: ErrorWire;
}

/** Answers that memory had and did not serve, by what held them back. */
interface Withheld {
  /** The same action had had no effect twice. */
  readonly loop: number;
  /** The agent repeated a cycle. Always 0 with an error budget. */
  readonly cycle: number;
  /** Q-values contradicted it. */
  readonly values: number;
  /** The state's own entry had expired, and nothing else was served. */
  readonly expiry: number;
  /** Too likely to be wrong for the error budget, or of a tier that has not earned trust. */
  readonly evidence: number;
  /** It could be served, and was asked about to gather evidence. */
  readonly probes: number;
}

interface ReplaySubject {
  readonly trace: ReplayReport['trace'];
  readonly cache: ResolvedCache;
  readonly fault?: Error;
}

export function replayReport({ outcome, advice, interrupted }: ReplayRun, subject: ReplaySubject): ReplayReport {
  const { trace, cache: options, fault } = subject;
  const { errorBudget, trust, ttlMs, entries } = options;
  const similar = similarAdvice(outcome);
  return {
    decisions: outcome.decisions,
    served: rounded(outcome.served, 6),
    wrong: rounded(outcome.wrong, 6),
    wrongHigh: rounded(outcome.wrongHigh, 6),
    looped: rounded(outcome.looped, 6),
    thirdInARow: outcome.thirdInARow,
    lookupsPerSecond: outcome.lookupsPerSecond,
    trace,
    serve: errorBudget === false ? 'first' : 'budget',
    trust,
    errorBudget: errorBudget === false ? null : errorBudget,
    ttlSeconds: Number.isFinite(ttlMs) ? ttlMs / 1_000 : 0,
    entries,
    unjudged: outcome.unjudged,
    wrongLow: rounded(outcome.wrongLow, 6),
    exact: tier(outcome.exact),
    similar: tier(outcome.similar),
    habit: tier(outcome.habit),
    advice: advice.map((each) => sixDigits(each, ['served', 'wrong', 'servedNow', 'wrongNow'])),
    similarAdvice: similar && sixDigits(similar, ['wrong', 'selfWrong']),
    cache: outcome.cache,
    guard: options.loopGuard,
    withheld: withheldOf(outcome.cache),
    running: outcome.running,
    servedCount: outcome.servedCount,
    wrongCount: outcome.wrongCount,
    loopedCount: outcome.loopedCount,
    disordered: outcome.disordered,
    restarts: outcome.restarts,
    interrupted,
    ...(fault && { error: encodeError(fault) }),
  };
}

function withheldOf(stats: CacheStats): Withheld {
  const { budget } = stats;
  return {
    loop: stats.loopsBroken,
    cycle: stats.cyclesBroken,
    values: stats.contradicted,
    expiry: stats.expired,
    evidence: budget === false ? stats.withheld : budget.judged - budget.served - budget.probes,
    probes: budget === false ? stats.probes : budget.probes,
  };
}

/** Returns a copy in which the named numbers are rounded to six digits. */
export function sixDigits<T extends object>(of: T, names: readonly (keyof T)[]): T {
  return { ...of, ...Object.fromEntries(names.map((name) => [name, rounded(of[name] as number, 6)])) };
}

function tier(outcome: TierOutcome): TierOutcome {
  return sixDigits(outcome, ['served', 'wrong', 'wrongLow', 'wrongHigh']);
}
