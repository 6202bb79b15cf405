import type { ErrorCode } from '../../../shared/errors.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { AttemptSubject } from './attempt-log.ts';

/** Calls that were made in another way than first meant, as `stats().calls` tells them. */
export interface TryCounts {
  retries: number;
  hedges: number;
  /** Second tries at a place that was slow, to see whether it still is. */
  placeChecks: number;
  /** Calls made to another model than the one configured, since that one was not in memory. */
  seatsMoved: number;
}

export function noTries(): TryCounts {
  return { retries: 0, hedges: 0, placeChecks: 0, seatsMoved: 0 };
}

/** What the maker of calls writes down. Whoever has calls made keeps it: the planner's counters are one. */
export interface CallLedger {
  callStarted(subject: AttemptSubject): void;
  callEnded(subject: AttemptSubject, code: 'OK' | ErrorCode, report: CallReport): void;
  readonly tries: TryCounts;
}
