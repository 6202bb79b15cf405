import { defined } from '../../shared/defined.ts';
import type { Domain } from '../../shared/domain.ts';
import { encodeError, PlannerError } from '../../shared/errors.ts';
import { ModelClient } from '../../shared/model-client/model-client.ts';
import { shownPath, shownURL } from '../../shared/shown-url.ts';
import type { EndpointAddress } from '../../shared/tasks.ts';
import type { ChatPlanner } from '../chat/chat-planner.ts';
import { SERVER_NAMES } from '../models/discovery/endpoint-facts.ts';
import { type FoundServer, findServers, KNOWN_PORTS } from '../models/discovery/find-servers.ts';
import { troubleIn } from '../models/discovery/server-trouble.ts';
import { listSomewhere } from '../models/discovery/version-path.ts';
import {
  chooseSeats,
  chosenPanel,
  type ListedEndpoint,
  type PanelOptions,
  panelOf,
  seatsOf,
} from '../models/names/choose-models.ts';
import type {
  AnyPlannerOptions,
  DomainOptions,
  DomainsPlannerOptions,
  EndpointOptions,
} from '../options/planner-options.ts';
import { PROFILES, type Profile } from '../options/profiles.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import type { Config, LoadedConfig } from '../service/config/config-file.ts';
import { createPlanner } from '../service/create-planner.ts';
import { type EmbeddedSimulator, startEmbeddedSimulator } from '../service/embedded-simulator.ts';
import { PlanLog } from '../service/log/plan-log.ts';
import type { ReportServer } from '../session/report.ts';
import { type CliContext, note, warn } from './cli-context.ts';
import { type Endpoints, keyVariableOf, withKeys } from './endpoint-keys.ts';
import { type Kinds, ownOptions, withPanels } from './kinds.ts';
import type { ServerFlags } from './server-flags.ts';
import { count, rate } from './terminal/text.ts';

/** A planner and its options. */
export interface PlannerHost extends AsyncDisposable {
  readonly planner: ChatPlanner;
  readonly server: ReportServer;
  /** Maximum number of plans in flight; further ones are refused. */
  readonly maxInFlight: number;
  readonly planLog: PlanLog;
  /** The options it was started with. */
  readonly options: AnyPlannerOptions;
}

const LIST_MS = 3_000;
/** The embedded server has four models, and all of them are free. */
const SIMULATED_SEATS = 4;
const SIMULATED_NAME = 'simulated';
const SIMULATED_SLACK = 10;
const SIMULATED_TIMEOUT_MS_MIN = 1_000;

/**
 * Starts the planner described by the flags and the configuration; flags take precedence. Without any endpoint it starts the simulated server and
 * plans with that.
 */
export async function openPlannerHost(
  context: CliContext,
  flags: ServerFlags,
  loaded: LoadedConfig | undefined,
  kinds: Kinds,
): Promise<PlannerHost> {
  await using stack = new AsyncDisposableStack();
  const config = loaded?.config ?? {};
  const given = givenEndpoints(context, flags, config);
  const simulator = given === undefined ? stack.use(await startSimulated(context, flags)) : undefined;
  const endpoints = given ?? simulatedEndpoints(simulator as EmbeddedSimulator, profileOf(flags, config), flags.speed);
  const panels = await panelsFor(context, flags, config, kinds, endpoints);
  const timed = given ? joined(context, flags, config) : joined({}, flags, inSimulatedTime(flags, config));
  const options = plannerOptions(flags, timed, endpoints, panels);
  if (loaded !== undefined) checkWith(loaded, options);
  const planner = stack.use(await createPlanner(options));
  tell(context, planner, options);
  const owned = stack.move();
  const { maxInFlight } = resolveOptions(options);
  const server = serverOf(endpoints, simulator, flags);
  const planLog = new PlanLog(planner, context.log);
  return { planner, server, maxInFlight, planLog, options, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function tell(context: CliContext, planner: ChatPlanner, options: AnyPlannerOptions): void {
  const baseURLs = Object.values(options.endpoints).map(({ baseURL }) => shownURL(baseURL));
  context.log.info({ baseURLs, ...panelsTold(options) }, 'planner ready');
  planner.on('warning', (message) => warn(context, message));
}

function panelsTold(options: AnyPlannerOptions): object {
  const { experts, synthesis } = options;
  if (!('domains' in options)) return { experts, synthesis };
  const told = Object.entries(options.domains).map(([name, entry]) => {
    const own = ownOptions(entry);
    return [name, { experts: own.experts ?? experts, synthesis: own.synthesis ?? synthesis }] as const;
  });
  return { domains: Object.fromEntries(told) };
}

function serverOf(endpoints: Endpoints, simulator: EmbeddedSimulator | undefined, flags: ServerFlags): ReportServer {
  if (simulator !== undefined) return { kind: 'simulated', speed: flags.speed, baseURL: simulator.baseURL };
  return { kind: 'endpoints', baseURLs: Object.values(endpoints).map(({ baseURL }) => shownURL(baseURL)) };
}

/** The endpoints of the flags, else those of the configuration. */
export function givenEndpoints(
  context: Pick<CliContext, 'keys'>,
  flags: Pick<ServerFlags, 'endpoint' | 'apiKey'>,
  config: Config,
): Endpoints | undefined {
  const given = flags.endpoint === undefined ? config.endpoints : namedEndpoints(flags.endpoint);
  const keys = { flags: flags.apiKey ?? [], variables: context.keys };
  if (given === undefined && flags.apiKey === undefined) return undefined;
  return withKeys(given ?? {}, keys);
}

export function isFromConfig(flags: Pick<ServerFlags, 'endpoint'>, config: Config): boolean {
  return flags.endpoint === undefined && config.endpoints !== undefined;
}

/** Names endpoints `localhost:1234`, with the path if it is not `/v1`, so that messages can distinguish servers. */
function namedEndpoints(baseURLs: readonly string[]): Endpoints {
  const endpoints: Record<string, EndpointOptions> = {};
  for (const baseURL of new Set(baseURLs)) {
    const path = shownPath(baseURL);
    const name = `${new URL(baseURL).host}${path === '/v1' ? '' : path}`;
    let unique = name;
    // The part that distinguishes them may not be shown.
    for (let nth = 2; unique in endpoints; nth++) unique = `${name}#${nth}`;
    endpoints[unique] = { baseURL };
  }
  return endpoints;
}

async function startSimulated(context: CliContext, flags: ServerFlags): Promise<EmbeddedSimulator> {
  const found = await findServers(context.clock);
  for (const line of lookedForLines(found, flags.speed)) note(context, line);
  const { speed, seed, rate: rates } = flags;
  const simulator = await startEmbeddedSimulator({ speed, seed, ...defined({ rates }) }, context.clock);
  simulator.failed.catch((error: Error) => warn(context, error.message));
  return simulator;
}

function profileOf(flags: ServerFlags, config: Config): Profile {
  return PROFILES[flags.profile ?? config.profile ?? 'default'];
}

/** Pauses between calls are shortened like the server's own times, or they would dominate. */
function simulatedEndpoints({ baseURL }: EmbeddedSimulator, profile: Profile, speed: number): Endpoints {
  return { [SIMULATED_NAME]: { baseURL, staggerMs: profile.staggerMs / speed } };
}

/**
 * Plans on the simulated server get less time than the profile specifies, or one lost request would cost minutes of its time; but ten times what its
 * speed requires, because eight agents at once overload a machine of four slots.
 */
function inSimulatedTime(flags: ServerFlags, config: Config): Config {
  const { timeoutMs } = profileOf(flags, config);
  const scaledMs = Math.max(SIMULATED_TIMEOUT_MS_MIN, Math.round((timeoutMs * SIMULATED_SLACK) / flags.speed));
  return { timeoutMs: Math.min(timeoutMs, scaledMs), ...config };
}

function lookedForLines(found: readonly FoundServer[], speed: number): string[] {
  const known = KNOWN_PORTS.map(({ usual, port }) => `${port} (${usual})`).join(', ');
  const answered = found.map((server) => `${server.port} (${whatIs(server)})`);
  const result = found.length === 0 ? 'none answered' : `found ${answered.join(', ')}`;
  const example = found[0]?.baseURL ?? 'http://localhost:1234/v1';
  const use = found.length === 0 ? 'To use real models, start a server and add' : 'To use what was found, add';
  return [
    `Looked for model servers at localhost ports ${known}: ${result}.`,
    `Using the simulated server at ${rate(speed)} times real time. ${use} --endpoint ${example}`,
  ];
}

function whatIs({ kind, models, trouble }: FoundServer): string {
  if (trouble === 'key') return 'requires a key';
  if (trouble === 'loading') return 'is loading its model';
  return `${SERVER_NAMES[kind]}, ${count(models.length, 'model')}`;
}

/** The domains with their experts, of the flags, of the configuration, or chosen from what the servers list. */
async function panelsFor(
  context: CliContext,
  flags: ServerFlags,
  config: Config,
  kinds: Kinds,
  endpoints: Endpoints,
): Promise<Panels> {
  const fromConfig = isFromConfig(flags, config) && flags.model === undefined;
  if (fromConfig && hasOwnPanels(kinds)) return withPanels(kinds, () => undefined, true);
  return withPanels(kinds, await panelChooser(context, flags, config, endpoints), fromConfig);
}

function hasOwnPanels(kinds: Kinds): boolean {
  if ('domain' in kinds) return false;
  return Object.values(kinds.domains).every((own) => !('features' in own) && own.experts !== undefined);
}

type Panels = ReturnType<typeof withPanels>;

async function panelChooser(
  context: CliContext,
  flags: ServerFlags,
  config: Config,
  endpoints: Endpoints,
): Promise<(domain: Domain) => PanelOptions> {
  const names = Object.keys(endpoints);
  if (flags.model !== undefined) {
    // With one endpoint there is nothing to look up: the planner checks the ids at start.
    const listed =
      names.length === 1 ? [{ name: names[0] as string, models: [] }] : await listAll(context, flags, endpoints);
    const given = seatsOf(flags.model, listed);
    return ({ roles }) => panelOf(roles, given);
  }
  const { experts, synthesis } = config;
  const fromConfig = isFromConfig(flags, config);
  if (fromConfig && experts !== undefined) {
    return () => ({ experts: [...experts], synthesis: synthesis ?? { models: [] } });
  }
  const isSimulated = SIMULATED_NAME in endpoints;
  const listed = await listAll(context, flags, endpoints);
  const seats = chooseSeats(listed, isSimulated ? SIMULATED_SEATS : undefined);
  if (seats.length === 0) throw noModels(endpoints);
  if (!isSimulated) note(context, `Using ${modelsText(seats, endpoints)}; choose others with --model.`);
  const own = fromConfig ? defined({ synthesis }) : {};
  return ({ roles }) => ({ ...chosenPanel(roles, seats), ...own });
}

function modelsText(seats: readonly { model: string; endpoint: string }[], endpoints: Endpoints): string {
  const isOne = Object.keys(endpoints).length === 1;
  return seats.map(({ model, endpoint }) => (isOne ? model : `${model} at ${endpoint}`)).join(' and ');
}

function noModels(endpoints: Endpoints): PlannerError {
  const where = Object.values(endpoints).map(({ baseURL }) => shownURL(baseURL));
  return new PlannerError('ERR_MODEL_MISSING', `no chat model is listed at ${where.join(', ')}; load one first`);
}

async function listAll(context: CliContext, flags: ServerFlags, endpoints: Endpoints): Promise<ListedEndpoint[]> {
  return Promise.all(
    Object.entries(endpoints).map(async ([name, endpoint]) => {
      try {
        const { models } = await listSomewhere(endpoint.baseURL, (baseURL) =>
          listAt(context, { name, ...endpoint, baseURL }, LIST_MS),
        );
        return { name, models };
      } catch (error) {
        if (flags.allowOffline && flags.model !== undefined) return { name, models: [] };
        throw unlisted(name, endpoint, error);
      }
    }),
  );
}

/** Returns the ids of the models that a server lists. */
export async function listAt({ clock }: CliContext, at: EndpointAddress, timeoutMs: number): Promise<string[]> {
  const client = new ModelClient(at, clock, 1);
  try {
    return await client.listModels(timeoutMs);
  } finally {
    await client.close();
  }
}

function unlisted(name: string, endpoint: EndpointOptions, cause: unknown): PlannerError {
  const error = encodeError(cause);
  const baseURL = shownURL(endpoint.baseURL);
  const message = {
    key: `${baseURL} requires a key: ${error.message}; set it with --api-key or ${keyVariableOf(name)}`,
    loading: `${baseURL} is loading its model: ${error.message}; wait for it, and run this again`,
    none: `${baseURL} cannot be reached: ${error.message}; name a --model if the server has no list`,
  }[troubleIn(error) ?? 'none'];
  return new PlannerError('ERR_ENDPOINT_UNREACHABLE', message, { cause });
}

function plannerOptions(flags: ServerFlags, config: Config, endpoints: Endpoints, panels: Panels): AnyPlannerOptions {
  const { cache, workers, domain: _domain, domains: _domains, ...rest } = config;
  const { profile, timeoutMs, onMissingModel, allowOffline, threads } = flags;
  return {
    ...rest,
    endpoints,
    ...panels,
    ...defined({ profile, timeoutMs, onMissingModel, allowOffline }),
    ...defined({
      cache: cacheOption(flags, cache),
      workers: threads === undefined ? workers : { ...workers, threads },
    }),
  } as AnyPlannerOptions;
}

/**
 * The configuration with the cluster of the flag, or of the environment. The environment does not count with the simulated server: what
 * simulated models decide is not for nodes with real ones.
 */
export function joined(
  { clusterUrl }: Pick<CliContext, 'clusterUrl'>,
  flags: Pick<ServerFlags, 'cluster'>,
  config: Config,
): Config {
  const url = flags.cluster ?? clusterUrl;
  return url === undefined ? config : { ...config, cluster: { ...config.cluster, url } };
}

function cacheOption(flags: ServerFlags, configured: Config['cache']): Config['cache'] {
  if (!flags.cache) return false;
  const { cacheEntries: entries, cacheTtlMs: ttlMs } = flags;
  if (entries === undefined && ttlMs === undefined) return configured;
  return { ...(configured === false ? {} : configured), ...defined({ entries, ttlMs }) };
}

/**
 * The options of a planner started now, without lookups: anything chosen or started because nothing was configured stays. Throws like
 * `openPlannerHost` if flags, file and domain conflict.
 */
export function optionsAgain(
  context: Pick<CliContext, 'keys' | 'clusterUrl'>,
  before: AnyPlannerOptions,
  flags: ServerFlags,
  loaded: LoadedConfig | undefined,
  kinds: Kinds,
): AnyPlannerOptions {
  const config = loaded?.config ?? {};
  const given = givenEndpoints(context, flags, config);
  const fromConfig = isFromConfig(flags, config) && flags.model === undefined;
  const { experts, synthesis } = fromConfig ? config : {};
  const panel = {
    experts: experts ?? before.experts,
    synthesis: synthesis ?? (experts === undefined ? before.synthesis : undefined) ?? { models: [] },
  } as PanelOptions;
  const timed = given ? joined(context, flags, config) : joined({}, flags, inSimulatedTime(flags, config));
  const chosen = 'domains' in before ? (domain: Domain) => panelBefore(before, domain) : () => panel;
  const options = plannerOptions(flags, timed, given ?? before.endpoints, withPanels(kinds, chosen, fromConfig));
  if (loaded !== undefined) checkWith(loaded, options);
  const isSimulated = SIMULATED_NAME in before.endpoints;
  // Without any endpoint it would use the simulated one, which is not what runs.
  return given === undefined && !isSimulated ? { ...options, endpoints: {} } : options;
}

/** The experts that were chosen for a domain with these roles. */
function panelBefore({ domains }: DomainsPlannerOptions, { roles }: Domain): PanelOptions | undefined {
  const isSame = ({ domain }: DomainOptions): boolean =>
    typeof domain !== 'string' && JSON.stringify(domain.roles) === JSON.stringify(roles);
  const known = Object.values(domains).map(ownOptions).find(isSame);
  if (known?.experts === undefined) return undefined;
  return { experts: [...known.experts], synthesis: known.synthesis ?? { models: [] } };
}

/** Reports conflicts of a configuration with its domain or endpoints with its file, too. */
function checkWith({ file }: LoadedConfig, options: AnyPlannerOptions): void {
  try {
    resolveOptions(options);
  } catch (error) {
    if (!(error instanceof PlannerError)) throw error;
    throw new PlannerError(error.code, `${file}: ${error.message}`, { cause: error });
  }
}
