import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../shared/clock.ts';
import { shown } from '../../shared/shown-text.ts';
import type { FaceLog } from '../faces/face.ts';

/** An output that may be a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** The process as seen by the commands, from `bin.ts`: they use no globals. */
export interface CliContext {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly cwd: string;
  readonly clock: Clock;
  /** Aborts at the first interrupt. */
  readonly signal: AbortSignal;
  readonly version: string;
  /** Folder of the package, with its examples. */
  readonly packageDir: string;
  readonly log: CliLog;
  /** Environment variables that hold keys of model servers. */
  readonly keys: Readonly<Record<string, string>>;
  /** The URL of a cluster's engine from the environment. */
  readonly clusterUrl?: string;
  /** True if notes and warnings are only logged, because standard error carries nothing but the log. Default false. */
  readonly logOnly?: boolean;
}

/** The part of pino that the commands use. */
export interface CliLog extends Pick<FaceLog, 'debug' | 'info' | 'warn'> {
  isLevelEnabled(level: string): boolean;
}

/** Writes one line for people, separate from the result. */
export function note(context: CliContext, text: string): void {
  if (context.logOnly) context.log.info({}, text);
  else context.stderr.write(`${shown(text)}\n`);
}

export function warn(context: CliContext, message: string): void {
  context.log.warn({}, message);
  if (!context.logOnly) note(context, `warning: ${message}`);
}

/** Writes the result of a command: as JSON, or in words. */
export function printResult(
  context: CliContext,
  isJson: boolean | undefined,
  result: object,
  words: () => string,
): void {
  if (isJson) printJson(context, result);
  else context.stdout.write(shown(words()));
}

/** Writes JSON. Escapes control characters that JSON leaves to the terminal; the result parses to the same text. */
export function printJson(context: CliContext, value: object): void {
  context.stdout.write(`${shown(JSON.stringify(value))}\n`);
}
