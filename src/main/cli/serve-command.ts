import { once } from 'node:events';
import type { Command } from 'commander';
import { skyrim } from '../../shared/domains/skyrim.ts';
import type { FaceParts } from '../faces/face.ts';
import { openHttpFace } from '../faces/http/open-http-face.ts';
import type { ProcessLog } from '../log/process-log.ts';
import { loadConfig, loadDomain } from '../options/config-file.ts';
import { drain } from '../serve/drain.ts';
import { type FaceName, type FaceOpener, type NamedFace, openFaces } from '../serve/open-faces.ts';
import { DRAIN_MS_MAX } from '../serve/serve-config.ts';
import { type ServeSettings, serveSettings } from '../serve/serve-settings.ts';
import { type CliContext, note, printJson } from './cli-context.ts';
import { EXIT, type ExitCode, UsageError } from './cli-error.ts';
import { openPlannerHost, type PlannerHost } from './planner-host.ts';
import { addServerFlags, type ServerFlags, wholeNumber } from './server-flags.ts';
import { count, duration } from './text.ts';

export interface ServeFlags extends ServerFlags {
  readonly socket?: string;
  readonly stdio?: boolean;
  readonly http?: number;
  readonly host?: string;
  readonly tokenFile?: string;
  readonly drainMs?: number;
  readonly domain?: string;
  readonly json?: boolean;
}

/** What a command that runs until it is told to end needs of its process. */
export interface ServiceProcess {
  readonly pid: number;
  /** The bearer token of the environment. */
  readonly token: string | undefined;
  readonly logs: ProcessLog;
  /** By flag or environment; then a configuration has no say in it. */
  logLevel: string | undefined;
  /** Calls `reload` at every SIGHUP, which would end the process otherwise. The result stops that. */
  onHangup(reload: () => void): () => void;
  /** Calls `end` when nobody reads standard output any more, instead of ending the process. */
  onOutputBroken(end: () => void): void;
  exit(code: number): never;
}

const EXAMPLES = `
Examples:
  conclave serve --http 7411                             on the simulated server
  conclave serve --socket /run/conclave/plan.sock --endpoint http://localhost:1234/v1
  conclave serve --config conclave.config.yaml           faces as its section "serve" says
SIGTERM and SIGINT let what is under way end, within --drain-ms; SIGHUP reads the configuration again.`;

export function addServeCommand(program: Command, run: (flags: ServeFlags) => Promise<void>): void {
  const command = program
    .command('serve')
    .description('Serve plans to other programs, over a socket, standard input and output, or HTTP, until interrupted.')
    .option('--http <port>', 'serve HTTP at this port; 0 takes a free one', wholeNumber(0, 65_535))
    .option('--host <address>', 'address of the HTTP port (default: 127.0.0.1)')
    .option('--drain-ms <ms>', 'time to end in (default: 10000)', wholeNumber(0, DRAIN_MS_MAX))
    .option('--domain <name>', 'skyrim, or a file with a definition (default: that of the configuration, else skyrim)');
  addServerFlags(command)
    .option('--json', 'print one JSON object when ready')
    .addHelpText('after', EXAMPLES)
    .action((flags: ServeFlags) => run(flags));
}

export async function serveCommand(given: CliContext, flags: ServeFlags, process: ServiceProcess): Promise<ExitCode> {
  const { logs } = process;
  const loaded = await loadConfig(given.cwd, flags.config);
  const settings = serveSettings(flags, loaded, process);
  checkUse(flags, settings);
  logs.level = settings.logLevel;
  const context: CliContext = {
    ...given,
    log: logs.of('serve'),
    get logOnly() {
      return logs.level !== 'silent';
    },
  };
  const domain =
    flags.domain === undefined ? (loaded?.config.domain ?? skyrim) : await loadDomain(given.cwd, flags.domain);
  const host = await openPlannerHost(context, flags, loaded, domain);
  const faces = await facesOf(context, settings, host, logs);
  tellReady(context, flags, faces, process.pid);
  await untilTold(context, process);
  return end(context, process, { host, faces, drainMs: settings.drainMs });
}

function checkUse({ stdio, json }: ServeFlags, { http }: ServeSettings): void {
  if (http === undefined && !stdio) throw new UsageError('serve needs a way in: --http PORT');
  if (stdio && json) throw new UsageError('--json cannot go with --stdio, whose standard output is the protocol');
}

async function facesOf(
  { clock, version }: CliContext,
  { http }: ServeSettings,
  host: PlannerHost,
  logs: ProcessLog,
): Promise<readonly NamedFace[]> {
  const { planner } = host;
  const partsOf = (name: FaceName): FaceParts => ({ clock, version, log: logs.of(name) });
  const openers: FaceOpener[] = [];
  if (http !== undefined) openers.push({ name: 'http', open: () => openHttpFace(planner, http, partsOf('http')) });
  try {
    return await openFaces(openers);
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

function tellReady(context: CliContext, { json }: ServeFlags, faces: readonly NamedFace[], pid: number): void {
  const places = faces.map(({ name, face }) => ({ name, address: face.address }));
  for (const { name, address } of places)
    tell(context, { face: name, address }, 'listening', `Listening on ${address}`);
  if (json) printJson(context, { ready: true, pid, faces: places });
}

/** As a log line, or in words where there is no log. */
function tell(context: CliContext, data: object, message: string, words: string): void {
  if (context.logOnly) context.log.info(data, message);
  else note(context, words);
}

/** Resolves at the first interrupt, and when nobody reads standard output any more. */
async function untilTold({ signal }: CliContext, process: ServiceProcess): Promise<void> {
  const broken = new Promise<void>((resolve) => process.onOutputBroken(resolve));
  if (!signal.aborted) await Promise.race([once(signal, 'abort'), broken]);
}

interface Service {
  readonly host: PlannerHost;
  readonly faces: readonly NamedFace[];
  readonly drainMs: number;
}

async function end(context: CliContext, process: ServiceProcess, service: Service): Promise<ExitCode> {
  const { clock } = context;
  const { host, faces, drainMs } = service;
  const { inFlight } = host.planner.stats().plans;
  tell(
    context,
    { inFlight, drainMs },
    'draining',
    `Ending: ${count(inFlight, 'plan')} under way, at most ${duration(drainMs)}`,
  );
  const startedAtMs = clock.now();
  const release = async (): Promise<void> => host[Symbol.asyncDispose]();
  const ended = await drain(
    { faces: faces.map(({ face }) => face), release, clock, log: process.logs.of('serve') },
    drainMs,
  );
  const ms = Math.round(clock.now() - startedAtMs);
  tell(
    context,
    { ms, ...ended },
    'drained',
    ended.isInTime ? `Ended after ${duration(ms)}` : `Cut off after ${duration(ms)}`,
  );
  const code = ended.isReleased ? EXIT.SUCCESS : EXIT.FAILURE;
  // What still runs would keep the process alive.
  if (!ended.isInTime) process.exit(code);
  return code;
}
