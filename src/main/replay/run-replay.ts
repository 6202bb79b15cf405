import { defined } from '../../shared/defined.ts';
import type { Domain } from '../../shared/domain.ts';
import type { PlannerError } from '../../shared/errors.ts';
import type { TraceRecord } from '../session/trace-reader.ts';
import { type BucketingAdvice, BucketingStudy } from './bucketing-advice.ts';
import { Replay, type ReplayOptions, type ReplayOutcome } from './replay.ts';
import { type ReadOptions, takeRecords } from './take-records.ts';

export interface ReplayRunOptions extends ReplayOptions, ReadOptions {
  /** Whether to try changes of the bucketing, too. */
  readonly advice: boolean;
}

export interface ReplayRun {
  readonly outcome: ReplayOutcome;
  /** Empty if not requested. */
  readonly advice: readonly BucketingAdvice[];
  readonly seconds: number;
  readonly interrupted: boolean;
  /** The broken line that ended the replay early. */
  readonly fault?: PlannerError;
}

/** Replays a trace to its end, its first broken line, the limit or an interrupt. */
export async function runReplay(
  records: AsyncIterable<TraceRecord>,
  domain: Domain,
  options: ReplayRunOptions,
): Promise<ReplayRun> {
  const { clock, signal } = options;
  const replay = new Replay(domain, options);
  const study = options.advice ? new BucketingStudy(domain) : undefined;
  const startedAtMs = clock.now();
  const take = (record: TraceRecord): void => {
    const { request, chosen } = record;
    if (replay.next(record) && chosen !== undefined) study?.add(request, chosen);
  };
  const fault = await takeRecords(records, take, options);
  return {
    outcome: replay.outcome(),
    advice: study?.advice() ?? [],
    seconds: (clock.now() - startedAtMs) / 1_000,
    interrupted: signal?.aborted ?? false,
    ...defined({ fault }),
  };
}
