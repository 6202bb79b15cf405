import type { Clock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import type { Domain } from '../../shared/domain.ts';
import { PlannerError } from '../../shared/errors.ts';
import type { TraceRecord } from '../session/trace-reader.ts';
import { type BucketingAdvice, BucketingStudy } from './bucketing-advice.ts';
import { Replay, type ReplayOptions, type ReplayOutcome } from './replay.ts';

export interface ReplayRunOptions extends ReplayOptions {
  /** Whether to try changes of the bucketing, too. */
  readonly advice: boolean;
  /** Maximum number of records to replay. Default: all. */
  readonly limit?: number;
  /** The process's clock; the replay itself uses the trace's time. */
  readonly clock: Clock;
  /** Ends the replay; the results so far are reported. */
  readonly signal?: AbortSignal;
  readonly onRecord?: () => void;
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

/** A replay never waits, so it yields this often to interrupts and its own progress bar, in milliseconds. */
const TURN_MS = 50;

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
  const fault = await replayAll(records, replay, study, options);
  return {
    outcome: replay.outcome(),
    advice: study?.advice() ?? [],
    seconds: (clock.now() - startedAtMs) / 1_000,
    interrupted: signal?.aborted ?? false,
    ...defined({ fault }),
  };
}

async function replayAll(
  records: AsyncIterable<TraceRecord>,
  replay: Replay,
  study: BucketingStudy | undefined,
  { clock, signal, limit = Number.POSITIVE_INFINITY, onRecord }: ReplayRunOptions,
): Promise<PlannerError | undefined> {
  let left = limit;
  let turnAtMs = clock.now() + TURN_MS;
  try {
    for await (const record of records) {
      const { chosen } = record;
      if (replay.next(record) && chosen !== undefined) study?.add(record.request, chosen);
      onRecord?.();
      if (--left <= 0) return undefined;
      if (clock.now() >= turnAtMs) {
        await turn(clock);
        turnAtMs = clock.now() + TURN_MS;
      }
      if (signal?.aborted) return undefined;
    }
    return undefined;
  } catch (error) {
    if (error instanceof PlannerError && error.code === 'ERR_TRACE_INVALID') return error;
    throw error;
  }
}

function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(0, resolve);
  });
}
