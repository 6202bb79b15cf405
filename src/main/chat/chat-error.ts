import type { ErrorCode, PlannerError } from '../../shared/errors.ts';
import type { Refusal } from '../../shared/model-client/answer-reader.ts';

/** An error in OpenAI's format: its clients choose their error class by the status, agents by `code` and `message`. */
interface OpenAIErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string | null;
    readonly param: string | null;
  };
}

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_REQUEST_INVALID: 400,
  ERR_PROTOCOL: 400,
  ERR_MODEL_REJECTED: 400,
  ERR_MODEL_SCHEMA: 400,
  ERR_UNAUTHORIZED: 401,
  ERR_ORIGIN: 403,
  ERR_MODEL_MISSING: 404,
  ERR_MODEL_INVALID_ID: 404,
  ERR_METHOD_UNKNOWN: 404,
  ERR_MESSAGE_TOO_LARGE: 413,
  ERR_PLANNER_OVERLOADED: 429,
  ERR_CLIENT_LIMIT: 429,
  // Nobody sees this status: the client has disconnected (as in nginx).
  ERR_CANCELLED: 499,
  ERR_CLIENT_SLOW: 499,
  ERR_INTERNAL: 500,
  ERR_PLANNER_CLOSED: 503,
  ERR_ENDPOINT_BUSY: 503,
  ERR_ENDPOINT_RESTING: 503,
  ERR_MODEL_OVERLOADED: 503,
};
/** Codes for which the server's own code is reported, such as `context_length_exceeded`: agents look for it. */
const OF_SERVER: ReadonlySet<ErrorCode> = new Set(['ERR_MODEL_REJECTED', 'ERR_MODEL_SCHEMA']);

export function httpStatusOf({ code }: Pick<PlannerError, 'code'>, refusal?: Refusal): number {
  const isOfServer = OF_SERVER.has(code) && refusal !== undefined && refusal.status >= 400 && refusal.status < 500;
  // A client cannot fix a server's refusal of the gateway's own key.
  if (isOfServer && refusal.status !== 401 && refusal.status !== 403) return refusal.status;
  if (isOfServer) return 502;
  return STATUS[code] ?? (code.startsWith('ERR_MODEL_TIMEOUT') ? 504 : 502);
}

/** How long a client should wait before it asks again, in seconds; undefined if waiting does not help. */
export function retryAfterOf(status: number): number | undefined {
  return status === 429 || status === 503 ? 1 : undefined;
}

export function openAIError(error: PlannerError, refusal?: Refusal): OpenAIErrorBody {
  const status = httpStatusOf(error, refusal);
  const said = OF_SERVER.has(error.code) && status < 500 ? membersOf(refusal?.error) : {};
  const isMissing = error.code === 'ERR_MODEL_MISSING';
  return {
    error: {
      message: said.message ?? error.message,
      type: said.type ?? typeOf(status),
      code: said.code ?? (isMissing ? 'model_not_found' : error.code),
      param: said.param ?? (isMissing ? 'model' : null),
    },
  };
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

type Told = Partial<Record<'message' | 'type' | 'code' | 'param', string>>;

function membersOf(error: unknown): Told {
  if (error === null || typeof error !== 'object') return {};
  const told: Told = {};
  for (const name of ['message', 'type', 'code', 'param'] as const) {
    const value = (error as Readonly<Record<string, unknown>>)[name];
    if (typeof value === 'string') told[name] = value;
  }
  return told;
}
