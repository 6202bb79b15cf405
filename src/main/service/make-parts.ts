import { hostname } from 'node:os';
import { defined } from '../../shared/defined.ts';
import type { Random } from '../../shared/random.ts';
import { serverKey } from '../cluster/leases/server-key.ts';
import { CallMaker } from '../models/calls/call-maker.ts';
import { LoopTurns } from '../models/calls/loop-turns.ts';
import type { RunningCalls } from '../models/calls/silence.ts';
import { busySlots, discoverEndpoint, type JsonReader } from '../models/discovery/discover-endpoint.ts';
import type { EndpointFacts } from '../models/discovery/endpoint-facts.ts';
import { loadedModels } from '../models/discovery/loaded-models.ts';
import { AnswerForms } from '../models/forms/answer-form.ts';
import { ReadForms } from '../models/forms/read-forms.ts';
import type { AskLoaded } from '../models/memory/memory-watch.ts';
import { ModelEndpoint } from '../models/model-endpoint.ts';
import { poolOfDomain } from '../models/pool/expert-pool.ts';
import type { Seat } from '../models/seat.ts';
import { FairShare, sharesOfDomain } from '../models/slots/fair-share.ts';
import type { AskBusy } from '../models/slots/hold-watch.ts';
import { Machine } from '../models/slots/machine.ts';
import type { ResolvedEndpoint, ResolvedOptions } from '../options/planner-options.ts';
import { PlannerCounters } from '../plans/counters.ts';
import { askRate } from '../plans/expectations/ask-shares.ts';
import type { FlightParts } from '../plans/flights/flight-parts.ts';
import { LateAnswers } from '../plans/ladder/late-answers.ts';
import { ExpertRecords } from '../plans/panel/expert-records.ts';
import { ResidentSeats } from '../plans/panel/resident-seats.ts';
import { Prompts } from '../plans/prompts/prompts.ts';
import { Reads } from '../plans/reads/reads.ts';
import type { EndpointClient } from './create-planner.ts';

/** What the domains of a planner plan on together: the model servers with their slots, and what is known about their models. */
interface SharedParts extends Required<Pick<FlightParts, 'endpoints' | 'forms' | 'turns' | 'ahead'>> {
  readonly readForms: ReadForms;
  readonly shares: FairShare;
  readonly running: RunningCalls;
}

/** What is opened before the parts. */
interface Opened extends Pick<FlightParts, 'clock' | 'pool' | 'callers' | 'domainFutures'> {
  readonly random: Random;
  /** Clients that query the servers while the planner runs; without them, the facts from the start remain. */
  readonly clients?: ReadonlyMap<string, EndpointClient>;
  readonly onMeasured?: () => void;
}

/** Every model, at every endpoint where it may be asked. */
export function configuredSeats({ experts, synthesis }: ResolvedOptions): Seat[] {
  return [...experts, ...synthesis.models].flatMap(({ model, endpoint, alternatives }) =>
    [endpoint, ...alternatives].map((name) => ({ endpoint: name, model })),
  );
}

/** Collects what the servers report about themselves. */
export async function discover(
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

/** Builds what all domains share. `options` has the models of all of them. */
export function makeShared(
  options: ResolvedOptions,
  { clock, random, callers, clients }: Pick<Opened, 'clock' | 'random' | 'callers' | 'clients'>,
): SharedParts {
  const ceilingMs = Math.max(options.synthesis.timeoutMs, ...options.experts.map(({ timeoutMs }) => timeoutMs));
  const { features } = options;
  const machineOf = machinesOf(options);
  const seats = configuredSeats(options);
  const endpoints = options.endpoints.map((endpoint): [string, ModelEndpoint] => {
    const client = clients?.get(endpoint.name);
    const at = new ModelEndpoint({
      ...{ endpoint, features, clock, random, ceilingMs },
      machine: machineOf(endpoint),
      caller: callers.get(endpoint.name),
      askFacts: askFactsOf(options, client),
      askBusy: askBusyOf(options, client),
      models: new Set(seats.filter((seat) => seat.endpoint === endpoint.name).map(({ model }) => model)),
      askLoaded: askLoadedOf(options, client),
    });
    return [endpoint.name, at];
  });
  return {
    endpoints: new Map(endpoints),
    forms: new AnswerForms(clock),
    readForms: new ReadForms(clock),
    turns: new LoopTurns(clock),
    shares: new FairShare(clock, { takeTurns: features.fairTurns, maxInFlight: options.maxInFlight }),
    running: new Map(),
    ahead: { asks: askRate(), credit: { ms: 0, seenMs: 0 } },
  };
}

/** Endpoints on the machine of one name share it; in a cluster, also those of one server, whose slots are leased together. */
function machinesOf({ features, cluster }: ResolvedOptions): (endpoint: ResolvedEndpoint) => Machine | undefined {
  const machines = new Map<string, Machine>();
  return (endpoint) => {
    const own = features.oneMachine ? endpoint.machine : undefined;
    const name = cluster === undefined ? own : serverKey(endpoint, hostname());
    if (name === undefined) return undefined;
    const machine = machines.get(name) ?? new Machine();
    machines.set(name, machine);
    return machine;
  };
}

/** Builds the parts that the flights of a domain share. `name` is that of the domain if there are several. */
export function makeParts(
  options: ResolvedOptions,
  opened: Opened,
  shared: SharedParts = makeShared(options, opened),
  name?: string,
): FlightParts {
  const { clock, random, callers, onMeasured, domainFutures } = opened;
  const { endpoints, forms, turns, readForms, shares, running } = shared;
  const counters = new PlannerCounters();
  const records = new ExpertRecords(options.experts);
  const canRead =
    options.experts.some(({ answers }) => answers !== 'write') &&
    [...callers.values()].some(({ read }) => read !== undefined);
  const reads = canRead ? new Reads({ options: options.reads, forms: readForms, random }) : undefined;
  const seats = new ResidentSeats({ options, clock, endpoints, records });
  return {
    ...{ options, clock, callers, endpoints, forms, records, seats, counters, turns, reads },
    pool: name === undefined ? opened.pool : poolOfDomain(opened.pool, name),
    maker: new CallMaker({
      ...{ options, clock, endpoints, forms, turns, running },
      ledger: counters,
      ...defined({ onMeasured }),
    }),
    prompts: new Prompts({
      options,
      endpoints,
      forms,
      readForms: canRead ? readForms : undefined,
      thinks: (...seat) => seats.thinks(...seat),
    }),
    shares: name === undefined ? shares : sharesOfDomain(shares, name),
    ...(name === undefined ? {} : { ahead: shared.ahead }),
    late: options.features.lateRung ? new LateAnswers(options.domain) : undefined,
    ...defined({ domainFutures }),
  };
}
