import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { systemClock } from '../shared/clock.ts';
import { describeValue, PlannerError } from '../shared/errors.ts';
import { hasStuckFile } from '../shared/regular-file.ts';
import type { CliContext } from './cli/cli-context.ts';
import { failureLines } from './cli/cli-error.ts';
import type { ServiceProcess } from './cli/commands/serve-command.ts';
import { KEY_VARIABLE } from './cli/endpoint-keys.ts';
import { runCli } from './cli/run-cli.ts';
import { CLUSTER_VARIABLE } from './cluster/cluster-options.ts';
import { LOG_LEVELS, ProcessLog } from './service/log/process-log.ts';

/**
 * The process: environment, log, signals, exit code. The first interrupt ends the work and lets it report, the second
 * ends the process, with 128 and its number.
 */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;
/** npm and timeout pass on a signal that the whole group got: the same one twice in so short a time is one, milliseconds. */
const ECHO_MS = 100;

const debug = process.argv.includes('--debug') || Boolean(process.env.CONCLAVE_DEBUG);
const packageURL = new URL('../../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', packageURL), 'utf8')) as { version: string };
const { CONCLAVE_TOKEN: token, CONCLAVE_LOG_LEVEL: envLevel, [CLUSTER_VARIABLE]: clusterUrl } = process.env;
const logs = new ProcessLog(pino.destination({ fd: 2, sync: true }));
const interrupt = new AbortController();

let first: { readonly signal: string; readonly atMs: number } | undefined;

function onSignal(signal: keyof typeof INTERRUPTED): void {
  const atMs = systemClock.now();
  if (first?.signal === signal && atMs - first.atMs < ECHO_MS) return;
  if (first !== undefined) return endWith(INTERRUPTED[signal], signal);
  first = { signal, atMs };
  interrupt.abort();
}

/** An empty variable is none. */
function keysIn(environment: NodeJS.ProcessEnv): Record<string, string> {
  const keys = Object.entries(environment).filter(([name, key]) => name.startsWith(KEY_VARIABLE) && key);
  return Object.fromEntries(keys) as Record<string, string>;
}

/** A thread that waits for a file system which is gone keeps `process.exit` waiting too: then a signal ends the process. */
function endWith(code: number, signal: keyof typeof INTERRUPTED = 'SIGTERM'): never {
  if (hasStuckFile()) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  process.exit(code);
}
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// Whoever read the output has seen enough, as `head` does.
let onOutputBroken = (): void => process.exit(0);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  onOutputBroken();
});
// Who read the notes and the log has gone: that is no reason to stop working.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
process.on('uncaughtException', (error) => {
  process.stderr.write(failureLines(error, debug));
  process.exit(1);
});

const context: CliContext = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  clock: systemClock,
  signal: interrupt.signal,
  version,
  packageDir: fileURLToPath(packageURL),
  log: logs.root,
  keys: keysIn(process.env),
  ...(clusterUrl ? { clusterUrl } : {}),
};
if (!(envLevel === undefined || LOG_LEVELS.some((level) => level === envLevel))) {
  const rule = `must be one of ${LOG_LEVELS.join(', ')}`;
  throw new PlannerError('ERR_OPTIONS_INVALID', `CONCLAVE_LOG_LEVEL ${rule}, got ${describeValue(envLevel)}`);
}
const service: ServiceProcess = {
  pid: process.pid,
  token: token || undefined,
  logs,
  logLevel: envLevel,
  onHangup: (reload) => {
    process.on('SIGHUP', reload);
    return () => void process.off('SIGHUP', reload);
  },
  onOutputBroken: (end) => {
    onOutputBroken = end;
  },
  exit: (code) => endWith(code),
};
process.exitCode = await runCli(process.argv.slice(2), context, {
  debug,
  onLogLevel: (level) => {
    service.logLevel = level ?? envLevel;
    logs.level = service.logLevel ?? 'silent';
  },
  service,
});
if (hasStuckFile()) endWith(Number(process.exitCode));
