import { defined } from '../../../shared/defined.ts';
import type { Domain } from '../../../shared/domain.ts';
import { type ErrorWire, encodeError, type PlannerError } from '../../../shared/errors.ts';
import { rounded } from '../../measure/shares.ts';
import type { ReportTrace } from '../../session/report.ts';
import type { TraceRecord } from '../../session/trace-reader.ts';
import { sixDigits } from '../replay-report.ts';
import { type ReadOptions, takeRecords } from '../take-records.ts';
import { type ForeseenShares, type ForesightOutcome, ForesightReplay } from './foresight-replay.ts';
import type { TrialOutcome } from './foresight-trial.ts';

/** Shares by the milliseconds that a model takes. */
type ByModel = Readonly<Record<string, number>>;

/** How well requests can be foreseen. Shares are between 0 and 1, to six digits; `replay --foresight --json` prints it unchanged. */
export interface ForesightReport {
  readonly trace: ReportTrace;
  readonly foresight: Omit<ForesightOutcome, 'trials'> & {
    /** Calls for futures whose answer nobody asked for, a decision, after the gates. */
    readonly extraCalls: ByModel;
    /** All calls for futures, a decision, after the gates. */
    readonly calls: ByModel;
    /** Share of the requests whose state was new and whose answer was there, after the gates. */
    readonly ready: ByModel;
  };
  readonly interrupted: boolean;
  /** The error that ended the replay early, or made it worthless. */
  readonly error?: ErrorWire;
}

interface ForesightRun {
  readonly outcome: ForesightOutcome;
  readonly interrupted: boolean;
  /** The broken line that ended the replay early. */
  readonly fault?: PlannerError;
}

const SHARES: readonly (keyof ForeseenShares)[] = ['first', 'three', 'newFirst', 'newThree'];

/** Judges foresight on a trace, to its end, its first broken line, the limit or an interrupt. */
export async function runForesight(
  records: AsyncIterable<TraceRecord>,
  domain: Domain,
  options: ReadOptions,
): Promise<ForesightRun> {
  const replay = new ForesightReplay(domain);
  const fault = await takeRecords(records, (record) => replay.next(record), options);
  return { outcome: replay.outcome(), interrupted: options.signal?.aborted ?? false, ...defined({ fault }) };
}

export function foresightReport(
  { outcome, interrupted }: ForesightRun,
  trace: ReportTrace,
  fault?: PlannerError,
): ForesightReport {
  const { trials, ...counted } = outcome;
  return {
    trace,
    foresight: {
      ...sixDigits(counted, [...SHARES, 'guessesPerDecision']),
      byHorizon: outcome.byHorizon.map((horizon) => sixDigits(horizon, SHARES)),
      extraCalls: byModel(trials, ({ extraCalls }) => extraCalls),
      calls: byModel(trials, ({ calls }) => calls),
      ready: byModel(trials, ({ ready }) => ready),
    },
    interrupted,
    ...(fault && { error: encodeError(fault) }),
  };
}

function byModel(trials: readonly TrialOutcome[], of: (trial: TrialOutcome) => number): ByModel {
  return Object.fromEntries(trials.map((trial) => [trial.modelMs, rounded(of(trial), 6)]));
}
