import { PLAN_SOURCES, type PlanSource } from '../../shared/decision.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { CallReport } from '../../shared/tasks.ts';
import { BucketCounts, type Buckets } from '../measure/bucket-counts.ts';

/** Bucket bounds in seconds, from a cache hit to the longest useful plans. */
const PLAN_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 25, 30,
];
/** Bucket bounds of OpenTelemetry's conventions for calls to models: seconds, seconds, tokens. */
export const CALL_BOUNDS: readonly number[] = Array.from({ length: 14 }, (_, i) => 2 ** i / 100);
const FIRST_CHUNK_BOUNDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
export const TOKEN_BOUNDS: readonly number[] = Array.from({ length: 14 }, (_, i) => 4 ** i);

/** Times and tokens of the calls of one model. */
export interface CallDistributions {
  /** Durations in seconds, by the code with which calls ended. */
  readonly durations: ReadonlyMap<'OK' | ErrorCode, Buckets>;
  /** Time from the start of the call to the first token, in seconds. */
  readonly firstChunk: Buckets;
  /** Estimated if the server did not report them. */
  readonly inputTokens: Buckets;
  readonly outputTokens: Buckets;
}

/** The figures of which `stats()` has only percentiles, in buckets that a monitoring system can add up. */
export interface Distributions {
  /** Planning times in seconds, by source. */
  readonly plans: Readonly<Record<PlanSource, Buckets>>;
  readonly models: readonly (CallDistributions & {
    readonly endpoint: string;
    readonly model: string;
    readonly step: 'read' | 'expert' | 'synthesis';
  })[];
}

export class CallTimes implements CallDistributions {
  readonly durations = new Map<'OK' | ErrorCode, BucketCounts>();
  readonly firstChunk = new BucketCounts(FIRST_CHUNK_BOUNDS);
  readonly inputTokens = new BucketCounts(TOKEN_BOUNDS);
  readonly outputTokens = new BucketCounts(TOKEN_BOUNDS);

  ended(code: 'OK' | ErrorCode, { totalMs, firstTokenMs, promptTokens, completionTokens }: CallReport): void {
    this.#durationsOf(code).observe(totalMs / 1000);
    if (firstTokenMs !== undefined) this.firstChunk.observe(firstTokenMs / 1000);
    if (promptTokens !== undefined) this.inputTokens.observe(promptTokens);
    if (completionTokens !== undefined) this.outputTokens.observe(completionTokens);
  }

  add(other: CallTimes): void {
    for (const [code, durations] of other.durations) this.#durationsOf(code).add(durations);
    this.firstChunk.add(other.firstChunk);
    this.inputTokens.add(other.inputTokens);
    this.outputTokens.add(other.outputTokens);
  }

  #durationsOf(code: 'OK' | ErrorCode): BucketCounts {
    const known = this.durations.get(code) ?? new BucketCounts(CALL_BOUNDS);
    this.durations.set(code, known);
    return known;
  }
}

export function planTimes(): Record<PlanSource, BucketCounts> {
  const entries = PLAN_SOURCES.map((source) => [source, new BucketCounts(PLAN_BOUNDS)]);
  return Object.fromEntries(entries) as Record<PlanSource, BucketCounts>;
}
