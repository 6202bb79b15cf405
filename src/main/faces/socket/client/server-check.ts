import { decodeError, describeValue, type ErrorCode, messageOf, PlannerError } from '../../../../shared/errors.ts';
import { type PlanRequest, readPlainly } from '../../../../shared/plan-request.ts';
import { decisionMembers, SENT_OPTIONS } from '../../../chat/decisions/decide.ts';
import type { HelloResult, ProgressParams } from '../wire.ts';

/** Checks what a client receives from a server, which may not be the expected one, and what it sends. */

export function strange(what: string): PlannerError {
  return new PlannerError('ERR_PROTOCOL', `the server sent ${what}`);
}

/** Reads the answer to `hello`. Throws ERR_PROTOCOL if it is not a planner's. */
export function helloOf(result: unknown): HelloResult {
  const { name, limits } = (result ?? {}) as Partial<HelloResult>;
  if (name === 'conclave' && isCount(limits?.callsMax) && isCount(limits.messageBytesMax)) return result as HelloResult;
  throw strange(`an answer to hello that is not a planner's (${describeValue(name)})`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** The `error` of an answer; undefined if it has none of ours. */
export function plannerErrorOf(error: unknown): PlannerError | undefined {
  if (error === null || typeof error !== 'object') return undefined;
  const { message, data } = error as { message?: unknown; data?: { code?: unknown; retryable?: unknown } | null };
  if (typeof message !== 'string') return undefined;
  return decodeError({ code: data?.code as ErrorCode, message, retryable: data?.retryable === true });
}

export function isProgress(params: unknown): params is ProgressParams {
  if (params === null || typeof params !== 'object') return false;
  const { attempt } = params as { readonly attempt?: unknown };
  return attempt !== null && typeof attempt === 'object';
}

/** Members that accompany a request in a message: in a request, they would be taken for options of the call. */
const BESIDE = ['timeoutMs', 'priority', 'progress'] as const;

/** The JSON of a request for decisions, with the options of the call. Throws ERR_REQUEST_INVALID. */
export function decisionText(request: unknown, options: object): string {
  return readPlainly(() => {
    const members = decisionMembers(request);
    for (const name of SENT_OPTIONS) {
      if (name in members) refuse(`${name} is not a part of a request for decisions`);
    }
    return plainText({ ...members, ...options });
  });
}

/** The JSON of a request, an object of at least one member. Throws ERR_REQUEST_INVALID. */
export function requestText(request: PlanRequest): string {
  return readPlainly(() => checkedText(request));
}

function checkedText(request: PlanRequest): string {
  const actions: unknown = request?.actions;
  if (!Array.isArray(actions) || actions.length === 0) {
    refuse(`actions must be a list of at least one action, got ${describeValue(actions)}`);
  }
  for (const name of BESIDE) {
    if (name in request) refuse(`${name} is not a part of a request (agent, observation, actions, qValues)`);
  }
  const { qValues } = request;
  if (qValues !== undefined && (qValues === null || typeof qValues !== 'object')) {
    refuse(`qValues must be an object of numbers by action, got ${describeValue(qValues)}`);
  }
  return plainText(request);
}

function plainText(request: object): string {
  const text = jsonOf(request);
  if (!text.startsWith('{"')) refuse('request must be an object of plain data');
  return text;
}

/** Throws ERR_REQUEST_INVALID for values that JSON cannot represent. */
export function jsonOf(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    return refuse(
      `request must be plain data: ${error instanceof Error ? messageOf(error.message) : messageOf(error)}`,
    );
  }
}

function refuse(message: string): never {
  throw new PlannerError('ERR_REQUEST_INVALID', message);
}
