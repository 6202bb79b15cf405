import { clip } from '../../../shared/clip.ts';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import { type CallId, ID_CHARS_MAX } from './wire.ts';

/** A message that has passed `messageFault`. Without an `id` it is a notification. */
export interface RpcMessage {
  readonly jsonrpc: '2.0';
  readonly id?: CallId;
  readonly method: string;
  readonly params?: unknown;
}

/** Names in answers may come from the client: a long one must not be sent back whole. */
const NAME_CHARS_MAX = 100;

/** Why a value is not a call or a notification. Runs for every plan: one pass over its few members. */
export function messageFault(message: unknown): PlannerError | undefined {
  if (message === null || typeof message !== 'object' || Array.isArray(message)) {
    return protocolFault(`a message must be an object, got ${describeValue(message)}`);
  }
  const { jsonrpc, id, method, params } = message as Record<string, unknown>;
  if (jsonrpc !== '2.0') {
    return new PlannerError('ERR_PROTOCOL_VERSION', `jsonrpc must be "2.0", got ${describeValue(jsonrpc)}`);
  }
  if (id !== undefined && !isId(id)) {
    const rule = `must be a text of at most ${ID_CHARS_MAX} characters, a whole number or null`;
    return protocolFault(`id ${rule}, got ${describeValue(id)}`);
  }
  if (typeof method !== 'string') return protocolFault(`method must be a name, got ${describeValue(method)}`);
  if (params !== undefined && (params === null || typeof params !== 'object')) {
    return protocolFault(`params must be an object or a list, got ${describeValue(params)}`);
  }
  for (const key in message) {
    if (key !== 'jsonrpc' && key !== 'id' && key !== 'method' && key !== 'params') {
      return protocolFault(`${clipName(key)} is not a member of a message (jsonrpc, id, method, params)`);
    }
  }
  return undefined;
}

/** The id for the answer to a message, even if the message is refused. */
export function idOf(message: unknown): CallId {
  if (message === null || typeof message !== 'object') return null;
  const { id } = message as { readonly id?: unknown };
  return isId(id) ? id : null;
}

/** A number that is not a safe integer would be returned changed. */
function isId(id: unknown): id is CallId {
  if (typeof id === 'string') return id.length <= ID_CHARS_MAX;
  return Number.isSafeInteger(id) || id === null;
}

/** The members of `params`, for a method that takes only these. Throws ERR_REQUEST_INVALID. */
export function membersOf(
  params: unknown,
  method: string,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  if (params === undefined || (Array.isArray(params) && params.length === 0)) return {};
  if (Array.isArray(params)) throw new PlannerError('ERR_REQUEST_INVALID', `params of ${method} must be an object`);
  for (const key in params as object) {
    if (names.includes(key)) continue;
    const known = names.length === 0 ? 'takes none' : names.join(', ');
    throw new PlannerError('ERR_REQUEST_INVALID', `${clipName(key)} is not a parameter of ${method} (${known})`);
  }
  return params as Readonly<Record<string, unknown>>;
}

/** The id that a `$/cancel` names. Throws ERR_REQUEST_INVALID. */
export function cancelledId(params: unknown): CallId {
  const { id } = membersOf(params, '$/cancel', ['id']);
  if (isId(id)) return id;
  throw new PlannerError('ERR_REQUEST_INVALID', `id must be the id of a call, got ${describeValue(id)}`);
}

export function protocolFault(message: string): PlannerError {
  return new PlannerError('ERR_PROTOCOL', message);
}

export function clipName(name: string): string {
  return clip(name, NAME_CHARS_MAX);
}
