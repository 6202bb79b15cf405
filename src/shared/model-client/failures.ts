import { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import { errors } from 'undici';
import { type ErrorCode, PlannerError } from '../errors.ts';

/** Turns errors of the SDK, the transport and the servers into codes of the error table. */

/** The phases of a call; the current one decides which timeout it is when time runs out. */
export const CALL_PHASES = ['connect', 'headers', 'first-token', 'stream'] as const;
export type CallPhase = (typeof CALL_PHASES)[number];

const TIMEOUT_CODE: Readonly<Record<CallPhase, ErrorCode>> = {
  connect: 'ERR_MODEL_TIMEOUT_CONNECT',
  headers: 'ERR_MODEL_TIMEOUT_HEADERS',
  'first-token': 'ERR_MODEL_TIMEOUT_FIRST_TOKEN',
  stream: 'ERR_MODEL_TIMEOUT_STREAM',
};

export function timeoutFailure(phase: CallPhase, timeoutMs: number): PlannerError {
  return new PlannerError(TIMEOUT_CODE[phase], `no answer within ${Math.round(timeoutMs)} ms (phase: ${phase})`);
}

// LM Studio: "Invalid model identifier", "No models loaded"; Ollama: `model "x" not found, try pulling it first`;
// vLLM: "The model `x` does not exist."
const INVALID_MODEL =
  /invalid model|no models? (?:are )?loaded|model .*(?:not found|does not exist|not exist)|try pulling/i;
const OVERLOADED = /overloaded|loading model|too many requests|busy|queue is full|slot/i;

// LM Studio: "'response_format.type' must be 'json_schema' or 'text'"; llama.cpp: "Failed to parse grammar"; vLLM: "The
// provided JSON schema contains features not supported by xgrammar."; Ollama: "invalid format".
const REFUSED_SCHEMA =
  /response_format|json[_ ]?schema|grammar|structured[_ ]output|guided|invalid (?:format|schema)|unsupported|not support/i;
/** Refusals because of images, which have nothing to do with the schema. */
const OF_IMAGES = /image|vision|multimodal|mmproj/i;

function isSchemaRefusal(status: number, text: string): boolean {
  return status >= 400 && status !== 429 && status !== 503 && REFUSED_SCHEMA.test(text) && !OF_IMAGES.test(text);
}

/** Returns the text of an `error` body, which is an object with a message, or a string. */
export function errorText(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body !== null && typeof body === 'object') {
    const { message, error } = body as { message?: unknown; error?: unknown };
    if (typeof message === 'string') return message;
    if (error !== undefined) return errorText(error);
    return JSON.stringify(body);
  }
  return String(body);
}

/** Number of characters read of an error page, which may have any size: its meaning is at its start. */
const ERROR_CHARS_READ = 2_000;

function shorten(text: string): string {
  const flat = text
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return flat.length > 200 ? `${flat.slice(0, 200)}…` : flat;
}

/**
 * The failure for an error in a server's words: as a status, as an event of the stream, or as the body of a 200. `isConstrained`
 * is whether a schema was asked for, which the server may be refusing.
 */
export function serverFailure(status: number, body: string, isConstrained = false): PlannerError {
  const text = body.slice(0, ERROR_CHARS_READ);
  const message = `${status} ${shorten(text)}`.trim();
  if (INVALID_MODEL.test(text)) return new PlannerError('ERR_MODEL_INVALID_ID', message);
  if (status === 429 || status === 503 || (status >= 500 && OVERLOADED.test(text))) {
    return new PlannerError('ERR_MODEL_OVERLOADED', message);
  }
  if (isConstrained && isSchemaRefusal(status, text)) return new PlannerError('ERR_MODEL_SCHEMA', message);
  const isRequests = status >= 400 && status < 500 && status !== 408;
  return new PlannerError(isRequests ? 'ERR_MODEL_REJECTED' : 'ERR_MODEL_STATUS', message);
}

function systemCode(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
    // undici gives its parser's error a code only in some cases.
    if (at instanceof errors.HTTPParserError) return 'HPE_INVALID_RESPONSE';
    if (at instanceof AggregateError && at.errors.length > 0) return systemCode(at.errors[0]);
  }
  return '';
}

const REFUSED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOENT']);

function connectionFailure(error: unknown, phase: CallPhase): PlannerError {
  const code = systemCode(error);
  if (REFUSED.has(code)) return new PlannerError('ERR_MODEL_REFUSED', `cannot connect (${code})`, { cause: error });
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return new PlannerError('ERR_MODEL_TIMEOUT_CONNECT', 'cannot connect in time');
  if (code.startsWith('HPE_') || code.startsWith('UND_ERR_RES') || code === 'UND_ERR_INVALID_ARG') {
    return new PlannerError('ERR_MODEL_MALFORMED', `the response is not HTTP (${code})`, { cause: error });
  }
  // A kept-alive connection that the server closed at the moment of reuse looks the same. Nothing was answered yet, so the call may be repeated.
  const retryable = phase === 'connect' || phase === 'headers';
  return new PlannerError('ERR_MODEL_RESET', `the connection ended early (${code || 'closed'})`, {
    retryable,
    cause: error,
  });
}

/** Converts any failure of a call that is neither its timeout nor its cancellation. */
export function callFailure(error: unknown, phase: CallPhase, isConstrained = false): PlannerError {
  if (error instanceof PlannerError) return error;
  if (error instanceof APIUserAbortError) return new PlannerError('ERR_CANCELLED', 'the call was cancelled');
  if (error instanceof APIConnectionError) {
    return error.cause instanceof PlannerError ? error.cause : connectionFailure(error.cause, phase);
  }
  if (error instanceof APIError && error.status !== undefined) {
    // The SDK puts the status before a body that is not JSON, so it is removed.
    const text = error.error === undefined ? error.message.replace(/^\d{3} /, '') : errorText(error.error);
    return serverFailure(error.status, text, isConstrained);
  }
  if (error instanceof SyntaxError) return new PlannerError('ERR_MODEL_MALFORMED', error.message, { cause: error });
  return connectionFailure(error, phase);
}
