import type { ErrorCode } from '../../../src/shared/errors.ts';

/** Faults that a model server shows, each under a name of its own. */
export const FAULT_NAMES = [
  'refused',
  'black-hole',
  'accepted-silent',
  'headers-silent',
  'first-chunk-silent',
  'slow-drip',
  'comments-only',
  'cut-without-done',
  'malformed-event',
  'error-body-200',
  'error-event-200',
  'empty-content',
  'json-in-reasoning',
  'think-unclosed',
  'other-model',
  'invalid-id-object',
  'invalid-id-string',
  'no-models-loaded',
  'html-500',
  'loading-503',
  'rate-limited-429',
  'fast-503',
  'cold-load',
  'evicted-mid-answer',
  'abort-ignored',
  'slots-shrink',
  'huge-answer',
  'odd-numbers',
  'illegal-action',
  'two-actions',
  'reset-mid-body',
  'closed-at-reuse',
  'clock-jump',
  'blank-finish-cut',
  'finish-silent',
  'odd-events',
  'words-in-parts',
  'thought-in-channels',
  'no-choice',
  'stream-options-refused',
] as const;

export type FaultName = (typeof FAULT_NAMES)[number];

/**
 * Faults that only requests for reads meet: System One, Decisions, and chats that ask for log probabilities. A list of its
 * own, so that mixtures of chats stay what they were.
 */
export const READ_FAULT_NAMES = [
  'read-501',
  'read-404',
  'read-label-400',
  'read-option-missing',
  'read-option-unknown',
  'read-nan',
  'read-sum-off',
  'read-mass-elsewhere',
  'read-refused',
  'read-forgotten',
] as const;

export type ReadFaultName = (typeof READ_FAULT_NAMES)[number];

const READ_FAULTS: ReadonlySet<string> = new Set(READ_FAULT_NAMES);

export function isReadFault(name: string): name is ReadFaultName {
  return READ_FAULTS.has(name);
}

/** A part of a mixture: `share` of the requests (0 to 1) meet `fault`; what is left over is answered well. */
export interface FaultShare<Name = FaultName> {
  readonly fault: Name;
  readonly share: number;
}

export type AnyFaultName = FaultName | ReadFaultName;
export type Mixture = readonly FaultShare<AnyFaultName>[];

/** A mixture that holds for a while. Episodes follow one another, and the first follows the last. */
export interface FaultEpisode {
  readonly forMs: number;
  readonly faults: Mixture;
}

/** These meet a connection, not a request: they are drawn when one is made. */
export const CONNECTION_FAULTS: ReadonlySet<AnyFaultName> = new Set(['refused', 'black-hole']);

/**
 * How a call ends that meets the fault: one of these, unless its plan settles before it or gives it up. `OK` where a good
 * client gets its vote all the same.
 */
export const FAULT_CODES: Readonly<Record<FaultName, readonly ('OK' | ErrorCode)[]>> = {
  refused: ['ERR_MODEL_REFUSED'],
  // Where no listener can be made deaf, the connection stands and nobody reads it.
  'black-hole': ['ERR_MODEL_TIMEOUT_CONNECT', 'ERR_MODEL_TIMEOUT_HEADERS', 'ERR_PLAN_SETTLED'],
  'accepted-silent': ['ERR_MODEL_TIMEOUT_HEADERS', 'ERR_PLAN_SETTLED'],
  'headers-silent': ['ERR_MODEL_TIMEOUT_FIRST_TOKEN', 'ERR_PLAN_SETTLED'],
  'first-chunk-silent': ['ERR_MODEL_TIMEOUT_STREAM', 'ERR_PLAN_SETTLED'],
  'slow-drip': ['ERR_MODEL_TIMEOUT_STREAM', 'ERR_PLAN_SETTLED'],
  'comments-only': ['ERR_MODEL_TIMEOUT_FIRST_TOKEN', 'ERR_PLAN_SETTLED'],
  'cut-without-done': ['ERR_MODEL_RESET'],
  'malformed-event': ['ERR_MODEL_MALFORMED'],
  'error-body-200': ['ERR_MODEL_STATUS'],
  'error-event-200': ['ERR_MODEL_STATUS'],
  'empty-content': ['ERR_MODEL_EMPTY'],
  'json-in-reasoning': ['OK'],
  'think-unclosed': ['ERR_MODEL_EMPTY'],
  'other-model': ['OK'],
  'invalid-id-object': ['ERR_MODEL_INVALID_ID'],
  'invalid-id-string': ['ERR_MODEL_INVALID_ID'],
  'no-models-loaded': ['ERR_MODEL_INVALID_ID'],
  'html-500': ['ERR_MODEL_STATUS'],
  'loading-503': ['ERR_MODEL_OVERLOADED'],
  'rate-limited-429': ['ERR_MODEL_OVERLOADED'],
  'fast-503': ['ERR_MODEL_OVERLOADED'],
  'cold-load': ['ERR_MODEL_TIMEOUT_HEADERS', 'ERR_PLAN_SETTLED'],
  'evicted-mid-answer': ['ERR_MODEL_STATUS'],
  'abort-ignored': ['ERR_MODEL_TIMEOUT_STREAM', 'ERR_MODEL_TIMEOUT_HEADERS', 'ERR_PLAN_SETTLED'],
  'slots-shrink': ['OK', 'ERR_MODEL_TIMEOUT_HEADERS'],
  'huge-answer': ['ERR_MODEL_TOO_LARGE'],
  'odd-numbers': ['OK', 'ERR_MODEL_MALFORMED', 'ERR_VOTE_NONE', 'ERR_VOTE_ILLEGAL'],
  'illegal-action': ['ERR_VOTE_ILLEGAL'],
  'two-actions': ['ERR_VOTE_AMBIGUOUS'],
  'reset-mid-body': ['ERR_MODEL_RESET'],
  'closed-at-reuse': ['ERR_MODEL_RESET'],
  'clock-jump': ['OK'],
  'blank-finish-cut': ['ERR_MODEL_RESET'],
  'finish-silent': ['OK'],
  'odd-events': ['OK'],
  'words-in-parts': ['OK'],
  'thought-in-channels': ['OK'],
  'no-choice': ['ERR_MODEL_EMPTY', 'ERR_MODEL_STATUS'],
  'stream-options-refused': ['OK'],
};

/** How a read that meets the fault ends in any of the three forms. `OK` where the answer can still be used, if not for much. */
export const READ_FAULT_CODES: Readonly<Record<ReadFaultName, readonly ('OK' | ErrorCode)[]>> = {
  'read-501': ['ERR_METHOD_UNKNOWN'],
  'read-404': ['ERR_METHOD_UNKNOWN', 'ERR_MODEL_MALFORMED'],
  'read-label-400': ['ERR_MODEL_REJECTED'],
  'read-option-missing': ['OK'],
  'read-option-unknown': ['OK'],
  'read-nan': ['OK', 'ERR_MODEL_MALFORMED'],
  'read-sum-off': ['OK', 'ERR_MODEL_MALFORMED'],
  'read-mass-elsewhere': ['OK'],
  'read-refused': ['OK', 'ERR_MODEL_EMPTY', 'ERR_MODEL_MALFORMED'],
  'read-forgotten': ['OK', 'ERR_METHOD_UNKNOWN', 'ERR_MODEL_MALFORMED'],
};
