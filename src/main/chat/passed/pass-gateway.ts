import type { Clock } from '../../../shared/clock.ts';
import { asPlannerError, PlannerError } from '../../../shared/errors.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { CachedChat, ChatCache } from '../answers/chat-cache.ts';
import { decisionKey } from '../answers/decision-key.ts';
import { SharedAnswers, type Sharing } from '../answers/shared-answers.ts';
import { type ChatCallOptions, cancelled, checkTimeout, readCallOptions } from '../chat-call-options.ts';
import type { ChatCounters } from '../chat-counters.ts';
import { originInCache, originOf } from '../chat-reply.ts';
import { decisionForm } from '../decisions/decision-forms.ts';
import type { AnswerFlightPurpose } from '../seats/answer-flight.ts';
import { ChatRoute, type ChatSeat } from '../seats/chat-route.ts';
import { FlightClient, type Waiting } from '../seats/flight-client.ts';
import type { FlightSet } from '../seats/flight-set.ts';
import { LADDER_ALIAS } from '../seats/model-directory.ts';
import type { SeatCaller } from '../seats/seat-caller.ts';
import type { SeatFinder } from '../seats/seat-finder.ts';
import { seeingSeats } from '../seats/seeing-seats.ts';
import { PassFlight, type PassFlightEnd } from './pass-flight.ts';
import { EVENTS_TYPE, JSON_TYPE, type PassReply, passedFrames } from './pass-reply.ts';
import { type AskedPass, PASSED_PATHS, type PassedRoute, readPassed } from './pass-request.ts';
import { ServerMemory } from './server-memory.ts';

interface PassGatewayParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly finder: SeatFinder;
  readonly caller: SeatCaller;
  /** Passed-on requests are counted and limited together with the chats. */
  readonly counters: ChatCounters;
  readonly flights: FlightSet;
  /** The cache of chats, which keeps decisions too. */
  readonly cache: ChatCache | undefined;
}

/**
 * Passes on requests to routes other than chats, as bytes: with the slots, breakers, time limits and fallbacks of chats. Only decisions are cached
 * and shared: nothing in them is drawn at random.
 */
export class PassGateway {
  readonly #parts: PassGatewayParts;
  readonly #memory: ServerMemory;
  readonly #shared: SharedAnswers<PassFlight> | undefined;

  constructor(parts: PassGatewayParts) {
    this.#parts = parts;
    this.#shared = parts.cache && new SharedAnswers(parts.cache, parts.counters);
    this.#memory = new ServerMemory(parts.clock);
  }

  /** Passes a request on. Never rejects. */
  async pass(route: PassedRoute, bytes: unknown, options?: ChatCallOptions): Promise<PassReply> {
    const { counters } = this.#parts;
    counters.requests++;
    try {
      return await this.#pass(route, bytes, options);
    } catch (cause) {
      const error = asPlannerError(cause);
      counters.failed(error.code);
      return { kind: 'failed', error, attempts: [] };
    }
  }

  async #pass(route: PassedRoute, bytes: unknown, given: unknown): Promise<PassReply> {
    const { clock, flights, options: resolved } = this.#parts;
    const options = readCallOptions(given);
    const { timeoutMs = resolved.chat.timeoutMs, signal, fallback = resolved.chat.fallback } = options;
    flights.checkOpen();
    checkTimeout(timeoutMs);
    const startedAtMs = clock.now();
    const deadlineMs = startedAtMs + timeoutMs;
    const asked = await readPassed(route, bytes, clock);
    const groups = await this.#seats(asked, fallback, deadlineMs);
    if (signal?.aborted) throw cancelled();
    const sharing = options.cache === 'off' ? undefined : this.#sharing(asked, groups);
    const isReused = sharing !== undefined && options.cache !== 'renew';
    const known = isReused ? this.#shared?.find(sharing, groups) : undefined;
    if (known !== undefined) return this.#fromCache(known);
    flights.admit();
    const joined = isReused ? this.#shared?.join(sharing, startedAtMs, deadlineMs) : undefined;
    const flight = joined ?? this.#begin({ asked, route: new ChatRoute(groups), startedAtMs, deadlineMs }, sharing);
    return this.#answer(flight, { startedAtMs, deadlineMs, signal }, joined !== undefined);
  }

  /** Undefined if the answer is for this request only. */
  #sharing(asked: AskedPass, groups: readonly (readonly ChatSeat[])[]): Sharing | undefined {
    if (this.#shared === undefined || asked.isStreamed || decisionForm(asked.route) === undefined) return undefined;
    const key = decisionKey(asked);
    return key === undefined ? undefined : this.#shared.sharing(key, groups);
  }

  #fromCache(known: CachedChat): PassReply {
    const origin = originInCache(known, this.#parts.clock.now());
    return { kind: 'whole', origin, type: JSON_TYPE, bytes: Buffer.from(known.completion) };
  }

  /** The seats that may be asked, for each model in turn. Throws ERR_MODEL_MISSING, and ERR_METHOD_UNKNOWN if no server has the route. */
  async #seats(asked: AskedPass, fallback: boolean, deadlineMs: number): Promise<readonly (readonly ChatSeat[])[]> {
    const { route, model, state } = asked;
    // Vectors of different models cannot be compared.
    const mayFallBack = fallback && route !== 'embeddings' && state === undefined;
    if (route === 'embeddings' && model === LADDER_ALIAS) throw noLadder();
    const found = await this.#parts.finder.find({ model, mayFallBack, deadlineMs });
    const groups = seeingSeats(found, asked);
    const all = state === undefined ? groups : this.#keeping(groups.flat(), state.previousId);
    // If no server has the call for a decision, its model is read.
    if (decisionForm(route) !== undefined) return all;
    const left = all.map((group) => group.filter((seat) => !this.#memory.isAbsent(seat, route)));
    if (left.some((group) => group.length > 0)) return left;
    const names = [...new Set(all.flat().map(({ at }) => at.name))].join(', ');
    throw new PlannerError('ERR_METHOD_UNKNOWN', `the servers do not have POST ${PASSED_PATHS[route]} (${names})`);
  }

  /** The one server that can know what the request refers to: the one that made it, else the first that has the model. */
  #keeping(seats: readonly ChatSeat[], previousId: string | undefined): readonly (readonly ChatSeat[])[] {
    const maker = previousId === undefined ? undefined : this.#memory.makerOf(previousId);
    if (maker === undefined) return [seats.slice(0, 1)];
    const there = seats.filter(({ at }) => at.name === maker.endpoint);
    const seat = there.find(({ model }) => model === maker.model) ?? there[0];
    if (seat !== undefined) return [[seat]];
    const message = `the response ${previousId} was made at ${maker.endpoint}, which does not have the model`;
    throw new PlannerError('ERR_MODEL_MISSING', message);
  }

  #begin(purpose: AnswerFlightPurpose<AskedPass>, sharing: Sharing | undefined): PassFlight {
    const { clock, caller, flights, options } = this.#parts;
    const parts = { clock, caller, stallMs: options.chat.stallMs, callRetries: options.callRetries };
    const flight = new PassFlight(parts, purpose, this.#memory, sharing !== undefined);
    if (sharing !== undefined) this.#shared?.started(sharing, flight);
    flights.start(flight, (end) => {
      if (sharing !== undefined) this.#landed(flight, end, sharing);
    });
    return flight;
  }

  #landed(flight: PassFlight, end: PassFlightEnd, sharing: Sharing): void {
    this.#shared?.ended(sharing, flight);
    if (end.kind === 'failed') return;
    this.#shared?.keep(sharing, flight.seat as ChatSeat, flight.keepable);
  }

  async #answer(flight: PassFlight, waiting: Waiting, isJoined: boolean): Promise<PassReply> {
    const { clock, counters } = this.#parts;
    const client = new FlightClient(flight, waiting, true, { clock, counters });
    const end = await Promise.race([client.over, flight.begun]);
    if (end instanceof PlannerError) return { kind: 'failed', error: end, attempts: flight.attempts };
    if (end?.kind === 'failed') return { ...end, attempts: flight.attempts };
    const origin = originOf(flight, isJoined);
    const type = flight.isEventStream ? EVENTS_TYPE : JSON_TYPE;
    if (end !== undefined) return { kind: 'whole', origin, type, bytes: flight.whole };
    counters.begun(clock.now() - waiting.startedAtMs);
    const frames = passedFrames(flight.tell(), flight.ended, flight.isEventStream, () => client.leave());
    return { kind: 'stream', origin, type, frames };
  }
}

function noLadder(): PlannerError {
  const message = `${LADDER_ALIAS} stands for models that chat; name a model for embeddings`;
  return new PlannerError('ERR_MODEL_MISSING', message);
}
