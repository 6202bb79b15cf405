/**
 * The only error table. `code` is the identity, `message` is for people, and `retryable` is decided where the failure is
 * understood. Errors cross threads, ports and sockets as `ErrorWire`, because a thrown subclass arrives on the other side as a
 * plain Error without its code.
 */
export const ERROR_CODES = {
  ERR_REQUEST_INVALID: 'a request that breaks a rule: its actions, observation, Q-values or plan options',
  ERR_OPTIONS_INVALID: 'planner options or a configuration file that break a rule',
  ERR_DOMAIN_INVALID: 'a domain definition that breaks a rule',
  ERR_TRACE_INVALID: 'a trace file that cannot be read: header, line, encoding',
  ERR_REPORT_INVALID: 'a file that is no report of `session --json`: no JSON, or a member that breaks a rule',
  ERR_PLANNER_OVERLOADED: 'as many plans in flight as `maxInFlight` allows',
  ERR_PLANNER_CLOSED: 'the planner is closed or closing',
  ERR_PLAN_CANCELLED: "the caller's signal ended the plan",
  ERR_PLAN_SETTLED: 'the attempt was still running when its plan settled',
  ERR_STEP_SKIPPED: 'too little time was left to begin this step',
  ERR_ENDPOINT_UNREACHABLE: 'a model server did not answer at start',
  ERR_ENDPOINT_RESTING: 'the endpoint failed too often lately and is not asked for a while',
  ERR_ENDPOINT_BUSY: 'no slot of the endpoint became free in time',
  ERR_MODEL_MISSING: 'a configured model is not on the list of its endpoint',
  ERR_MODEL_REFUSED: 'nothing listens at the address of the model server',
  ERR_MODEL_RESET: 'the connection ended before the answer did',
  ERR_MODEL_TIMEOUT_CONNECT: 'out of time while connecting',
  ERR_MODEL_TIMEOUT_HEADERS: 'out of time before the response headers: the request sat in the queue of the server',
  ERR_MODEL_TIMEOUT_FIRST_TOKEN: 'out of time between headers and the first token: the server was reading the prompt',
  ERR_MODEL_TIMEOUT_STREAM: 'out of time between tokens',
  ERR_MODEL_REJECTED:
    'the server refuses this request (a status from 400 to 499): its prompt is too long, or has a picture',
  ERR_MODEL_STATUS: 'an HTTP status that is not a success, or an error event inside the stream',
  ERR_MODEL_SCHEMA: 'the server refuses the JSON schema that was to constrain the answer',
  ERR_MODEL_OVERLOADED: 'the server says that it is overloaded or still loading (429, 503)',
  ERR_MODEL_INVALID_ID: 'the server does not know the model, or has none loaded',
  ERR_MODEL_MALFORMED: 'the response is not what the protocol promises',
  ERR_MODEL_TOO_LARGE: 'the answer passed its bound',
  ERR_MODEL_EMPTY: 'the model answered nothing',
  ERR_VOTE_NONE: 'the answer names no action',
  ERR_VOTE_ILLEGAL: 'the answer names an action that was not offered',
  ERR_VOTE_AMBIGUOUS: 'the answer names several different actions',
  ERR_CANCELLED: 'nobody waits for this work any more',
  ERR_POOL_FULL: 'the expert pool holds as many tasks as its bound allows',
  ERR_WORKER_EXITED: 'the worker thread ended while it ran the task',
  ERR_WORKER_STUCK: 'the worker did not settle the task in its grace period and was replaced',
  ERR_PEER_EXITED: 'the thread, process or connection of the planner has ended; what was pending there is lost',
  ERR_PROTOCOL: 'a message that is not what the protocol promises: no JSON, no request, an unknown member',
  ERR_PROTOCOL_VERSION: 'a version of the protocol that the other side does not speak',
  ERR_METHOD_UNKNOWN: 'a method, route or event that there is not',
  ERR_CALL_UNKNOWN: 'a cancel for a call that is not in flight',
  ERR_MESSAGE_TOO_LARGE: 'a message or body over its bound',
  ERR_CLIENT_SLOW: 'a client that does not read what it asked for',
  ERR_CLIENT_LIMIT: 'a client with as many calls in flight, or calls a minute, as it may have',
  ERR_UNAUTHORIZED: 'a bearer token that is missing or wrong',
  ERR_ORIGIN: 'a request from a page of another origin, or for a name that is not this server',
  ERR_ADDRESS_IN_USE: 'the port or socket path is taken by a process that lives',
  ERR_CLUSTER_AWAY: "the cluster's engine is not connected, or did not answer in time; the node goes on alone",
  ERR_CLUSTER_REFUSED: "the cluster's engine answered with an error: it is full, read-only, too old, or no such engine",
  ERR_STORE_INVALID: 'a buffer that is not a store, or of another version',
  ERR_INTERNAL: 'a bug in Conclave; the message and cause say where',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The form of an error on any wire: between threads, over IPC, over a socket. */
export interface ErrorWire {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

interface PlannerErrorOptions {
  /** True if the same call may succeed when it is repeated. Default false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

export class PlannerError extends Error {
  override readonly name = 'PlannerError';
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: PlannerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** Returns the message of a thrown value, in one line. Never throws, whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).split('\n', 1)[0] as string;
  } catch {
    return 'something that says nothing';
  }
}

/** Converts any thrown value to its wire form. Anything but a PlannerError is a bug, and keeps its message under ERR_INTERNAL. */
export function encodeError(error: unknown): ErrorWire {
  if (error instanceof PlannerError) return { code: error.code, message: error.message, retryable: error.retryable };
  const message = error instanceof Error ? `${error.name}: ${error.message}` : messageOf(error);
  return { code: 'ERR_INTERNAL', message, retryable: false };
}

/** Converts any thrown value to an error with a code: ERR_INTERNAL for a bug. */
export function asPlannerError(thrown: unknown): PlannerError {
  if (thrown instanceof PlannerError) return thrown;
  const { code, message } = encodeError(thrown);
  return new PlannerError(code, message, { cause: thrown });
}

export function decodeError(wire: ErrorWire): PlannerError {
  const code = Object.hasOwn(ERROR_CODES, wire.code) ? wire.code : 'ERR_INTERNAL';
  return new PlannerError(code, wire.message, { retryable: wire.retryable });
}

/** Formats a value for a message: short, on one line, with its type visible. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 60
      ? `${JSON.stringify(value.slice(0, 60))}… (${value.length} characters)`
      : JSON.stringify(value);
  }
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'function') return 'a function';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (value !== null && typeof value === 'object') return 'an object';
  return String(value);
}
