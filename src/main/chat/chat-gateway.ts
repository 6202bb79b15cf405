import { asPlannerError, PlannerError } from '../../shared/errors.ts';
import { readPlainlyInParts } from '../../shared/plan-request.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';
import { LongWork } from '../plans/long-work.ts';
import { type CachedChat, ChatCache } from './answers/chat-cache.ts';
import { chatKeyInParts } from './answers/chat-key.ts';
import { type Completion, eventsOf, isKeepable } from './answers/completion.ts';
import { SharedAnswers, type Sharing } from './answers/shared-answers.ts';
import { type ChatCallOptions, cancelled, checkTimeout, readCallOptions } from './chat-call-options.ts';
import { ChatCounters, type ChatStats } from './chat-counters.ts';
import { ChatFlight, type FlightEnd } from './chat-flight.ts';
import { type ChatReply, FlightFrames, originInCache, originOf, wholeFrames } from './chat-reply.ts';
import { type AskedChat, readChatInParts } from './chat-request.ts';
import {
  type DecisionCaller,
  type DecisionsAnswers,
  type DecisionsRequest,
  decisionAnswer,
  decisionBytesInParts,
  type SystemOneAnswers,
  type SystemOneRequest,
} from './decisions/decide.ts';
import { PassGateway } from './passed/pass-gateway.ts';
import type { PassReply } from './passed/pass-reply.ts';
import type { PassedRoute } from './passed/pass-request.ts';
import { ChatRoute, type ChatSeat } from './seats/chat-route.ts';
import { FlightClient, type Waiting } from './seats/flight-client.ts';
import { FlightSet } from './seats/flight-set.ts';
import type { ListedModel } from './seats/model-directory.ts';
import type { SeatCaller } from './seats/seat-caller.ts';
import { type FinderParts, SeatFinder } from './seats/seat-finder.ts';
import { seeingSeats } from './seats/seeing-seats.ts';

interface GatewayParts extends FinderParts {
  readonly options: ResolvedOptions;
  readonly caller: SeatCaller;
}

/** The facts about a chat that are known from the start. */
interface Asking extends Waiting {
  readonly asked: AskedChat;
}

/**
 * Serves chats of any OpenAI client on the planner's endpoints: with their slots, breakers and learned times, another seat if one fails, and exact
 * answers from the cache. Requests and answers are passed on unchanged (docs/concurrency.md, "Chats").
 */
export class ChatGateway implements DecisionCaller {
  readonly #parts: GatewayParts;
  readonly #finder: SeatFinder;
  readonly #counters = new ChatCounters();
  readonly #longWork: LongWork;
  readonly #passes: PassGateway;
  readonly #cache: ChatCache | undefined;
  readonly #flights: FlightSet;
  readonly #shared: SharedAnswers<ChatFlight> | undefined;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#finder = new SeatFinder(parts);
    this.#longWork = new LongWork(parts.clock);
    const { cache, maxInFlight } = parts.options.chat;
    this.#flights = new FlightSet(this.#counters, maxInFlight);
    const [finder, counters, flights] = [this.#finder, this.#counters, this.#flights];
    this.#cache = cache === false ? undefined : new ChatCache(cache, parts.clock);
    this.#shared = this.#cache && new SharedAnswers(this.#cache, counters);
    this.#passes = new PassGateway({ ...parts, finder, counters, flights, cache: this.#cache });
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
    } catch (thrown) {
      const error = asPlannerError(thrown);
      this.#counters.failed(error.code);
      return { kind: 'failed', error, attempts: [] };
    }
  }

  /** Passes on the bytes of a request to another route; they must not change later. Only decisions are cached and shared. Never rejects. */
  pass(route: PassedRoute, bytes: Uint8Array, options?: ChatCallOptions): Promise<PassReply> {
    return this.#passes.pass(route, bytes, options);
  }

  decide(request: DecisionsRequest, options?: ChatCallOptions): Promise<DecisionsAnswers>;
  decide(request: SystemOneRequest, options?: ChatCallOptions): Promise<SystemOneAnswers>;
  async decide(request: object, options?: ChatCallOptions): Promise<unknown> {
    const bytes = await this.#longWork.begin(readPlainlyInParts(decisionBytesInParts(request)));
    return decisionAnswer(await this.pass('state' in request ? 'systemone' : 'decisions', bytes, options));
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
    const isReused = sharing !== undefined && options.cache !== 'renew';
    const known = isReused ? this.#shared?.find(sharing, seats) : undefined;
    if (known !== undefined) return this.#fromCache(known, asked);
    this.#flights.admit();
    const joined = isReused ? this.#shared?.join(sharing, startedAtMs, asking.deadlineMs) : undefined;
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
    return key === undefined ? undefined : this.#shared?.sharing(key, seats);
  }

  #fromCache(known: CachedChat, asked: AskedChat): ChatReply {
    const { completion } = known;
    const origin = originInCache(known, this.#parts.clock.now());
    if (!asked.isStreamed) return { kind: 'whole', origin, completion };
    const events = eventsOf(JSON.parse(completion) as Completion);
    return { kind: 'stream', origin, frames: wholeFrames(events, asked.includesUsage) };
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
    if (sharing !== undefined) this.#shared?.started(sharing, flight);
    this.#flights.start(flight, (end) => {
      if (sharing !== undefined) void this.#landed(flight, end, sharing);
    });
    return flight;
  }

  async #landed(flight: ChatFlight, end: FlightEnd, sharing: Sharing): Promise<void> {
    this.#shared?.ended(sharing, flight);
    if (end.kind === 'failed') return;
    const { seat, completion, json, isFaithful } = end.answer;
    const isKept = completion !== undefined && isFaithful && isKeepable(completion);
    const text = isKept ? json() : undefined;
    this.#shared?.keep(sharing, seat, text instanceof Promise ? await text : text);
  }

  async #wait(flight: ChatFlight, asking: Asking, isJoined: boolean): Promise<ChatReply> {
    const { asked, startedAtMs } = asking;
    const { clock } = this.#parts;
    const counters = this.#counters;
    const client = new FlightClient(flight, asking, !asked.isStreamed, { clock, counters });
    const { over } = client;
    if (!asked.isStreamed) return this.#whole(flight, await over, isJoined);
    const reader = await Promise.race([flight.begun(() => client.hasLeft), client.left]);
    if (reader === undefined || reader instanceof PlannerError) return this.#whole(flight, await over, isJoined);
    counters.begun(clock.now() - startedAtMs);
    const frames = new FlightFrames(reader, flight.ended, asked.includesUsage, () => client.leave());
    client.onLeft = (reason) => (reason.code === 'ERR_CANCELLED' ? frames.stop() : frames.breakOff(reason));
    return { kind: 'stream', origin: originOf(flight, isJoined), frames };
  }

  async #whole(flight: ChatFlight, end: FlightEnd | PlannerError, isJoined: boolean): Promise<ChatReply> {
    const { attempts } = flight;
    if (end instanceof PlannerError) return { kind: 'failed', error: end, attempts };
    if (end.kind === 'failed') return { ...end, attempts };
    return { kind: 'whole', origin: originOf(flight, isJoined), completion: await end.answer.json() };
  }
}
