import { type Clock, systemClock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import type { Domain, DomainDefinition } from '../../shared/domain.ts';
import { ModelClient } from '../../shared/model-client/model-client.ts';
import { type Random, systemRandom } from '../../shared/random.ts';
import { renderSystem } from '../../shared/situation.ts';
import { UNWANTED } from '../../shared/unwanted.ts';
import type { ChatCaller } from '../../shared/vote-answer.ts';
import { openPlanCache, openSharedStore } from '../cache/open-plan-cache.ts';
import { ChatGateway } from '../chat/chat-gateway.ts';
import type { ChatPlanner } from '../chat/chat-planner.ts';
import type { DomainPlanner, DomainsPlanner } from '../chat/domain-planner.ts';
import { ModelDirectory } from '../chat/seats/model-directory.ts';
import { type RelayClient, SeatCaller } from '../chat/seats/seat-caller.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { addVersionPaths } from '../models/discovery/version-path.ts';
import { probeAnswers } from '../models/forms/probe-answers.ts';
import { checkModels, type EndpointListing, listEndpoints } from '../models/names/check-models.ts';
import { mergeSamePlaces, type NameService } from '../models/names/same-place.ts';
import { systemNames } from '../models/names/system-names.ts';
import { ExpertPool, type ExpertRunner } from '../models/pool/expert-pool.ts';
import type { Seat } from '../models/seat.ts';
import { optionsOfDomain } from '../options/domain-options.ts';
import type {
  AnyPlannerOptions,
  DomainsOption,
  DomainsPlannerOptions,
  PlannerOptions,
  ResolvedEndpoint,
  ResolvedOptions,
} from '../options/planner-options.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import type { DomainParts } from '../plans/domain-core.ts';
import type { DomainFutures } from '../plans/expectations/domain-futures.ts';
import type { FlightParts } from '../plans/flights/flight-parts.ts';
import { Planner } from '../plans/planner.ts';
import { withLoadedDomains } from './config/loaded-domains.ts';
import { openCluster, shareDomain, shareSlots, shareTimes } from './join-cluster.ts';
import { type LearningDomain, openLearned } from './learned-files.ts';
import { configuredSeats, discover, makeParts, makeShared } from './make-parts.ts';
import { openDomainFutures } from './open-domain-futures.ts';

/** Maximum number of the coordinator's own connections to one endpoint: synthesis calls at once. */
const COORDINATOR_CONNECTIONS = 256;

/** The planner's own client of a model server; `ModelClient`, or a simulated one. */
export interface EndpointClient extends ChatCaller, RelayClient {
  listModels(timeoutMs: number): Promise<readonly string[]>;
  /** Fetches a page of the server, relative to its root; without it nothing is discovered. */
  getJson?(path: string, timeoutMs: number, signal?: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
}

/** Parts that tests and simulations replace. Settings are in `PlannerOptions`. */
export interface Collaborators {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly pool?: ExpertRunner;
  readonly client?: (endpoint: ResolvedEndpoint) => EndpointClient;
  /** Resolves host names. Default: the system's resolver; with custom clients, addresses only. */
  readonly names?: NameService;
  readonly workerUrl?: URL;
}

/**
 * Starts a planner: checks the options, starts its threads, and checks every configured model against its endpoint's list. Throws
 * ERR_OPTIONS_INVALID, ERR_DOMAIN_INVALID, ERR_ENDPOINT_UNREACHABLE or ERR_MODEL_MISSING. Warnings are emitted as `warning` events after this
 * resolves. Close it, or declare it with `await using`.
 *
 * The planner's type knows the domain: the compiler checks the observations of requests, and `plan.action` is one of the request's literal actions.
 */
export async function createPlanner<const D extends DomainDefinition>(
  options: PlannerOptions<D>,
  collaborators?: Collaborators,
): Promise<DomainPlanner<D>>;
/** Starts a planner for several kinds of agents. Each request names its domain, and the compiler checks its observation against that. */
export async function createPlanner<const M extends DomainsOption>(
  options: DomainsPlannerOptions<M>,
  collaborators?: Collaborators,
): Promise<DomainsPlanner<M>>;
export async function createPlanner(options: AnyPlannerOptions, collaborators?: Collaborators): Promise<ChatPlanner>;
export async function createPlanner(
  options: AnyPlannerOptions,
  collaborators: Collaborators = {},
): Promise<ChatPlanner> {
  const clock = collaborators.clock ?? systemClock;
  const makeClient = collaborators.client ?? ((at) => new ModelClient(at, clock, COORDINATOR_CONNECTIONS));
  const asked = resolveOptions(await withLoadedDomains(options));
  const versioned = await addVersionPaths(asked, (at) => listOnce(makeClient(at), asked));
  const { options: resolved, warnings: merged } = await mergeSamePlaces(
    versioned.options,
    collaborators.names ?? (collaborators.client === undefined ? systemNames(clock, NAMES_MS) : NO_NAMES),
  );
  const clients = new Map(resolved.endpoints.map((endpoint) => [endpoint.name, makeClient(endpoint)]));
  // Kept until there is a planner to emit them.
  const early: string[] = [];
  const lost = { report: (message: string): void => void early.push(message) };
  const warn = (message: string): void => lost.report(message);
  const started = collaborators.pool ? undefined : startPool(resolved, clock, collaborators.workerUrl, warn);
  const pool: ExpertRunner = collaborators.pool ?? (started as ExpertPool);
  const futures = new Map<string, DomainFutures>();
  let cluster: Cluster | undefined;
  const release = async (): Promise<void> => {
    const open = [pool, ...futures.values(), ...clients.values()];
    try {
      await Promise.all(open.map((each) => each.close()));
    } finally {
      // Last, when no call is at work on its leases.
      await cluster?.close();
    }
  };
  try {
    for (const { name, domain } of resolved.domains) {
      const own = await openDomainFutures({ domain, startTimeoutMs: resolved.startTimeoutMs }, clock);
      if (own !== undefined) futures.set(name, own);
    }
    const list = (at: ResolvedEndpoint, timeoutMs: number) =>
      (clients.get(at.name) as EndpointClient).listModels(timeoutMs);
    const random = collaborators.random ?? systemRandom;
    cluster = await openCluster(resolved, clock, random, warn);
    const [listings, facts] = await Promise.all([
      listEndpoints(resolved, list),
      discover(resolved, clients),
      started?.ready(),
    ]);
    const checked = checkModels(resolved, listings);
    const learned = await openLearned(checked.options, clock, warn);
    const opened = { clock, random, pool, callers: clients, clients };
    const shared = makeShared(checked.options, opened);
    const isAlone = resolved.domains.length === 1;
    const learning: LearningDomain[] = [];
    const learns = { endpoints: shared.endpoints, domains: learning };
    const onMeasured = learned.save && (() => learned.save?.(learns));
    const made = resolved.domains.map(({ name }) => {
      const own = { ...opened, ...defined({ onMeasured, domainFutures: futures.get(name) }) };
      const parts = makeParts(optionsOfDomain(checked.options, name), own, shared, isAlone ? undefined : name);
      learning.push({ name: isAlone ? undefined : name, parts });
      return { name, parts };
    });
    learned.restore(learns);
    const domains = await withCaches(made, clock, random, warn, cluster);
    for (const [name, told] of facts) shared.endpoints.get(name)?.learn(told);
    if (cluster !== undefined) {
      shareSlots(cluster, checked.options, shared.endpoints, clock, random);
      shareTimes(cluster, checked.options, shared.endpoints, clock);
    }
    const probing = new AbortController();
    const chats = openChats(checked.options, { ...shared, clock }, clients, listings);
    const planner = new Planner(domains, chats, cluster, random, async () => {
      probing.abort(UNWANTED);
      await Promise.all([release(), learned.close(learns)]);
    });
    if (resolved.features.constrainedAnswers) {
      const probed = probeDomains(domains, probing.signal);
      void probed.catch((error: Error) => planner.warn(error.message));
    }
    lost.report = (message) => planner.warn(message);
    // After the caller's continuation, so that it can add listeners first.
    clock.nextTurn(() => {
      for (const warning of [...early, ...versioned.warnings, ...merged, ...checked.warnings]) planner.warn(warning);
    });
    return planner;
  } catch (error) {
    await release();
    throw error;
  }
}

type MadeDomain = Omit<DomainParts, 'cache'>;

/** Opens the caches of all domains on one store, one after the other: they share their file. */
async function withCaches(
  made: readonly MadeDomain[],
  clock: Clock,
  random: Random,
  warn: (message: string) => void,
  cluster: Cluster | undefined,
): Promise<[DomainParts, ...DomainParts[]]> {
  const shared = openSharedStore(made.map(({ parts }) => parts.options.cache));
  const domains: DomainParts[] = [];
  for (const { name, parts } of made) {
    const { agreement } = parts.records;
    const cache = await openPlanCache(parts.options, clock, random, warn, agreement, shared);
    domains.push({ name, parts, cache });
  }
  // Not before all are open: what other nodes clear is passed on to the planner, which is made in this turn.
  return domains.map((domain) => (cluster === undefined ? domain : shareDomain(cluster, domain, random))) as [
    DomainParts,
    ...DomainParts[],
  ];
}

/** Probes each seat once, with the start of the prompts of the first domain that asks it. */
async function probeDomains(domains: readonly DomainParts[], signal: AbortSignal): Promise<void> {
  const known = new Set<string>();
  await Promise.all(
    domains.map(({ parts }) => {
      const { options, prompts, reads } = parts;
      const { domain, features } = options;
      const seats = configuredSeats(options).filter(({ endpoint, model }) => !known.has(`${endpoint}\n${model}`));
      for (const { endpoint, model } of seats) known.add(`${endpoint}\n${model}`);
      const sharedPrompt = (seat: Seat): string => renderSystem(domain, prompts.preambles.probe(seat));
      const probed = {
        ...parts,
        sharedPrompt: features.priming ? sharedPrompt : undefined,
        reads: reads && { forms: reads.forms, system: renderSystem(domain) },
      };
      return probeAnswers(seats, probed, PROBE_MS, signal);
    }),
  );
}

async function listOnce(client: EndpointClient, { startTimeoutMs }: ResolvedOptions): Promise<readonly string[]> {
  try {
    return await client.listModels(startTimeoutMs);
  } finally {
    await client.close();
  }
}

function openChats(
  options: ResolvedOptions,
  { clock, endpoints, turns }: Pick<FlightParts, 'clock' | 'endpoints' | 'turns'>,
  clients: ReadonlyMap<string, EndpointClient>,
  listings: readonly EndpointListing[],
): ChatGateway {
  const list = (name: string) => (clients.get(name) as EndpointClient).listModels(options.startTimeoutMs);
  const directory = new ModelDirectory(options, listings, list, clock);
  const caller = new SeatCaller(options, { clock, turns, clients, endpoints });
  return new ChatGateway({ options, clock, endpoints, directory, caller });
}

/** Time limit for resolving host names at start, in milliseconds. */
const NAMES_MS = 1_000;
const NO_NAMES: NameService = { lookup: async () => [], own: [] };

/** Time limit of a probe, in milliseconds. A model that must be loaded first takes longer: then the first calls show the result. */
const PROBE_MS = 3_000;

function startPool(
  options: ResolvedOptions,
  clock: Clock,
  workerUrl: URL | undefined,
  report: (message: string) => void,
): ExpertPool {
  return new ExpertPool({
    ...options.workers,
    domain: options.domain,
    endpoints: options.endpoints,
    clock,
    ...defined({ workerUrl, domains: options.domains.length === 1 ? undefined : domainsOf(options) }),
    onThreadLost: ({ threadId, tasks, stuck }) =>
      report(`worker thread ${threadId} ${stuck ? 'was stuck' : 'ended'} with ${tasks} tasks and is replaced`),
  });
}

function domainsOf({ domains }: ResolvedOptions): Readonly<Record<string, Domain>> {
  return Object.fromEntries(domains.map(({ name, domain }) => [name, domain]));
}

export { makeParts } from './make-parts.ts';
