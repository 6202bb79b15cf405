import { defined } from '../../shared/defined.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { shown } from '../../shared/shown-text.ts';

export const EXIT = { SUCCESS: 0, FAILURE: 1, USAGE: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command line that breaks a rule; ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Advice on what to do next, if the message itself does not say. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  ERR_TRACE_INVALID: 'correct the file; --skip-invalid leaves broken lines out, --limit N stops before them',
  ERR_REPORT_INVALID: 'name a file that "conclave session --json" has written',
  ERR_ENDPOINT_UNREACHABLE:
    'run "conclave doctor" to see which servers answer, add --allow-offline to start without this one, or leave --endpoint out to use the simulated server',
  ERR_CLUSTER_AWAY:
    'run "conclave doctor --cluster URL" to see what it finds there, or add --allow-offline to start without the engine and join it when it is there',
  ERR_CLUSTER_REFUSED:
    'correct the URL, or the engine (docs/cluster.md, "The engine"), or add --allow-offline to start without it',
  ERR_MODEL_MISSING: 'name one of these with --model, or let Conclave choose with --on-missing-model substitute',
  ERR_OPTIONS_INVALID: 'correct it and run again',
  ERR_DOMAIN_INVALID: 'correct the domain and run again',
  ERR_REQUEST_INVALID: 'correct the request and run again',
  ERR_INTERNAL: 'this is a bug in Conclave; run again with --debug and report what it prints',
};

interface FailureText {
  readonly code: string;
  readonly message: string;
  readonly next?: string;
}

/** The text for the user of any thrown value. */
export function failureText(error: unknown): FailureText {
  const { code, message } = describeError(error);
  const next = isUnreadable(error, code) ? 'name a trace that is there and can be read' : ADVICE[code as ErrorCode];
  return { code, message, ...defined({ next }) };
}

function describeError(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: 'ERR_INTERNAL', message: String(error) };
  const { code } = error as { code?: unknown };
  return { code: typeof code === 'string' ? code : 'ERR_INTERNAL', message: error.message || error.name };
}

/** True if the system refused to read a trace: then none of its lines is at fault. */
function isUnreadable(error: unknown, code: string): boolean {
  if (code !== 'ERR_TRACE_INVALID') return false;
  const { cause } = error as { cause?: Partial<NodeJS.ErrnoException> };
  return ['ENOENT', 'EISDIR', 'EACCES'].includes(cause?.code ?? '');
}

/** `error: message (CODE)` and, on a separate line, what to do next. */
export function failureLines(error: unknown, withStack: boolean): string {
  const { code, message, next } = failureText(error);
  const stack = withStack && error instanceof Error ? `${stackOf(error)}\n` : '';
  const advice = next === undefined ? '' : `next: ${next}\n`;
  return shown(`${stack}error: ${message} (${code})\n${advice}`);
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
