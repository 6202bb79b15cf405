import type { ErrorCode } from '../../../shared/errors.ts';

/** What was tried for a plan: one expert's question, or one model of the synthesis ladder. */
export type AttemptStep = 'expert' | 'synthesis' | 'fallback';

/**
 * What was last seen of a call that was cut: it waited for a slot, was called (nothing was sent yet), was sent, got headers, got
 * a token, or its choice stood and its reason was still being written.
 */
export type LastSeen = 'queued' | 'called' | 'sent' | 'headers' | 'token' | 'choice';

/** One attempt and how it ended. Listed in the order of their start. */
export interface Attempt {
  readonly step: AttemptStep;
  /** The expert's role; absent for synthesis. */
  readonly role?: string;
  readonly model: string;
  readonly endpoint: string;
  /** `OK`, or why it gave no vote. ERR_PLAN_SETTLED where the plan settled before the attempt did. */
  readonly code: 'OK' | ErrorCode;
  readonly message?: string;
  /** How far it had come where it was cut: out of time, cancelled, or still running when its plan settled. */
  readonly lastSeen?: LastSeen;
  /** When it began, milliseconds from the start of its plan; below 0 where the plan joined work under way. */
  readonly startMs: number;
  /** Of its time, until it had a slot of the endpoint and its call began, milliseconds. */
  readonly waitMs: number;
  /** From its start to its end, milliseconds. */
  readonly latencyMs: number;
  /** From the beginning of its call to the response headers, milliseconds: the server's queue. */
  readonly queueMs?: number;
  /** From the beginning of its call to the first token, milliseconds. */
  readonly firstTokenMs?: number;
  /** Tokens that the server read and wrote, as it told, or as is estimated: streams that are cut end before it tells. */
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Which of these are estimates. */
  readonly estimated?: 'prompt' | 'completion' | 'both';
  /** The model that says it answered, where that is another one than was asked. */
  readonly modelAnswered?: string;
  /** What it voted for; also where it was not waited for, or failed, after its choice stood. */
  readonly action?: string;
}

/** Whether a call that failed so had an answer that was read to its end. */
export function takesBackChoice(code: ErrorCode): boolean {
  return code.startsWith('ERR_VOTE');
}
