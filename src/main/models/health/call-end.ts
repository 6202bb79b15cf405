import type { ErrorCode } from '../../../shared/errors.ts';
import type { CallEnd } from '../endpoint-parts.ts';
import type { Slot } from '../slots/ask.ts';
import type { CallKind, LatencyProfile } from '../time/latency-profile.ts';
import { isFailure, isSilence, isTimeout } from './call-outcomes.ts';

/** Quantile of a model's call times that counts as the usual time. */
const USUAL = 0.95;
/** The usual time if a model's times are not known. */
const USUAL_MS = 1_000;
/** If times are not known, a call that was given up after this long without any output counts as silent. */
const SILENT_MS = 2_000;

/** What the end of a call says about its server. */
interface CallVerdict {
  /** How the call ended. */
  readonly told: 'OK' | ErrorCode;
  /** How it counts. */
  readonly code: 'OK' | ErrorCode;
  /** Whether it was given up although its answer should have started. */
  readonly isSilent: boolean;
  readonly isIll: boolean;
}

/** `isLoading`: the model was being loaded when the call ended. */
interface EndedCall {
  readonly profile: LatencyProfile;
  readonly isLoading: boolean;
  readonly slot: Pick<Slot, 'isBackground'>;
}

/** Judges from the end of a call whether its server is well. */
export function judgeEnd(kind: CallKind, result: CallEnd, { profile, isLoading, slot }: EndedCall): CallVerdict {
  const told = result.ok ? 'OK' : codeOf(kind, result.error.code);
  const { report } = result;
  // A call that started late and was cut by its plan before most calls are done says nothing about the server. A call whose choice was certain
  // was useful: its server is slow, but well.
  const hasChosen = told === 'ERR_PLAN_SETTLED' && report.choiceMs !== undefined;
  const isEarly = report.totalMs < (profile.quantile('total', USUAL) ?? USUAL_MS);
  // A read shows nothing until its end, so one that was cut by its plan says less about the server than a cut answer in words.
  const isReadCut = kind === 'read' && told === 'ERR_PLAN_SETTLED';
  const isCutShort = isTimeout(told) && (hasChosen || isEarly || isReadCut);
  const code = isCutShort || (isLoading && isTimeout(told)) ? 'ERR_CANCELLED' : told;
  // A call that was given up for another counts as silent only if the model is known to start sooner.
  const unknownMs = slot.isBackground ? Number.POSITIVE_INFINITY : SILENT_MS;
  const isSilent = code === 'ERR_CANCELLED' && !isLoading && isSilence(report, profile, unknownMs);
  // Too slow for its plan, but writing to the end: it needs more time, not another server.
  const isIll = isFailure(code) && !(isTimeout(code) && report.isWriting === true);
  return { told, code, isSilent, isIll };
}

/** A server that returns no probabilities, or invalid ones, is well: it can be asked in words. */
function codeOf(kind: CallKind, code: ErrorCode): ErrorCode {
  return kind === 'read' && code === 'ERR_MODEL_MALFORMED' ? 'ERR_MODEL_EMPTY' : code;
}
