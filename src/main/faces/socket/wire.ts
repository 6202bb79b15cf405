import { type ErrorCode, type ErrorWire, encodeError } from '../../../shared/errors.ts';
import type { Attempt } from '../../models/calls/attempt.ts';

/** The wire format, for both sides: JSON-RPC 2.0, one message a line, UTF-8. Described for users in `docs/socket.md`. */

/** Version of the methods and their members. A server may support several. */
export const PROTOCOL = 1;
export const PROTOCOLS: readonly number[] = [PROTOCOL];

export const METHODS = [
  ...(['hello', 'plan', 'decide', 'peek', 'expect', 'observe'] as const),
  ...(['stats', 'clearCache', 'ping', '$/cancel'] as const),
] as const;
export type Method = (typeof METHODS)[number];

/** The notification that an attempt has ended, for a plan requested with `progress: true`. */
export const PROGRESS = '$/progress';

/** Identifies a call in its answer. */
export type CallId = string | number | null;
export const ID_CHARS_MAX = 256;

export interface HelloResult {
  readonly protocol: number;
  readonly name: 'conclave';
  readonly version: string;
  readonly pid: number;
  /** The name of the domain; of several, the first. */
  readonly domain: string;
  /** The names of all domains, if there are several: each request names its own. */
  readonly domains?: readonly string[];
  readonly methods: readonly Method[];
  readonly limits: { readonly callsMax: number; readonly messageBytesMax: number };
}

export interface ProgressParams {
  /** Id of the plan's call. */
  readonly id: CallId;
  readonly attempt: Attempt;
}

/** The `error` member of an answer. `data` with `message` is our own `ErrorWire`. */
interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly code: ErrorCode; readonly retryable: boolean };
}

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
/** Number of our own errors that have no other. */
const PLANNER_ERROR = -32000;

/** The spec's numbers where one fits, else numbers from the range reserved for servers. */
const NUMBERS: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_PROTOCOL: INVALID_REQUEST,
  ERR_METHOD_UNKNOWN: METHOD_NOT_FOUND,
  ERR_REQUEST_INVALID: INVALID_PARAMS,
  ERR_INTERNAL: INTERNAL_ERROR,
  ERR_PLANNER_OVERLOADED: -32001,
  ERR_PLANNER_CLOSED: -32002,
  ERR_PLAN_CANCELLED: -32003,
  ERR_CALL_UNKNOWN: -32004,
  ERR_PROTOCOL_VERSION: -32005,
  ERR_MESSAGE_TOO_LARGE: -32006,
  ERR_CLIENT_LIMIT: -32007,
};

/** `number` is given if the spec requires one other than the code's. */
export function rpcError({ code, message, retryable }: ErrorWire, number = NUMBERS[code] ?? PLANNER_ERROR): RpcError {
  return { code: number, message, data: { code, retryable } };
}

/** Built as text: only the id and the result vary. */
export function errorLine(id: CallId, error: RpcError): string {
  return `{"jsonrpc":"2.0","id":${idText(id)},"error":${JSON.stringify(error)}}`;
}

/** The answer to a call; undefined for a notification. */
export function resultTo(id: CallId | undefined, result: unknown): string | undefined {
  return id === undefined ? undefined : `{"jsonrpc":"2.0","id":${idText(id)},"result":${JSON.stringify(result)}}`;
}

export function errorTo(id: CallId | undefined, error: unknown): string | undefined {
  return id === undefined ? undefined : errorLine(id, rpcError(encodeError(error)));
}

export function progressLine(id: CallId, attempt: Attempt): string {
  return `{"jsonrpc":"2.0","method":"${PROGRESS}","params":{"id":${idText(id)},"attempt":${JSON.stringify(attempt)}}}`;
}

function idText(id: CallId): string {
  return typeof id === 'string' ? JSON.stringify(id) : String(id);
}
