import type { Clock } from '../../../shared/clock.ts';
import { encodeError, PlannerError } from '../../../shared/errors.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import {
  type ChatCallOptions,
  cancelled,
  checkTimeout,
  closed,
  readCallOptions,
  tooMany,
} from '../chat-call-options.ts';
import type { ChatCounters } from '../chat-counters.ts';
import type { ChatOrigin } from '../chat-reply.ts';
import { type ChatPlace, ChatRoute } from '../places/chat-route.ts';
import { LADDER_ALIAS } from '../places/model-directory.ts';
import type { PlaceCaller } from '../places/place-caller.ts';
import type { PlaceFinder } from '../places/place-finder.ts';
import { seeingPlaces } from '../places/seeing-places.ts';
import { PassFlight, type PassFlightEnd } from './pass-flight.ts';
import { EVENTS_TYPE, JSON_TYPE, type PassReply, passedFrames } from './pass-reply.ts';
import { type AskedPass, PASSED_PATHS, type PassedRoute, readPassed } from './pass-request.ts';
import { ServerMemory } from './server-memory.ts';

export interface PassGatewayParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly finder: PlaceFinder;
  readonly caller: PlaceCaller;
  /** Requests that are passed on are counted with the chats, and bounded with them. */
  readonly counters: ChatCounters;
}

/**
 * Requests to other routes of OpenAI's than that of chats, passed on as bytes: with the slots, breakers, time limits and fallbacks
 * of chats. Nothing is kept or shared of them.
 */
export class PassGateway {
  readonly #parts: PassGatewayParts;
  readonly #memory: ServerMemory;
  readonly #flying = new Map<PassFlight, Promise<PassFlightEnd>>();
  #onIdle: (() => void)[] = [];
  #isClosed = false;

  constructor(parts: PassGatewayParts) {
    this.#parts = parts;
    this.#memory = new ServerMemory(parts.clock);
  }

  /** Never rejects. */
  async pass(route: PassedRoute, bytes: unknown, options?: ChatCallOptions): Promise<PassReply> {
    const { counters } = this.#parts;
    counters.requests++;
    try {
      return await this.#pass(route, bytes, options);
    } catch (cause) {
      const { code, message, retryable } = encodeError(cause);
      const error = cause instanceof PlannerError ? cause : new PlannerError(code, message, { retryable, cause });
      counters.failed(error.code);
      return { kind: 'failed', error, attempts: [] };
    }
  }

  /** Refuses new requests from now on. */
  shut(): void {
    this.#isClosed = true;
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    if (this.#flying.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  async close(): Promise<void> {
    this.shut();
    for (const flight of this.#flying.keys()) flight.cancel(closed());
    await Promise.all(this.#flying.values());
  }

  async #pass(route: PassedRoute, bytes: unknown, given: unknown): Promise<PassReply> {
    const { clock, counters, options: resolved } = this.#parts;
    const options = readCallOptions(given);
    const { timeoutMs = resolved.chat.timeoutMs, signal, fallback = resolved.chat.fallback } = options;
    if (this.#isClosed) throw closed();
    checkTimeout(timeoutMs);
    const startedAtMs = clock.now();
    const deadlineMs = startedAtMs + timeoutMs;
    const asked = await readPassed(route, bytes, clock);
    const groups = await this.#places(asked, fallback, deadlineMs);
    if (signal?.aborted) throw cancelled();
    if (counters.inFlight >= resolved.chat.maxInFlight) throw tooMany(resolved.chat.maxInFlight);
    if (this.#isClosed) throw closed();
    const flight = this.#begin({ asked, route: new ChatRoute(groups), startedAtMs, deadlineMs });
    return this.#answer(flight, startedAtMs, signal);
  }

  /** Where it may be asked, of each model in turn. Throws ERR_MODEL_MISSING, and ERR_METHOD_UNKNOWN where no server has the route. */
  async #places(asked: AskedPass, fallback: boolean, deadlineMs: number): Promise<readonly (readonly ChatPlace[])[]> {
    const { route, model, state } = asked;
    // The vectors of one model say nothing to those of another.
    const mayFallBack = fallback && route !== 'embeddings' && state === undefined;
    if (route === 'embeddings' && model === LADDER_ALIAS) throw noLadder();
    const found = await this.#parts.finder.find({ model, mayFallBack, deadlineMs });
    const groups = seeingPlaces(found, asked);
    const all = state === undefined ? groups : this.#keeping(groups.flat(), state.previousId);
    const left = all.map((group) => group.filter(({ at }) => !this.#memory.isAbsent(at.name, route)));
    if (left.some((group) => group.length > 0)) return left;
    const names = [...new Set(all.flat().map(({ at }) => at.name))].join(', ');
    throw new PlannerError('ERR_METHOD_UNKNOWN', `the servers do not have POST ${PASSED_PATHS[route]} (${names})`);
  }

  /** The one server that can know what the request refers to: where that was made, else the first that has the model. */
  #keeping(places: readonly ChatPlace[], previousId: string | undefined): readonly (readonly ChatPlace[])[] {
    const maker = previousId === undefined ? undefined : this.#memory.makerOf(previousId);
    if (maker === undefined) return [places.slice(0, 1)];
    const there = places.filter(({ at }) => at.name === maker.endpoint);
    const place = there.find(({ model }) => model === maker.model) ?? there[0];
    if (place !== undefined) return [[place]];
    const message = `the response ${previousId} was made at ${maker.endpoint}, which does not have the model`;
    throw new PlannerError('ERR_MODEL_MISSING', message);
  }

  #begin(purpose: ConstructorParameters<typeof PassFlight>[1]): PassFlight {
    const { clock, caller, counters, options } = this.#parts;
    const { stallMs } = options.chat;
    const { callRetries } = options;
    const flight = new PassFlight({ clock, caller, memory: this.#memory, stallMs, callRetries }, purpose);
    counters.inFlight++;
    const ended = flight.run().then((end) => {
      this.#flying.delete(flight);
      counters.inFlight--;
      counters.tried(flight.attempts);
      if (end.kind === 'failed') counters.failed(end.error.code);
      else counters.answered(clock.now() - purpose.startedAtMs);
      if (end.kind === 'answered' && flight.place?.isFallback) counters.fallbacks++;
      if (this.#flying.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
      return end;
    });
    this.#flying.set(flight, ended);
    return flight;
  }

  async #answer(flight: PassFlight, startedAtMs: number, signal: AbortSignal | undefined): Promise<PassReply> {
    const { clock, counters } = this.#parts;
    const ended = flight.run();
    const leave = (): void => flight.cancel(cancelled());
    signal?.addEventListener('abort', leave, { once: true });
    void ended.then(() => signal?.removeEventListener('abort', leave));
    const end = await Promise.race([ended, flight.begun]);
    if (end?.kind === 'failed') return { ...end, attempts: flight.attempts };
    const origin = originOf(flight);
    const type = flight.isEventStream ? EVENTS_TYPE : JSON_TYPE;
    const queue = flight.tell();
    if (end !== undefined) return { kind: 'whole', origin, type, bytes: queue.take() };
    counters.begun(clock.now() - startedAtMs);
    return { kind: 'stream', origin, type, frames: passedFrames(queue, ended, flight.isEventStream, leave) };
  }
}

function originOf(flight: PassFlight): ChatOrigin {
  const { at, model, isFallback } = flight.place as ChatPlace;
  const source = isFallback ? 'fallback' : 'model';
  return { source, endpoint: at.name, model, attempts: [...flight.attempts], isJoined: false };
}

function noLadder(): PlannerError {
  const message = `${LADDER_ALIAS} stands for models that chat; name a model for embeddings`;
  return new PlannerError('ERR_MODEL_MISSING', message);
}
