import { type Clock, systemClock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import type { DomainDefinition } from '../../shared/domain.ts';
import { ModelClient } from '../../shared/model-client/model-client.ts';
import { type Random, systemRandom } from '../../shared/random.ts';
import { renderSystem } from '../../shared/situation.ts';
import { UNWANTED } from '../../shared/unwanted.ts';
import type { ChatCaller } from '../../shared/vote-answer.ts';
import { openPlanCache } from '../cache/open-plan-cache.ts';
import { ChatGateway } from '../chat/chat-gateway.ts';
import type { ChatPlanner } from '../chat/chat-planner.ts';
import type { DomainPlanner } from '../chat/domain-planner.ts';
import { ModelDirectory } from '../chat/seats/model-directory.ts';
import { type RelayClient, SeatCaller } from '../chat/seats/seat-caller.ts';
import { CallMaker } from '../models/calls/call-maker.ts';
import { LoopTurns } from '../models/calls/loop-turns.ts';
import { busySlots, discoverEndpoint, type JsonReader } from '../models/discovery/discover-endpoint.ts';
import type { EndpointFacts } from '../models/discovery/endpoint-facts.ts';
import { loadedModels } from '../models/discovery/loaded-models.ts';
import { addVersionPaths } from '../models/discovery/version-path.ts';
import { AnswerForms } from '../models/forms/answer-form.ts';
import { probeAnswers } from '../models/forms/probe-answers.ts';
import { ReadForms } from '../models/forms/read-forms.ts';
import type { AskLoaded } from '../models/memory/memory-watch.ts';
import { ModelEndpoint } from '../models/model-endpoint.ts';
import { checkModels, type EndpointListing, listEndpoints } from '../models/names/check-models.ts';
import { mergeSamePlaces, type NameService } from '../models/names/same-place.ts';
import { systemNames } from '../models/names/system-names.ts';
import { ExpertPool, type ExpertRunner } from '../models/pool/expert-pool.ts';
import type { Seat } from '../models/seat.ts';
import { FairShare } from '../models/slots/fair-share.ts';
import type { AskBusy } from '../models/slots/hold-watch.ts';
import { Machine } from '../models/slots/machine.ts';
import type { PlannerOptions, ResolvedEndpoint, ResolvedOptions } from '../options/planner-options.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import { PlannerCounters } from '../plans/counters.ts';
import type { DomainFutures } from '../plans/expectations/domain-futures.ts';
import type { FlightParts } from '../plans/flights/flight-parts.ts';
import { LateAnswers } from '../plans/ladder/late-answers.ts';
import { ExpertRecords } from '../plans/panel/expert-records.ts';
import { ResidentSeats } from '../plans/panel/resident-seats.ts';
import { Planner } from '../plans/planner.ts';
import { Prompts } from '../plans/prompts/prompts.ts';
import { Reads } from '../plans/reads/reads.ts';
import { type LearningParts, openLearned } from './learned-files.ts';
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
  /** The worker's entry. */
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
export async function createPlanner(options: PlannerOptions, collaborators: Collaborators = {}): Promise<ChatPlanner> {
  const clock = collaborators.clock ?? systemClock;
  const makeClient = collaborators.client ?? ((at) => new ModelClient(at, clock, COORDINATOR_CONNECTIONS));
  const asked = resolveOptions(options);
  const versioned = await addVersionPaths(asked, (at) => listOnce(makeClient(at), asked));
  const { options: resolved, warnings: merged } = await mergeSamePlaces(
    versioned.options,
    collaborators.names ?? (collaborators.client === undefined ? systemNames(clock, NAMES_MS) : NO_NAMES),
  );
  const clients = new Map(resolved.endpoints.map((endpoint) => [endpoint.name, makeClient(endpoint)]));
  // Kept until there is a planner to emit them.
  const early: string[] = [];
  const lost = { report: (message: string): void => void early.push(message) };
  const started = collaborators.pool
    ? undefined
    : startPool(resolved, clock, collaborators.workerUrl, (message) => lost.report(message));
  const pool: ExpertRunner = collaborators.pool ?? (started as ExpertPool);
  let domainFutures: DomainFutures | undefined;
  const release = async (): Promise<void> => {
    await Promise.all([pool.close(), domainFutures?.close(), ...[...clients.values()].map((client) => client.close())]);
  };
  try {
    domainFutures = await openDomainFutures(resolved, clock);
    const list = (at: ResolvedEndpoint, timeoutMs: number) =>
      (clients.get(at.name) as EndpointClient).listModels(timeoutMs);
    const [listings, facts] = await Promise.all([
      listEndpoints(resolved, list),
      discover(resolved, clients),
      started?.ready(),
    ]);
    const checked = checkModels(resolved, listings);
    const random = collaborators.random ?? systemRandom;
    const learned = await openLearned(checked.options, clock, (message) => lost.report(message));
    const onMeasured = learned.save;
    const parts = makeParts(checked.options, {
      clock,
      random,
      pool,
      callers: clients,
      clients,
      ...defined({ onMeasured, domainFutures }),
    });
    learned.restore(parts);
    const { agreement } = parts.records;
    const cache = await openPlanCache(resolved, clock, random, (message) => lost.report(message), agreement);
    for (const [name, told] of facts) parts.endpoints.get(name)?.learn(told);
    const probing = new AbortController();
    const chats = openChats(parts, clients, listings);
    const planner = new Planner(parts, cache, chats, random, async () => {
      probing.abort(UNWANTED);
      await Promise.all([release(), learned.close(parts)]);
    });
    if (resolved.features.constrainedAnswers) {
      const seats = configuredSeats(checked.options);
      const { preambles } = parts.prompts;
      const sharedPrompt = (seat: Seat): string => renderSystem(resolved.domain, preambles.probe(seat));
      const reads = parts.reads && { forms: parts.reads.forms, system: renderSystem(resolved.domain) };
      const probed = { ...parts, sharedPrompt: resolved.features.priming ? sharedPrompt : undefined, reads };
      void probeAnswers(seats, probed, PROBE_MS, probing.signal).catch((error: Error) => planner.warn(error.message));
    }
    if (domainFutures !== undefined) domainFutures.host = planner;
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

async function listOnce(client: EndpointClient, { startTimeoutMs }: ResolvedOptions): Promise<readonly string[]> {
  try {
    return await client.listModels(startTimeoutMs);
  } finally {
    await client.close();
  }
}

function openChats(
  { options, clock, endpoints, turns }: FlightParts,
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

/** Every model, at every endpoint where it may be asked. */
function configuredSeats({ experts, synthesis }: ResolvedOptions): Seat[] {
  return [...experts, ...synthesis.models].flatMap(({ model, endpoint, alternatives }) =>
    [endpoint, ...alternatives].map((name) => ({ endpoint: name, model })),
  );
}

/** Collects what the servers report about themselves. */
async function discover(
  options: ResolvedOptions,
  clients: ReadonlyMap<string, EndpointClient>,
): Promise<Map<string, EndpointFacts>> {
  const facts = new Map<string, EndpointFacts>();
  await Promise.all(
    [...clients].map(async ([name, client]) => {
      const told = await askFactsOf(options, client)?.();
      if (told !== undefined) facts.set(name, told);
    }),
  );
  return facts;
}

/** Undefined if nothing is to be asked. */
function askFactsOf(
  { features, startTimeoutMs }: ResolvedOptions,
  client: EndpointClient | undefined,
): ((signal?: AbortSignal) => Promise<EndpointFacts>) | undefined {
  if (!features.discovery || client?.getJson === undefined) return undefined;
  return (signal) => discoverEndpoint(client as JsonReader, startTimeoutMs, signal);
}

/** Like `askFactsOf`, for the number of slots at work. */
function askBusyOf({ features }: ResolvedOptions, client: EndpointClient | undefined): AskBusy | undefined {
  if (!features.discovery || !features.slotHolds || client?.getJson === undefined) return undefined;
  return (timeoutMs, signal) => busySlots(client as JsonReader, timeoutMs, signal);
}

function askLoadedOf({ features }: ResolvedOptions, client: EndpointClient | undefined): AskLoaded | undefined {
  if (!features.discovery || client?.getJson === undefined) return undefined;
  return (kind, signal) => loadedModels(client as JsonReader, kind, LOADED_MS, signal);
}

/** Time limit for asking a server what it has in memory, in milliseconds. */
const LOADED_MS = 1_000;

/** Builds the parts that flights share. */
export function makeParts(
  options: ResolvedOptions,
  opened: Pick<FlightParts, 'clock' | 'pool' | 'callers' | 'domainFutures'> & {
    readonly random: Random;
    /** Clients that query the servers while the planner runs; without them, the facts from the start remain. */
    readonly clients?: ReadonlyMap<string, EndpointClient>;
    readonly onMeasured?: (parts: LearningParts) => void;
  },
): FlightParts {
  const { clock, random, pool, callers, clients, onMeasured, domainFutures } = opened;
  const counters = new PlannerCounters();
  const turns = new LoopTurns(clock);
  const forms = new AnswerForms(clock);
  const readForms = new ReadForms(clock);
  const ceilingMs = Math.max(options.synthesis.timeoutMs, ...options.experts.map(({ timeoutMs }) => timeoutMs));
  const machines = new Map<string, Machine>();
  const machineOf = ({ machine: name }: ResolvedEndpoint): Machine | undefined => {
    if (name === undefined || !options.features.oneMachine) return undefined;
    const machine = machines.get(name) ?? new Machine();
    machines.set(name, machine);
    return machine;
  };
  const { features } = options;
  const seats = configuredSeats(options);
  const endpoints = new Map(
    options.endpoints.map((endpoint) => [
      endpoint.name,
      new ModelEndpoint({
        endpoint,
        features,
        clock,
        random,
        ceilingMs,
        machine: machineOf(endpoint),
        caller: callers.get(endpoint.name),
        askFacts: askFactsOf(options, clients?.get(endpoint.name)),
        askBusy: askBusyOf(options, clients?.get(endpoint.name)),
        models: new Set(seats.filter((seat) => seat.endpoint === endpoint.name).map(({ model }) => model)),
        askLoaded: askLoadedOf(options, clients?.get(endpoint.name)),
      }),
    ]),
  );
  const records = new ExpertRecords(options.experts);
  const canRead =
    options.experts.some(({ answers }) => answers !== 'write') &&
    [...callers.values()].some(({ read }) => read !== undefined);
  const reads = canRead ? new Reads({ options: options.reads, forms: readForms, random }) : undefined;
  const resident = new ResidentSeats({ options, clock, endpoints, records });
  const maker = new CallMaker({
    options,
    clock,
    endpoints,
    forms,
    ledger: counters,
    turns,
    ...(onMeasured === undefined ? {} : { onMeasured: () => onMeasured({ endpoints, reads }) }),
  });
  return {
    options,
    clock,
    pool,
    callers,
    endpoints,
    forms,
    maker,
    records,
    seats: resident,
    prompts: new Prompts({
      options,
      endpoints,
      forms,
      readForms: canRead ? readForms : undefined,
      thinks: (...seat) => resident.thinks(...seat),
    }),
    shares: new FairShare(clock, { takeTurns: options.features.fairTurns, maxInFlight: options.maxInFlight }),
    counters,
    turns,
    reads,
    late: options.features.lateRung ? new LateAnswers(options.domain) : undefined,
    ...defined({ domainFutures }),
  };
}

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
    ...defined({ workerUrl }),
    onThreadLost: ({ threadId, tasks, stuck }) =>
      report(`worker thread ${threadId} ${stuck ? 'was stuck' : 'ended'} with ${tasks} tasks and is replaced`),
  });
}
