import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { clip } from '../../../shared/clip.ts';
import { type ErrorCode, encodeError, PlannerError } from '../../../shared/errors.ts';
import type { FaceLog } from '../face.ts';
import { isOpenAIPath, pathHint, sendOpenAIError, sendThrown } from './openai/openai-error.ts';

/** The HTTP status of an error whose code alone determines it. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  ERR_REQUEST_INVALID: 400,
  ERR_OPTIONS_INVALID: 500,
  ERR_DOMAIN_INVALID: 500,
  ERR_TRACE_INVALID: 500,
  ERR_REPORT_INVALID: 500,
  ERR_PLANNER_OVERLOADED: 503,
  ERR_PLANNER_CLOSED: 503,
  ERR_PLAN_CANCELLED: 503,
  ERR_PLAN_SETTLED: 504,
  ERR_STEP_SKIPPED: 504,
  ERR_ENDPOINT_UNREACHABLE: 502,
  ERR_ENDPOINT_RESTING: 503,
  ERR_ENDPOINT_BUSY: 503,
  ERR_MODEL_MISSING: 404,
  ERR_MODEL_REFUSED: 502,
  ERR_MODEL_RESET: 502,
  ERR_MODEL_TIMEOUT_CONNECT: 504,
  ERR_MODEL_TIMEOUT_HEADERS: 504,
  ERR_MODEL_TIMEOUT_FIRST_TOKEN: 504,
  ERR_MODEL_TIMEOUT_STREAM: 504,
  ERR_MODEL_REJECTED: 400,
  ERR_MODEL_STATUS: 502,
  ERR_MODEL_SCHEMA: 400,
  ERR_MODEL_OVERLOADED: 503,
  ERR_MODEL_INVALID_ID: 404,
  ERR_MODEL_MALFORMED: 502,
  ERR_MODEL_TOO_LARGE: 502,
  ERR_MODEL_EMPTY: 502,
  ERR_VOTE_NONE: 502,
  ERR_VOTE_ILLEGAL: 502,
  ERR_VOTE_AMBIGUOUS: 502,
  ERR_CANCELLED: 503,
  ERR_POOL_FULL: 503,
  ERR_WORKER_EXITED: 502,
  ERR_WORKER_STUCK: 502,
  ERR_PEER_EXITED: 502,
  ERR_PROTOCOL: 400,
  ERR_PROTOCOL_VERSION: 400,
  ERR_METHOD_UNKNOWN: 404,
  ERR_CALL_UNKNOWN: 404,
  ERR_MESSAGE_TOO_LARGE: 413,
  ERR_CLIENT_SLOW: 408,
  ERR_CLIENT_LIMIT: 429,
  ERR_UNAUTHORIZED: 401,
  ERR_ORIGIN: 403,
  ERR_ADDRESS_IN_USE: 500,
  ERR_CLUSTER_AWAY: 503,
  ERR_CLUSTER_REFUSED: 503,
  ERR_STORE_INVALID: 500,
  ERR_INTERNAL: 500,
};

/** An error in the form of RFC 9457. `code` is the identity; `retryable` is true if the same request may succeed at once. */
interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
}

export const PROBLEM_TYPE = 'application/problem+json';

export function problemOf(error: unknown, status?: number): Problem {
  const { code, message, retryable } = encodeError(error);
  const is = status ?? STATUS_OF[code];
  return { type: 'about:blank', title: STATUS_CODES[is] ?? 'Error', status: is, detail: message, code, retryable };
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** Answers errors of routes and of fastify itself in the form for the path. Logs bugs. */
export function onError(log: FaceLog) {
  return (error: FastifyError | PlannerError, request: FastifyRequest, reply: FastifyReply): void => {
    if (isOpenAIPath(pathOf(request.url))) {
      if (isBug(error)) log.error({ err: error, requestId: request.id }, 'request failed');
      return sendThrown(reply, error);
    }
    const problem = error instanceof PlannerError ? problemOf(error) : problemOfFastify(error);
    if (problem.code === 'ERR_INTERNAL') log.error({ err: error, requestId: request.id }, 'request failed');
    if (problem.status === 503 && problem.retryable) reply.header('retry-after', 1);
    sendProblem(reply, problem);
  };
}

/** Answers requests for an unknown path, or with a method that the path does not have. */
export function notFound(methodsOf: (path: string) => readonly string[]) {
  return ({ method, url }: FastifyRequest, reply: FastifyReply): void => {
    const path = pathOf(url);
    const methods = methodsOf(path);
    const others = methods.length === 0 ? '' : `, but ${methods.join(', ')}`;
    const message = `there is no ${method} ${clip(path, PATH_CHARS_MAX)}${others}${pathHint(path)}`;
    if (methods.length > 0) reply.header('allow', methods.join(', '));
    sendError(reply, path, new PlannerError('ERR_METHOD_UNKNOWN', message), methods.length > 0 ? 405 : 404);
  };
}

/** Sends an error in the form for the path. */
export function sendError(reply: FastifyReply, path: string, error: PlannerError, status: number): void {
  if (isOpenAIPath(path)) sendOpenAIError(reply, error, { status });
  else sendProblem(reply, problemOf(error, status));
}

export function pathOf(url: string): string {
  return url.split('?', 1)[0] as string;
}

function isBug(error: FastifyError | PlannerError): boolean {
  if (error instanceof PlannerError) return error.code === 'ERR_INTERNAL';
  return (error.statusCode ?? 500) >= 500;
}

const PATH_CHARS_MAX = 200;

function problemOfFastify(error: FastifyError): Problem {
  const { statusCode } = error;
  if (statusCode === undefined || statusCode >= 500) return problemOf(error);
  if (statusCode === 413) return problemOf(new PlannerError('ERR_MESSAGE_TOO_LARGE', error.message));
  return problemOf(new PlannerError('ERR_PROTOCOL', error.message), statusCode);
}
