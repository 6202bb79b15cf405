import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../shared/clock.ts';
import { shown } from '../../shared/shown-text.ts';

/** Something that shows on a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** What `bin.ts` gives to the commands: they touch no global. */
export interface CliContext {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly cwd: string;
  readonly clock: Clock;
  /** Aborts at the first interrupt. */
  readonly signal: AbortSignal;
  readonly version: string;
  /** Where the package lives, with its examples. */
  readonly packageDir: string;
  readonly log: CliLog;
  /** The variables of the environment that hold keys of model servers. */
  readonly keys: Readonly<Record<string, string>>;
  /** Notes and warnings become log lines alone, for standard error holds nothing else. Default false. */
  readonly logOnly?: boolean;
}

/** As much of pino as the commands use. */
export interface CliLog {
  isLevelEnabled(level: string): boolean;
  debug(data: object, message: string): void;
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
}

/** One line for people, beside the result. */
export function note(context: CliContext, text: string): void {
  if (context.logOnly) context.log.info({}, text);
  else context.stderr.write(`${shown(text)}\n`);
}

export function warn(context: CliContext, message: string): void {
  context.log.warn({}, message);
  if (!context.logOnly) note(context, `warning: ${message}`);
}

/** JSON escapes what a terminal obeys only in part; what is escaped here reads as the same text. */
export function printJson(context: CliContext, value: object): void {
  context.stdout.write(`${shown(JSON.stringify(value))}\n`);
}
