import type { Clock } from '../../../shared/clock.ts';
import { asPlannerError, PlannerError } from '../../../shared/errors.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import { type ChatCallOptions, cancelled, checkTimeout, readCallOptions } from '../chat-call-options.ts';
import type { ChatCounters } from '../chat-counters.ts';
import { originOf } from '../chat-reply.ts';
import { decisionForm } from '../decisions/decision-forms.ts';
import type { AnswerFlightPurpose } from '../seats/answer-flight.ts';
import { ChatRoute, type ChatSeat } from '../seats/chat-route.ts';
import type { FlightSet } from '../seats/flight-set.ts';
import { LADDER_ALIAS } from '../seats/model-directory.ts';
import type { SeatCaller } from '../seats/seat-caller.ts';
import type { SeatFinder } from '../seats/seat-finder.ts';
import { seeingSeats } from '../seats/seeing-seats.ts';
import { PassFlight } from './pass-flight.ts';
import { EVENTS_TYPE, JSON_TYPE, type PassReply, passedFrames } from './pass-reply.ts';
import { type AskedPass, PASSED_PATHS, type PassedRoute, readPassed } from './pass-request.ts';
import { ServerMemory } from './server-memory.ts';

export interface PassGatewayParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly finder: SeatFinder;
  readonly caller: SeatCaller;
  /** Passed-on requests are counted and limited together with the chats. */
  readonly counters: ChatCounters;
  readonly flights: FlightSet;
}

/**
 * Passes on requests to OpenAI routes other than chats, as bytes: with the slots, breakers, time limits and fallbacks of chats. Nothing is cached or
 * shared.
 */
export class PassGateway {
  readonly #parts: PassGatewayParts;
  readonly #memory: ServerMemory;

  constructor(parts: PassGatewayParts) {
    this.#parts = parts;
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
    flights.admit();
    const flight = this.#begin({ asked, route: new ChatRoute(groups), startedAtMs, deadlineMs });
    return this.#answer(flight, startedAtMs, signal);
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

  #begin(purpose: AnswerFlightPurpose<AskedPass>): PassFlight {
    const { clock, caller, counters, flights, options } = this.#parts;
    const { callRetries } = options;
    const flight = new PassFlight({ clock, caller, stallMs: options.chat.stallMs, callRetries }, purpose, this.#memory);
    counters.inFlight++;
    flights.start(flight, (end) => {
      const error = end.kind === 'failed' ? end.error : undefined;
      counters.ended(error, clock.now() - purpose.startedAtMs, flight.seat?.isFallback);
    });
    return flight;
  }

  async #answer(flight: PassFlight, startedAtMs: number, signal: AbortSignal | undefined): Promise<PassReply> {
    const { clock, counters } = this.#parts;
    const { ended } = flight;
    const leave = (): void => flight.cancel(cancelled());
    signal?.addEventListener('abort', leave, { once: true });
    void ended.then(() => signal?.removeEventListener('abort', leave));
    const end = await Promise.race([ended, flight.begun]);
    if (end?.kind === 'failed') return { ...end, attempts: flight.attempts };
    const origin = originOf(flight, false);
    const type = flight.isEventStream ? EVENTS_TYPE : JSON_TYPE;
    const queue = flight.tell();
    if (end !== undefined) return { kind: 'whole', origin, type, bytes: queue.take() };
    counters.begun(clock.now() - startedAtMs);
    return { kind: 'stream', origin, type, frames: passedFrames(queue, ended, flight.isEventStream, leave) };
  }
}

function noLadder(): PlannerError {
  const message = `${LADDER_ALIAS} stands for models that chat; name a model for embeddings`;
  return new PlannerError('ERR_MODEL_MISSING', message);
}
