import type { ErrorCode } from '../../../shared/errors.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { LatencyProfile } from '../time/latency-profile.ts';

/** What the outcome of a call says about its server: pure functions of its code and its report. */

/** A call given up without output counts as silent after longer than this share of calls takes to start. */
const SILENT_QUANTILE = 0.99;

/** Whether the server failed, or did not answer in time. */
export function isFailure(code: 'OK' | ErrorCode): boolean {
  if (isAnswer(code) || code === 'ERR_CANCELLED' || code === 'ERR_POOL_FULL' || code === 'ERR_INTERNAL') return false;
  return !code.startsWith('ERR_WORKER');
}

/**
 * Whether a cut call counts as a failure because it was silent. A plan whose other experts agree does not wait for a silent one,
 * so its calls never time out: without this, a hanging server would cost every plan the time until another expert is asked. Says
 * nothing about how long the model takes.
 */
export function isSilence({ firstTokenMs, totalMs }: CallReport, profile: LatencyProfile, unknownMs: number): boolean {
  if (firstTokenMs !== undefined) return false;
  const usualMs = profile.quantile('firstToken', SILENT_QUANTILE) ?? profile.quantile('total', SILENT_QUANTILE);
  return totalMs > (usualMs ?? unknownMs);
}

/** A status of 500 or more without details, or the same in an event: caused by the server, or by this one request. */
export function isUnclear(code: 'OK' | ErrorCode): boolean {
  return code === 'ERR_MODEL_STATUS';
}

/** The server is well, whatever the answer is worth. A refusal is the fault of the request, or of one model's name. */
export function isAnswer(code: 'OK' | ErrorCode): boolean {
  return isWork(code) || code.startsWith('ERR_VOTE') || code === 'ERR_MODEL_EMPTY' || REFUSALS.has(code);
}

/** The server may have been restarted, and may be another one when it is back. */
export const CUT_OFF: ReadonlySet<string> = new Set(['ERR_MODEL_REFUSED', 'ERR_MODEL_RESET', 'ERR_MODEL_OVERLOADED']);

/** Answers that the server did not finish. */
export const BROKEN: ReadonlySet<string> = new Set(['ERR_MODEL_STATUS', 'ERR_MODEL_RESET']);

export const REFUSALS: ReadonlySet<string> = new Set([
  'ERR_MODEL_SCHEMA',
  'ERR_MODEL_REJECTED',
  'ERR_MODEL_INVALID_ID',
  'ERR_METHOD_UNKNOWN',
]);

/** Whether the model did its work. Useless answers are often very quick, and would make the others seem slow. */
export function isWork(code: 'OK' | ErrorCode): boolean {
  return code === 'OK';
}

export function isTimeout(code: 'OK' | ErrorCode): boolean {
  return code.startsWith('ERR_MODEL_TIMEOUT') || code === 'ERR_PLAN_SETTLED';
}
