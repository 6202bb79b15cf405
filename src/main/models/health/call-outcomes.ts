import type { ErrorCode } from '../../../shared/errors.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { LatencyProfile } from '../time/latency-profile.ts';

/** What the outcome of a call says of its server: pure functions of its code and its report. */

/** A call that was given up before anything came, after longer than this share of calls takes to begin, was silent. */
const SILENT_QUANTILE = 0.99;

/** The server failed, or did not answer in time. */
export function isFailure(code: 'OK' | ErrorCode): boolean {
  if (isAnswer(code) || code === 'ERR_CANCELLED' || code === 'ERR_POOL_FULL' || code === 'ERR_INTERNAL') return false;
  return !code.startsWith('ERR_WORKER');
}

/**
 * A plan whose other experts agree does not wait for one that is silent, so that its calls never time out: without this,
 * a server that hangs would cost every plan the time until another expert is asked. Of how long the model takes it says
 * nothing.
 */
export function isSilence({ firstTokenMs, totalMs }: CallReport, profile: LatencyProfile, unknownMs: number): boolean {
  if (firstTokenMs !== undefined) return false;
  const usualMs = profile.quantile('firstToken', SILENT_QUANTILE) ?? profile.quantile('total', SILENT_QUANTILE);
  return totalMs > (usualMs ?? unknownMs);
}

/** A status from 500 up that tells no more, or the same in an event: of the server, or of this one request. */
export function isUnclear(code: 'OK' | ErrorCode): boolean {
  return code === 'ERR_MODEL_STATUS';
}

/** The server is well, whatever the answer is worth; what it refuses is the fault of the request, or of one model's name. */
export function isAnswer(code: 'OK' | ErrorCode): boolean {
  return isWork(code) || code.startsWith('ERR_VOTE') || code === 'ERR_MODEL_EMPTY' || REFUSALS.has(code);
}

/** The server may have been restarted, and be another one when it is back. */
export const CUT_OFF: ReadonlySet<string> = new Set(['ERR_MODEL_REFUSED', 'ERR_MODEL_RESET', 'ERR_MODEL_OVERLOADED']);

/** Answers that the server did not finish. */
export const BROKEN: ReadonlySet<string> = new Set(['ERR_MODEL_STATUS', 'ERR_MODEL_RESET']);

export const REFUSALS: ReadonlySet<string> = new Set([
  'ERR_MODEL_SCHEMA',
  'ERR_MODEL_REJECTED',
  'ERR_MODEL_INVALID_ID',
  'ERR_METHOD_UNKNOWN',
]);

/** The model did its work. Useless answers are often very quick, and would make the others seem slow. */
export function isWork(code: 'OK' | ErrorCode): boolean {
  return code === 'OK';
}

export function isTimeout(code: 'OK' | ErrorCode): boolean {
  return code.startsWith('ERR_MODEL_TIMEOUT') || code === 'ERR_PLAN_SETTLED';
}
