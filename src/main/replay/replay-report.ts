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
export interface Withheld {
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

export interface ReplaySubject {
  readonly trace: ReplayReport['trace'];
  readonly cache: ResolvedCache;
  readonly fault?: Error;
}

export function replayReport({ outcome, advice, interrupted }: ReplayRun, subject: ReplaySubject): ReplayReport {
  const { trace, cache: options, fault } = subject;
  const { errorBudget, trust, ttlMs, entries } = options;
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
    advice: advice.map(roundedAdvice),
    similarAdvice: roundedSimilar(similarAdvice(outcome)),
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
    ...(fault === undefined ? {} : { error: encodeError(fault) }),
  };
}

function withheldOf({
  loopsBroken,
  cyclesBroken,
  contradicted,
  expired,
  withheld,
  probes,
  budget,
}: CacheStats): Withheld {
  return {
    loop: loopsBroken,
    cycle: cyclesBroken,
    values: contradicted,
    expiry: expired,
    evidence: budget === false ? withheld : budget.judged - budget.served - budget.probes,
    probes: budget === false ? probes : budget.probes,
  };
}

function tier({ served, wrong, wrongLow, wrongHigh, servedCount, wrongCount }: TierOutcome): TierOutcome {
  return {
    served: rounded(served, 6),
    wrong: rounded(wrong, 6),
    wrongLow: rounded(wrongLow, 6),
    wrongHigh: rounded(wrongHigh, 6),
    servedCount,
    wrongCount,
  };
}

function roundedAdvice(advice: BucketingAdvice): BucketingAdvice {
  const { served, wrong, servedNow, wrongNow } = advice;
  return {
    ...advice,
    served: rounded(served, 6),
    wrong: rounded(wrong, 6),
    servedNow: rounded(servedNow, 6),
    wrongNow: rounded(wrongNow, 6),
  };
}

function roundedSimilar(advice: SimilarAdvice | null): SimilarAdvice | null {
  return advice && { ...advice, wrong: rounded(advice.wrong, 6), selfWrong: rounded(advice.selfWrong, 6) };
}
