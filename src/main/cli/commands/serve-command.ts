import { once } from 'node:events';
import type { Command } from 'commander';
import type { ClusterStats } from '../../cluster/cluster.ts';
import type { FaceParts } from '../../faces/face.ts';
import { type LoadedConfig, loadConfig } from '../../service/config/config-file.ts';
import { type Configured, Reloader } from '../../service/config/reloader.ts';
import { DRAIN_MS_MAX } from '../../service/config/serve-config.ts';
import {
  CHANGEABLE,
  type ServeChoice,
  type ServeSettings,
  serveSettings,
} from '../../service/config/serve-settings.ts';
import { drain } from '../../service/drain.ts';
import type { ProcessLog } from '../../service/log/process-log.ts';
import type { FaceName } from '../../service/open-faces.ts';
import { openServiceFaces, type ServiceFaces } from '../../service/service-faces.ts';
import { type CliContext, note, printJson } from '../cli-context.ts';
import { EXIT, type ExitCode, failureText, UsageError } from '../cli-error.ts';
import { secretsIn } from '../endpoint-keys.ts';
import { DOMAIN_FLAG, kindsFor, repeated } from '../kinds.ts';
import { openPlannerHost, optionsAgain, type PlannerHost } from '../planner-host.ts';
import { addServerFlags, type ServerFlags, wholeNumber } from '../server-flags.ts';
import { count, duration } from '../terminal/text.ts';

interface ServeFlags extends ServerFlags, ServeChoice {
  readonly domain?: readonly string[];
  readonly json?: boolean;
}

/** The functions of its process that a command needs to run until it is stopped. */
export interface ServiceProcess {
  readonly pid: number;
  /** The bearer token from the environment. */
  readonly token: string | undefined;
  readonly logs: ProcessLog;
  /** The level set by flag or environment, which overrides the configuration. */
  logLevel: string | undefined;
  /** Calls `reload` at every SIGHUP, which would otherwise end the process. Returns a function that unsubscribes. */
  onHangup(reload: () => void): () => void;
  /** Calls `end`, instead of ending the process, when the reader of standard output has gone. */
  onOutputBroken(end: () => void): void;
  exit(code: number): never;
}

const EXAMPLES = `
Examples:
  conclave serve --http 7411                             with the simulated server
  conclave serve --socket /run/conclave/plan.sock --endpoint http://localhost:1234/v1
  conclave serve --stdio                                 for a program that starts Conclave itself
  conclave serve --config conclave.config.yaml           as its section "serve" sets
SIGTERM and SIGINT let plans in flight finish within --drain-ms; SIGHUP reloads the configuration. Send signals to the process
whose id --json prints: npx does not pass them on.`;

export function addServeCommand(program: Command, run: (flags: ServeFlags) => Promise<void>): void {
  const command = program
    .command('serve')
    .description('Serve plans to other programs over HTTP, a socket, or standard input and output, until interrupted.')
    .option('--socket <path>', 'serve JSON-RPC on this Unix socket, or named pipe on Windows')
    .option('--stdio', 'serve JSON-RPC on standard input and output, until the input ends')
    .option('--http <port>', 'serve HTTP on this port; 0 chooses a free one', wholeNumber(0, 65_535))
    .option(
      '--host <address>',
      'address of the HTTP port; one that other machines can reach requires a token (default: 127.0.0.1)',
    )
    .option(
      '--token-file <file>',
      'file with the bearer token for HTTP (default: the environment variable CONCLAVE_TOKEN)',
    )
    .option(
      '--drain-ms <ms>',
      'how long plans in flight may take after SIGTERM or SIGINT (default: 10000)',
      wholeNumber(0, DRAIN_MS_MAX),
    )
    .option(...DOMAIN_FLAG, repeated);
  addServerFlags(command)
    .option('--json', 'print one JSON object when the service is ready')
    .addHelpText('after', EXAMPLES)
    .action((flags: ServeFlags) => run(flags));
}

/** A running service and its settings. */
interface Service {
  readonly context: CliContext;
  readonly flags: ServeFlags;
  readonly process: ServiceProcess;
  readonly file: string | undefined;
  readonly host: PlannerHost;
  readonly faces: ServiceFaces;
  /** Changed by a reload. */
  settings: ServeSettings;
}

export async function serveCommand(given: CliContext, flags: ServeFlags, process: ServiceProcess): Promise<ExitCode> {
  // From start to end: a hangup while the service starts or drains must not end it.
  using hangups = new Hangups(process);
  const { logs } = process;
  const context: CliContext = {
    ...given,
    log: logs.of('serve'),
    get logOnly() {
      return logs.level !== 'silent';
    },
  };
  const loaded = await loadConfig(given.cwd, flags.config);
  const settings = serveSettings(flags, loaded, process);
  checkUse(flags, settings);
  knowSecrets(logs, loaded, settings);
  for (const secret of secretsIn({ flags: flags.apiKey ?? [], variables: given.keys })) logs.secrets.add(secret);
  logs.level = settings.log.level;
  const host = await openPlannerHost(context, flags, loaded, await kindsFor(given.cwd, flags.domain, loaded?.config));
  const faces = await openFaces(context, settings, host, logs);
  const service: Service = { context, flags, process, file: loaded?.file, host, faces, settings };
  const stopReloading = reloadAt(hangups, service);
  tellReady(service);
  await untilTold(service);
  stopReloading();
  return await end(service);
}

function checkUse({ json, host, tokenFile }: ServeFlags, { serve: { socket, stdio, http } }: ServeSettings): void {
  if (socket === undefined && http === undefined && !stdio)
    throw new UsageError('serve needs a way in: --socket PATH, --stdio or --http PORT');
  if (http === undefined && (host ?? tokenFile) !== undefined)
    throw new UsageError('--host and --token-file are for HTTP alone: add --http PORT, or leave them out');
  if (stdio && json) throw new UsageError('--json cannot go with --stdio, whose standard output is the protocol');
}

/** Registers the secrets that no log line may show. */
function knowSecrets({ secrets }: ProcessLog, loaded: LoadedConfig | undefined, settings: ServeSettings): void {
  secrets.addFrom(loaded);
  secrets.addFrom(settings);
}

async function openFaces(
  { clock, version, stdin, stdout }: CliContext,
  { serve }: ServeSettings,
  host: PlannerHost,
  logs: ProcessLog,
): Promise<ServiceFaces> {
  try {
    const partsOf = (name: FaceName): FaceParts => ({ clock, version, log: logs.of(name) });
    return await openServiceFaces(host.planner, serve, partsOf, { input: stdin, output: stdout });
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

function tellReady({ context, flags, faces, host, process: { pid } }: Service): void {
  tellJoined(context, host.planner.stats().cluster);
  const places = faces.all.map(({ name, face }) => ({ name, address: face.address }));
  for (const { name, address } of places)
    tell(context, { face: name, address }, 'listening', `Listening on ${address}`);
  if (flags.json) printJson(context, { ready: true, pid, faces: places });
}

/** An engine that is away has its own warning. */
function tellJoined(context: CliContext, cluster: ClusterStats | undefined): void {
  if (cluster === undefined || !cluster.engine.isUp) return;
  const { name, node, engine } = cluster;
  const { url, version } = engine;
  tell(context, { cluster: name, node, url, version }, 'joined', `Joined cluster ${name} through ${version} at ${url}`);
}

/** Reports as a log line, or in words if there is no log. */
function tell(context: CliContext, data: object, message: string, words: string): void {
  if (context.logOnly) context.log.info(data, message);
  else note(context, words);
}

/** Resolves at the first interrupt, or when the program at standard input and output has gone. */
async function untilTold({ context: { signal }, process, faces: { stdio } }: Service): Promise<void> {
  const gone = new Promise<void>((resolve) => process.onOutputBroken(resolve));
  const ends = [once(signal, 'abort'), gone, ...(stdio === undefined ? [] : [stdio.ended])];
  if (!signal.aborted) await Promise.race(ends);
}

interface Read {
  readonly loaded: LoadedConfig | undefined;
  readonly settings: ServeSettings;
  readonly configured: Configured;
}

/** Catches every SIGHUP from start to end. One that arrives before there is a listener is delivered once there is. */
class Hangups implements Disposable {
  #listener: (() => void) | undefined;
  #isDue = false;
  readonly #off: () => void;

  constructor(process: ServiceProcess) {
    this.#off = process.onHangup(() => {
      if (this.#listener === undefined) this.#isDue = true;
      else this.#listener();
    });
  }

  set listener(listener: () => void) {
    this.#listener = listener;
    if (this.#isDue) listener();
  }

  [Symbol.dispose](): void {
    this.#off();
  }
}

function reloadAt(hangups: Hangups, service: Service): () => void {
  const { host, settings } = service;
  const reloader = new Reloader<Read>(configuredBy(host.options, settings), {
    read: () => readAgain(service),
    apply: (read, changed) => applyTo(service, read, changed),
    tell: (reloaded) => {
      if (reloaded.kind === 'refused') tellRefused(service, reloaded.error);
      else tellReloaded(service, reloaded.applied, reloaded.needRestart);
    },
  });
  hangups.listener = () => reloader.request();
  return () => reloader.stop();
}

function configuredBy(options: object, settings: ServeSettings): Configured {
  return { ...options, ...settings };
}

async function readAgain({ context, flags, process, file, host }: Service): Promise<Read> {
  const loaded = await loadConfig(context.cwd, flags.config ?? file);
  const settings = serveSettings(flags, loaded, process);
  const kinds = await kindsFor(context.cwd, flags.domain, loaded?.config);
  const options = optionsAgain(context, host.options, flags, loaded, kinds);
  return { loaded, settings, configured: configuredBy(options, settings) };
}

/** The face first, because it may refuse. */
async function applyTo(service: Service, { loaded, settings }: Read, changed: readonly string[]): Promise<string[]> {
  const { faces, process, host } = service;
  const { serve, log } = settings;
  if (faces.http !== undefined && serve.http !== undefined) await faces.http.reload(serve.http);
  knowSecrets(process.logs, loaded, settings);
  process.logs.level = log.level;
  host.planLog.update();
  service.settings = settings;
  return changed.filter((key) => CHANGEABLE.includes(key));
}

function tellReloaded(service: Service, applied: readonly string[], needRestart: readonly string[]): void {
  const { context, file = 'the command line' } = service;
  const parts = [
    applied.length === 0 ? 'nothing to apply' : `applied ${applied.join(', ')}`,
    ...(needRestart.length === 0 ? [] : [`needs a restart: ${needRestart.join(', ')}`]),
    'all else is unchanged',
  ];
  tell(context, { file, applied, needRestart }, 'reloaded', `Reloaded ${file}: ${parts.join('; ')}`);
}

function tellRefused({ context, process }: Service, error: unknown): void {
  const { code, message } = failureText(error);
  if (context.logOnly) context.log.warn({ code, reason: message }, 'reload refused, nothing has changed');
  else note(context, process.logs.secrets.hide(`Reload refused, nothing has changed: ${message} (${code})`));
}

async function end({ context, process, host, faces, settings }: Service): Promise<ExitCode> {
  const { clock } = context;
  const { drainMs } = settings.serve;
  const { inFlight } = host.planner.stats().plans;
  const words = `Ending: ${count(inFlight, 'plan')} under way, at most ${duration(drainMs)}`;
  tell(context, { inFlight, drainMs }, 'draining', words);
  const startedAtMs = clock.now();
  const release = async (): Promise<void> => host[Symbol.asyncDispose]();
  const log = process.logs.of('serve');
  const drained = await drain({ faces: faces.all.map(({ face }) => face), release, clock, log }, drainMs);
  const ms = Math.round(clock.now() - startedAtMs);
  tell(context, { ms, ...drained }, 'drained', `${drained.isInTime ? 'Ended' : 'Cut off'} after ${duration(ms)}`);
  const code = drained.isReleased ? EXIT.SUCCESS : EXIT.FAILURE;
  // Anything still running would keep the process alive.
  if (!drained.isInTime) process.exit(code);
  return code;
}
