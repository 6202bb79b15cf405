import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { systemClock } from '../shared/clock.ts';
import type { CliContext } from './cli/cli-context.ts';
import { failureLines } from './cli/cli-error.ts';
import { runCli } from './cli/run-cli.ts';

/**
 * The process: environment, log, signals, exit code. The first interrupt ends the work and lets it report, the second
 * ends the process.
 */
const INTERRUPTED = 130;

const debug = process.argv.includes('--debug') || Boolean(process.env.CONCLAVE_DEBUG);
const packageURL = new URL('../../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', packageURL), 'utf8')) as { version: string };
const log = pino({ name: 'conclave', level: 'silent' }, pino.destination({ fd: 2, sync: true }));
const interrupt = new AbortController();

function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(INTERRUPTED);
  interrupt.abort();
}
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// Whoever read the output has seen enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
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
  log,
};
process.exitCode = await runCli(process.argv.slice(2), context, {
  debug,
  onLogLevel: (level) => {
    log.level = level;
  },
});
