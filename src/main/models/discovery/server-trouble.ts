import type { ErrorCode } from '../../../shared/errors.ts';

/** Why a running server does not serve: it requires a key or rejects the given one, or it is loading its model. */
export type ServerTrouble = 'key' | 'loading';

/** What the failure of a call, or of a list of models, shows about its server. */
export function troubleIn({
  code,
  message,
}: {
  readonly code: ErrorCode;
  readonly message: string;
}): ServerTrouble | undefined {
  const status = statusIn(message);
  if (status === 401 || status === 403) return 'key';
  return code === 'ERR_MODEL_OVERLOADED' && LOADING.test(message) ? 'loading' : undefined;
}

/** Whether the server answered, whatever the answer was. */
export function hasAnswered({ code, message }: { readonly code: ErrorCode; readonly message: string }): boolean {
  return statusIn(message) !== undefined || code === 'ERR_MODEL_MALFORMED' || code === 'ERR_MODEL_TOO_LARGE';
}

// llama.cpp: "Loading model"; LM Studio, SGLang and others use similar words.
const LOADING = /\b(?:loading|load(?:ed)? yet|warming up|starting)\b/i;

/** The HTTP status at the start of a server's message. */
function statusIn(message: string): number | undefined {
  const digits = /^[45]\d\d\b/.exec(message)?.[0];
  return digits === undefined ? undefined : Number(digits);
}
