import type { Clock } from '../../shared/clock.ts';
import { asPlannerError, PlannerError } from '../../shared/errors.ts';
import { readPlainlyInParts } from '../../shared/plan-request.ts';
import type { ModelEndpoint } from '../models/model-endpoint.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';
import { LongWork } from '../plans/long-work.ts';
import { type CachedChat, ChatCache } from './answers/chat-cache.ts';
import { chatKeyInParts, modelKey } from './answers/chat-key.ts';
import { type Completion, eventsOf, isKeepable } from './answers/completion.ts';
import { type ChatCallOptions, cancelled, checkTimeout, readCallOptions } from './chat-call-options.ts';
import { ChatCounters, type ChatStats } from './chat-counters.ts';
import { ChatFlight, type FlightEnd } from './chat-flight.ts';
import { type ChatOrigin, type ChatReply, FlightFrames, originOf, wholeFrames } from './chat-reply.ts';
import { type AskedChat, readChatInParts } from './chat-request.ts';
import { PassGateway } from './passed/pass-gateway.ts';
import type { PassReply } from './passed/pass-reply.ts';
import type { PassedRoute } from './passed/pass-request.ts';
import { ChatRoute, type ChatSeat } from './seats/chat-route.ts';
import { FlightSet } from './seats/flight-set.ts';
import type { ListedModel, ModelDirectory } from './seats/model-directory.ts';
import type { SeatCaller } from './seats/seat-caller.ts';
import { outOfTime, SeatFinder } from './seats/seat-finder.ts';
import { seeingSeats } from './seats/seeing-seats.ts';

export interface GatewayParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly directory: ModelDirectory;
  readonly caller: SeatCaller;
}

/** Upper bound on how much earlier than a joining chat's deadline the flight may end, as a share of that chat's time. */
const JOIN_SHARE = 0.1;

/** The facts about a chat that are known from the start. */
interface Asking {
  readonly asked: AskedChat;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Sharing {
  /** The exact key, without the model. */
  readonly key: string;
  /** The key of the flight that others join. */
  readonly flightKey: string;
}

/**
 * Serves chats of any OpenAI client on the planner's endpoints: with their slots, breakers and learned times, another seat if one fails, and exact
 * answers from the cache. Requests and answers are passed on unchanged (docs/concurrency.md, "Chats").
 */
export class ChatGateway {
  readonly #parts: GatewayParts;
  readonly #finder: SeatFinder;
  readonly #counters = new ChatCounters();
  readonly #longWork: LongWork;
  readonly #passes: PassGateway;
  readonly #cache: ChatCache | undefined;
  readonly #flights: FlightSet;
  /** Flights that others may join. */
  readonly #joinables = new Map<string, ChatFlight>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#finder = new SeatFinder(parts);
    this.#longWork = new LongWork(parts.clock);
    const { cache, maxInFlight } = parts.options.chat;
    this.#flights = new FlightSet(this.#counters, maxInFlight);
    const [finder, counters, flights] = [this.#finder, this.#counters, this.#flights];
    this.#passes = new PassGateway({ ...parts, finder, counters, flights });
    this.#cache = cache === false ? undefined : new ChatCache(cache, parts.clock);
  }

  /** Maximum size of a request over HTTP. */
  get bodyBytesMax(): number {
    return this.#parts.options.chat.bodyBytesMax;
  }

  /** Answers a request body of `POST /v1/chat/completions`. The body must not change later. Never rejects. */
  async chat(body: unknown, options?: ChatCallOptions): Promise<ChatReply> {
    this.#counters.requests++;
    try {
      return await this.#chat(body, options);
    } catch (error) {
      return this.#refused(asPlannerError(error));
    }
  }

  /**
   * Passes on the bytes of a request to another OpenAI route; they must not change later. `cache` has no effect: nothing is cached. Never rejects.
   */
  pass(route: PassedRoute, bytes: Uint8Array, options?: ChatCallOptions): Promise<PassReply> {
    return this.#passes.pass(route, bytes, options);
  }

  /** The models of `GET /v1/models`: all that endpoints list, and the configured ones. */
  async models(): Promise<readonly ListedModel[]> {
    await this.#parts.directory.refresh();
    return this.#parts.directory.models();
  }

  clearCache(): void {
    this.#cache?.clear();
  }

  stats(): ChatStats {
    return this.#counters.stats(this.#cache?.stats() ?? false);
  }

  /** Refuses new chats from now on. */
  shut(): void {
    this.#flights.shut();
  }

  /** Resolves when no chat is in flight. */
  idle(): Promise<void> {
    return this.#flights.idle();
  }

  /** Cancels everything in flight. */
  async close(): Promise<void> {
    await this.#flights.close();
    this.#parts.caller.close();
  }

  async #chat(body: unknown, given: unknown): Promise<ChatReply> {
    const options = readCallOptions(given);
    const { clock } = this.#parts;
    this.#flights.checkOpen();
    const { signal, timeoutMs = this.#parts.options.chat.timeoutMs } = options;
    const startedAtMs = clock.now();
    const asked = await this.#longWork.begin(readPlainlyInParts(readChatInParts(body)));
    checkTimeout(timeoutMs);
    const asking: Asking = { asked, startedAtMs, deadlineMs: startedAtMs + timeoutMs, signal };
    const mayFallBack = options.fallback ?? this.#parts.options.chat.fallback;
    const seeking = { model: asked.model, mayFallBack, deadlineMs: asking.deadlineMs };
    const seats = seeingSeats(await this.#finder.find(seeking), asked);
    const sharing = await this.#sharing(asked, options, seats);
    if (signal?.aborted) throw cancelled();
    if (sharing !== undefined && options.cache !== 'renew') {
      const known = this.#find(sharing.key, seats[0] as readonly ChatSeat[]);
      if (known !== undefined) return this.#fromCache(known, asked);
    }
    this.#flights.admit();
    const joined = sharing && options.cache !== 'renew' ? this.#joinable(sharing.flightKey, asking) : undefined;
    const flight = joined ?? this.#begin(asking, seats, sharing);
    return this.#wait(flight, asking, joined !== undefined);
  }

  /** Undefined if each request needs an answer of its own. */
  async #sharing(
    asked: AskedChat,
    options: ChatCallOptions,
    seats: readonly (readonly ChatSeat[])[],
  ): Promise<Sharing | undefined> {
    const { cache } = this.#parts.options.chat;
    if (cache === false || options.cache === 'off') return undefined;
    if (cache.when === 'deterministic' && !asked.isDeterministic) return undefined;
    const key = await this.#longWork.begin(chatKeyInParts(asked));
    if (key === undefined) return undefined;
    // The same models in the same order: a client that allows no other model does not join one that does.
    const models = [...new Set(seats.map(([first]) => first?.model))];
    return { key, flightKey: modelKey(key, JSON.stringify(models)) };
  }

  /** A cached answer of the model that was asked for, under any name it has at its endpoints. */
  #find(key: string, seats: readonly ChatSeat[]): CachedChat | undefined {
    const names = new Set(seats.map(({ model }) => model));
    for (const name of names) {
      const known = this.#cache?.find(modelKey(key, name));
      if (known !== undefined) return known;
    }
    return undefined;
  }

  #fromCache({ completion, endpoint, model, storedAtMs }: CachedChat, asked: AskedChat): ChatReply {
    this.#counters.cached++;
    this.#counters.answered();
    const ageMs = this.#parts.clock.now() - storedAtMs;
    const origin: ChatOrigin = { source: 'cache', endpoint, model, attempts: [], isJoined: false, ageMs };
    if (!asked.isStreamed) return { kind: 'whole', origin, completion };
    const events = eventsOf(JSON.parse(completion) as Completion);
    return { kind: 'stream', origin, frames: wholeFrames(events, asked.includesUsage) };
  }

  #joinable(flightKey: string, { startedAtMs, deadlineMs }: Asking): ChatFlight | undefined {
    const flight = this.#joinables.get(flightKey);
    if (!flight?.isJoinable) return undefined;
    const isEarly = deadlineMs - flight.deadlineMs > JOIN_SHARE * (deadlineMs - startedAtMs);
    if (isEarly) return undefined;
    this.#counters.joined++;
    return flight;
  }

  #begin(
    { asked, startedAtMs, deadlineMs }: Asking,
    seats: readonly (readonly ChatSeat[])[],
    sharing: Sharing | undefined,
  ): ChatFlight {
    const { clock, caller, options: resolved } = this.#parts;
    const flight = new ChatFlight(
      { clock, caller, longWork: this.#longWork, stallMs: resolved.chat.stallMs, callRetries: resolved.callRetries },
      { asked, route: new ChatRoute(seats), startedAtMs, deadlineMs },
      sharing !== undefined,
    );
    if (sharing !== undefined) this.#joinables.set(sharing.flightKey, flight);
    this.#flights.start(flight, (end) => {
      if (sharing !== undefined) void this.#landed(flight, end, sharing);
    });
    return flight;
  }

  async #landed(flight: ChatFlight, end: FlightEnd, { key, flightKey }: Sharing): Promise<void> {
    if (this.#joinables.get(flightKey) === flight) this.#joinables.delete(flightKey);
    if (end.kind === 'failed' || this.#cache === undefined) return;
    const { seat, completion, json, isFaithful } = end.answer;
    if (completion === undefined || !isFaithful || !isKeepable(completion)) {
      this.#cache.notKept++;
      return;
    }
    const { model, at } = seat;
    const text = json();
    const kept = { completion: typeof text === 'string' ? text : await text, model, endpoint: at.name };
    this.#cache.keep(modelKey(key, model), kept);
  }

  async #wait(flight: ChatFlight, asking: Asking, isJoined: boolean): Promise<ChatReply> {
    const { asked, startedAtMs, signal } = asking;
    const counters = this.#counters;
    const leave = flight.board(!asked.isStreamed);
    counters.inFlight++;
    const left = Promise.withResolvers<PlannerError>();
    let hasLeft = false;
    let frames: FlightFrames | undefined;
    const gaveUp = (reason: PlannerError): void => {
      hasLeft = true;
      left.resolve(reason);
      leave();
    };
    const onAbort = (): void => {
      frames?.stop();
      gaveUp(cancelled());
    };
    // A client with less time than the flight leaves it at its own deadline; the others end with it.
    const isShorter = asking.deadlineMs < flight.deadlineMs;
    const timer = isShorter
      ? this.#parts.clock.setTimer(asking.deadlineMs - this.#parts.clock.now(), () => {
          const reason = outOfTime(asking.deadlineMs - startedAtMs);
          frames?.breakOff(reason);
          gaveUp(reason);
        })
      : undefined;
    signal?.addEventListener('abort', onAbort, { once: true });
    const over = Promise.race([flight.ended, left.promise]).then((end) => {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      leave();
      const error = end instanceof PlannerError ? end : end.kind === 'failed' ? end.error : undefined;
      counters.ended(error, this.#parts.clock.now() - startedAtMs, flight.seat?.isFallback);
      return end;
    });
    if (!asked.isStreamed) return this.#whole(flight, await over, isJoined);
    const reader = await Promise.race([flight.begun(() => hasLeft), left.promise]);
    if (reader === undefined || reader instanceof PlannerError) return this.#whole(flight, await over, isJoined);
    counters.begun(this.#parts.clock.now() - startedAtMs);
    frames = new FlightFrames(reader, flight.ended, asked.includesUsage, () => gaveUp(cancelled()));
    return { kind: 'stream', origin: originOf(flight, isJoined), frames };
  }

  async #whole(flight: ChatFlight, end: FlightEnd | PlannerError, isJoined: boolean): Promise<ChatReply> {
    const { attempts } = flight;
    if (end instanceof PlannerError) return { kind: 'failed', error: end, attempts };
    if (end.kind === 'failed') return { ...end, attempts };
    return { kind: 'whole', origin: originOf(flight, isJoined), completion: await end.answer.json() };
  }

  #refused(error: PlannerError): ChatReply {
    this.#counters.failed(error.code);
    return { kind: 'failed', error, attempts: [] };
  }
}
