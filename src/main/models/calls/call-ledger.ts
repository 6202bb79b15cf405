import type { ErrorCode } from '../../../shared/errors.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { AttemptSubject } from './attempt-log.ts';

/** Calls that were not made as first planned, as `stats().calls` reports them. */
export interface TryCounts {
  retries: number;
  hedges: number;
  /** Second tries at a place that was slow, to check whether it still is. */
  placeChecks: number;
  /** Calls made to another model than the configured one, because that one was not in memory. */
  seatsMoved: number;
}

export function noTries(): TryCounts {
  return { retries: 0, hedges: 0, placeChecks: 0, seatsMoved: 0 };
}

/** What the call maker records. The code that has calls made provides it, such as the planner's counters. */
export interface CallLedger {
  callStarted(subject: AttemptSubject): void;
  callEnded(subject: AttemptSubject, code: 'OK' | ErrorCode, report: CallReport): void;
  readonly tries: TryCounts;
}
