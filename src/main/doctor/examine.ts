import type { Clock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import { skyrim } from '../../shared/domains/skyrim.ts';
import { type ErrorCode, encodeError } from '../../shared/errors.ts';
import { ModelClient } from '../../shared/model-client/model-client.ts';
import { shownURL } from '../../shared/shown-url.ts';
import { situationOf } from '../../shared/situation.ts';
import type { CallReport, EndpointAddress } from '../../shared/tasks.ts';
import { stripThinking } from '../../shared/vote/thoughts.ts';
import { rounded } from '../measure/shares.ts';
import { discoverEndpoint } from '../models/discovery/discover-endpoint.ts';
import type { EndpointFacts } from '../models/discovery/endpoint-facts.ts';
import { hasAnswered, type ServerTrouble, troubleIn } from '../models/discovery/server-trouble.ts';
import { listSomewhere } from '../models/discovery/version-path.ts';
import { probeSchema } from '../models/forms/answer-form.ts';
import { ReadForms } from '../models/forms/read-forms.ts';
import { chooseSeats, isChatModel, seatsOf } from '../models/names/choose-models.ts';
import { nearestModels } from '../models/names/nearest-models.ts';
import type { Seat } from '../models/seat.ts';
import type { EndpointOptions } from '../options/planner-options.ts';
import { synthesisMessages } from '../plans/ladder/synthesis-prompt.ts';
import { acceptsConnections } from './knock.ts';
import { MemoryLook } from './memory-look.ts';
import { type Asked, type Asking, askedIn, lookAtReads, type ReadLook } from './read-look.ts';

/** The subject of an examination: servers, and the models that will be used there. */
export interface Subject {
  readonly endpoints: Readonly<Record<string, EndpointOptions>>;
  /** Models that the user named for any of the servers. */
  readonly models: readonly string[];
  /** Models that a configuration names for one server each. */
  readonly seats: readonly Seat[];
  /** How the configuration wants experts to be asked. */
  readonly asking: Asking;
  /** The environment variable for the key of an endpoint. */
  keyVariableOf(name: string): string;
}

export interface TimedCall extends Partial<Asked> {
  readonly model: string;
  readonly code: 'OK' | ErrorCode;
  readonly message?: string;
  readonly totalMs: number;
  /** Time to the response headers, in milliseconds. */
  readonly queueMs?: number;
  readonly firstTokenMs?: number;
  readonly tokensPerSecond?: number;
  /** True if its server enforces a JSON schema. Absent if the call failed. */
  readonly keepsSchema?: boolean;
  /** Present if its answer began with a thought. */
  readonly thinks?: true;
  /** The result of trying to read its decisions. Absent if the call failed. */
  readonly read?: ReadLook;
}

/** A model that lost its place in memory. `by` is absent if only times show it. */
export interface DisplacedModel {
  readonly model: string;
  readonly by?: string;
}

export interface ExaminedEndpoint {
  readonly name: string;
  /** The base URL, safe to show. */
  readonly baseURL: string;
  /** The URL as given, if that lacks the version path. */
  readonly givenURL?: string;
  /** True if it answers, even with an error. */
  readonly reachable: boolean;
  /** Present if it accepts connections but does not answer: its process hangs, or is stopped. */
  readonly silent?: true;
  /** Why it does not serve, if it reported a reason: for the list of models, or for every call. */
  readonly trouble?: ServerTrouble;
  /** Whether a key was given for it, and the environment variable that would hold one. */
  readonly hasKey: boolean;
  readonly keyVariable: string;
  /** True if the user named the models to call. */
  readonly isNamed: boolean;
  /** How long the list of models took, in milliseconds. */
  readonly listMs: number;
  readonly models: readonly string[];
  /** The facts that the server reports about itself. Absent if it cannot be reached. */
  readonly server?: EndpointFacts;
  readonly missing: readonly { readonly model: string; readonly nearest: readonly string[] }[];
  readonly calls: readonly TimedCall[];
  /** Models that were evicted from memory for others called after them. */
  readonly displaced: readonly DisplacedModel[];
  /** Chat models that were not called because the user named none: a plan would not use them. */
  readonly untimed: readonly string[];
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

const LIST_MS = 3_000;
const DISCOVER_MS = 2_000;
const KNOCK_MS = 1_000;
/** All pages of a server are requested at once. */
const CONNECTIONS = 8;
const CALL_TOKENS_MAX = 64;
const READ_MS = 2_000;
const READ_TIMES = 2;
/** A question like those of a plan, so that the times are representative. */
const SITUATION = situationOf(
  {
    agent: 'doctor',
    observation: { scene: 'combat', health: 41, inCombat: true, enemiesNearby: 2, location: 'Whiterun' },
    actions: ['attack', 'power_attack', 'block', 'dodge', 'use_potion', 'retreat'],
    qValues: { attack: 0.7, block: 0.4, use_potion: 0.35 },
  },
  64,
);
const MESSAGES = synthesisMessages(skyrim, SITUATION, []);

/**
 * Contacts every server, asks what it is and has, and times one call to each model that will be used; further calls show whether it enforces a
 * schema, and whether and how fast it can be read. One call at a time, so that they do not slow each other down.
 */
export async function examine(
  subject: Subject,
  clock: Clock,
  callTimeoutMs: number,
  signal: AbortSignal,
): Promise<ExaminedEndpoint[]> {
  await using stack = new AsyncDisposableStack();
  const open = (endpoint: EndpointAddress): ModelClient =>
    stack.adopt(new ModelClient(endpoint, clock, CONNECTIONS), (client) => client.close());
  const reached = await Promise.all(
    Object.entries(subject.endpoints).map(async ([name, endpoint]) => {
      const { baseURL, apiKey } = endpoint;
      const server = { name, hasKey: apiKey !== undefined, keyVariable: subject.keyVariableOf(name) };
      return list(server, baseURL, (url) => open({ name, ...endpoint, baseURL: url }), clock, signal);
    }),
  );
  const seats = seatsToCall(
    subject,
    reached.map(({ listing }) => listing),
  );
  const examined: ExaminedEndpoint[] = [];
  for (const each of reached) {
    const own = each.listing.error === undefined ? seats.filter(({ endpoint }) => endpoint === each.listing.name) : [];
    const models = [...new Set(own.map(({ model }) => model))];
    examined.push(await examineReached(each, models, subject, clock, callTimeoutMs, signal));
  }
  return examined;
}

/** Calls the wanted models of one server, one after the other. */
async function examineReached(
  { listing, client }: Reached,
  wanted: readonly string[],
  { models, seats, asking }: Subject,
  clock: Clock,
  callTimeoutMs: number,
  signal: AbortSignal,
): Promise<ExaminedEndpoint> {
  const missing = wanted.filter((model) => !listing.models.includes(model));
  const calls: TimedCall[] = [];
  const kind = listing.server?.kind ?? 'unknown';
  const memory = new MemoryLook(client, kind, signal);
  const forms = new ReadForms(clock);
  const timed = (model: string) => timedCall(client, model, callTimeoutMs, signal);
  for (const model of wanted) {
    if (missing.includes(model) || signal.aborted) continue;
    const call = await timed(model);
    const seat = { endpoint: listing.name, model, kind };
    const look = (): Promise<ReadLook> =>
      lookAtReads(seat, forms, client, SITUATION, readTimeoutMs(call, callTimeoutMs), signal);
    calls.push(call.code === 'OK' ? withForms(call, await look(), asking, seat) : call);
    await memory.called(model);
  }
  return {
    ...listing,
    ...troubleOf(listing, calls),
    isNamed: models.length + seats.length > 0,
    missing: missing.map((model) => ({ model, nearest: nearestModels(model, listing.models) })),
    calls,
    displaced: await memory.displaced(calls, timed),
    untimed: models.length > 0 ? [] : leftOut(listing, wanted),
  };
}

type Server = Pick<ExaminedEndpoint, 'name' | 'hasKey' | 'keyVariable'>;

type Listing = Omit<ExaminedEndpoint, 'missing' | 'calls' | 'displaced' | 'untimed' | 'isNamed'>;

/** llama.cpp lists its model even while loading it, and to clients without a key: then the calls show the trouble. */
function troubleOf({ trouble }: Listing, calls: readonly TimedCall[]): { readonly trouble?: ServerTrouble } {
  const told = trouble ?? calls.map(troubleInCall).find((each) => each !== undefined);
  return defined({ trouble: told });
}

function troubleInCall({ code, message = '' }: TimedCall): ServerTrouble | undefined {
  return code === 'OK' ? undefined : troubleIn({ code, message });
}

interface Reached {
  readonly listing: Listing;
  readonly client: ModelClient;
}

async function list(
  server: Server,
  baseURL: string,
  open: (baseURL: string) => ModelClient,
  clock: Clock,
  signal: AbortSignal,
): Promise<Reached> {
  const startedAtMs = clock.now();
  const since = (): number => rounded(clock.now() - startedAtMs, 1);
  let client = open(baseURL);
  try {
    const found = await listSomewhere(baseURL, (url) => {
      if (url !== baseURL) client = open(url);
      return client.listModels(LIST_MS, signal);
    });
    const listMs = since();
    const facts = await discoverEndpoint(client, DISCOVER_MS, signal);
    const corrected = found.baseURL === baseURL ? {} : { givenURL: shownURL(baseURL) };
    const listed = { baseURL: shownURL(found.baseURL), models: found.models };
    return { listing: { ...server, ...listed, ...corrected, reachable: true, listMs, server: facts }, client };
  } catch (thrown) {
    const { code, message } = encodeError(thrown);
    const listMs = since();
    const error = { code, message };
    const told = defined({ trouble: troubleIn(error) });
    const isSilent = code.startsWith('ERR_MODEL_TIMEOUT') && (await acceptsConnections(baseURL, clock, KNOCK_MS));
    const silent = isSilent ? ({ silent: true } as const) : {};
    const shown = { baseURL: shownURL(baseURL), reachable: hasAnswered(error) };
    return { listing: { ...server, ...shown, ...silent, ...told, listMs, models: [], error }, client };
  }
}

function seatsToCall({ models, seats }: Subject, listed: readonly Listing[]): readonly Seat[] {
  if (models.length > 0) return seatsOf(models, listed);
  return seats.length > 0 ? seats : listed.flatMap((listing) => chooseSeats([listing]));
}

function leftOut({ models }: Listing, wanted: readonly string[]): string[] {
  return models.filter((model) => isChatModel(model) && !wanted.includes(model));
}

async function timedCall(
  client: ModelClient,
  model: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TimedCall> {
  const call = { model, messages: MESSAGES, maxTokens: CALL_TOKENS_MAX, temperature: 0, timeoutMs };
  const outcome = await client.chat(call, signal);
  const times = timesOf(outcome.report);
  if (!outcome.ok) return { model, code: outcome.failure.code, message: outcome.failure.message, ...times };
  const { content, reasoning } = outcome.answer;
  if (content.trim() === '' && reasoning.trim() === '') {
    return { model, code: 'ERR_MODEL_EMPTY', message: 'its answer has no word', ...times };
  }
  const keepsSchema = await probeSchema(client, model, timeoutMs, signal);
  const isThought = reasoning.trim() !== '' || stripThinking(content) !== content;
  return { model, code: 'OK', ...times, ...defined({ keepsSchema }), ...(isThought ? { thinks: true } : {}) };
}

/** A read is one token: it takes no longer than words, unless its server never answers on a route that it does not have. */
function readTimeoutMs({ totalMs }: TimedCall, callTimeoutMs: number): number {
  return Math.min(callTimeoutMs, READ_MS + READ_TIMES * totalMs);
}

function withForms(call: TimedCall, read: ReadLook, asking: Asking, seat: Seat): TimedCall {
  return { ...call, read, ...askedIn(asking, seat, read, call.keepsSchema === true) };
}

function timesOf({ totalMs, queueMs, firstTokenMs, completionTokens }: CallReport): Omit<TimedCall, 'model' | 'code'> {
  const streamMs = totalMs - (firstTokenMs ?? totalMs);
  const tokens = completionTokens ?? 0;
  return {
    totalMs: rounded(totalMs, 1),
    ...(queueMs === undefined ? {} : { queueMs: rounded(queueMs, 1) }),
    ...(firstTokenMs === undefined ? {} : { firstTokenMs: rounded(firstTokenMs, 1) }),
    // The time of the first token is that of the prompt.
    ...(tokens > 1 && streamMs > 0 ? { tokensPerSecond: rounded((1_000 * (tokens - 1)) / streamMs, 1) } : {}),
  };
}
