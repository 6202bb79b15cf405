import type { ErrorCode } from '../../../shared/errors.ts';
import type { ReadForm } from '../../../shared/reads/reading.ts';
import type { AnswerForm } from '../../../shared/situation.ts';

/** The kind of an attempt: a read of probabilities, a call to an expert, or one to a model of the synthesis ladder. */
export type AttemptStep = 'read' | 'expert' | 'synthesis' | 'fallback';

/**
 * What was last seen of a call that was cut: it waited for a slot, was called (nothing was sent yet), was sent, got headers, got
 * a token, or its choice stood and its reason was still being written.
 */
export type LastSeen = 'queued' | 'called' | 'sent' | 'headers' | 'token' | 'choice';

/** One attempt of a plan, and how it ended. Attempts are listed in the order in which they started. */
export interface Attempt {
  readonly step: AttemptStep;
  /** The expert's role. Absent for synthesis, and for a read of several roles in one request; of several requests, the first one's. */
  readonly role?: string;
  readonly model: string;
  readonly endpoint: string;
  /** `OK`, or why there was no vote. ERR_PLAN_SETTLED if the plan settled before the attempt ended. */
  readonly code: 'OK' | ErrorCode;
  readonly message?: string;
  /** How far the call got, if it was cut short by a timeout, a cancellation, or the end of its plan. */
  readonly lastSeen?: LastSeen;
  /** Time from the start of the plan to the start of the attempt, in milliseconds. Negative if the plan joined a running call. */
  readonly startMs: number;
  /** How long the attempt waited for a slot of the endpoint, in milliseconds. */
  readonly waitMs: number;
  /** Time from the start to the end of the attempt, in milliseconds. */
  readonly latencyMs: number;
  /** Time from the start of the call to the response headers, in milliseconds: the server's queue. */
  readonly queueMs?: number;
  /** Time from the start of the call to the first token, in milliseconds. */
  readonly firstTokenMs?: number;
  /** Number of requests that a read made one after the other, for more roles or more actions; absent if it was one. */
  readonly requests?: number;
  /** Number of tokens that the server read and wrote: as reported, or estimated for streams that were cut before the report. */
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Which of the token counts are estimates. */
  readonly estimated?: 'prompt' | 'completion' | 'both';
  /** The model that answered according to the server, if it is not the one that was asked. */
  readonly modelAnswered?: string;
  /** How the model was asked: by a read of probabilities, or for an answer in words. Absent until the call begins. */
  readonly form?: ReadForm | AnswerForm;
  /** What was left out of the prompt because it was too long for `prompt.tokensMax` or for the model's context. Absent if nothing was. */
  readonly trimmed?: string;
  /** The probability of the action that was read. */
  readonly confidence?: number;
  /** The action voted for, even if the plan did not wait for the rest of the answer, or the call failed after its choice. */
  readonly action?: string;
}

/** True if a call with this code had an answer that was read to its end. */
export function takesBackChoice(code: ErrorCode): boolean {
  return code.startsWith('ERR_VOTE');
}
