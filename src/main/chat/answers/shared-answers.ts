import type { ChatCounters } from '../chat-counters.ts';
import type { ChatSeat } from '../seats/chat-route.ts';
import type { CachedChat, ChatCache } from './chat-cache.ts';
import { modelKey } from './chat-key.ts';

/** The keys of a request whose answer others may share. */
export interface Sharing {
  /** The exact key, without the model. */
  readonly key: string;
  /** The key of the flight that others join. */
  readonly flightKey: string;
}

interface SharedFlight {
  readonly deadlineMs: number;
  /** True if a client that joins now gets all of the answer. */
  readonly isJoinable: boolean;
}

/** Upper bound on how much earlier than a joining client's deadline the flight may end, as a share of that client's time. */
const JOIN_SHARE = 0.1;

/** What equal requests share: a flight while it runs, and its answer from the cache afterwards. */
export class SharedAnswers<F extends SharedFlight> {
  readonly #cache: ChatCache;
  readonly #counters: ChatCounters;
  readonly #flights = new Map<string, F>();

  constructor(cache: ChatCache, counters: ChatCounters) {
    this.#cache = cache;
    this.#counters = counters;
  }

  /** The same models in the same order: a client that allows no other model does not join one that does. */
  sharing(key: string, seats: readonly (readonly ChatSeat[])[]): Sharing {
    const models = [...new Set(seats.map(([first]) => first?.model))];
    return { key, flightKey: modelKey(key, JSON.stringify(models)) };
  }

  /** A cached answer of the model that was asked for, under any name it has at its endpoints. Counts it as the answer to a request. */
  find({ key }: Sharing, [asked = []]: readonly (readonly ChatSeat[])[]): CachedChat | undefined {
    for (const name of new Set(asked.map(({ model }) => model))) {
      const known = this.#cache.find(modelKey(key, name));
      if (known === undefined) continue;
      this.#counters.cached++;
      this.#counters.answered();
      return known;
    }
    return undefined;
  }

  /** The flight of an equal request, if its time suits the client. */
  join({ flightKey }: Sharing, startedAtMs: number, deadlineMs: number): F | undefined {
    const flight = this.#flights.get(flightKey);
    if (!flight?.isJoinable) return undefined;
    const isEarly = deadlineMs - flight.deadlineMs > JOIN_SHARE * (deadlineMs - startedAtMs);
    if (isEarly) return undefined;
    this.#counters.joined++;
    return flight;
  }

  started({ flightKey }: Sharing, flight: F): void {
    this.#flights.set(flightKey, flight);
  }

  ended({ flightKey }: Sharing, flight: F): void {
    if (this.#flights.get(flightKey) === flight) this.#flights.delete(flightKey);
  }

  /** Keeps the answer of a seat. Undefined: its kind is not kept. */
  keep({ key }: Sharing, { model, at }: ChatSeat, answer: string | undefined): void {
    if (answer === undefined) this.#cache.notKept++;
    else this.#cache.keep(modelKey(key, model), { completion: answer, model, endpoint: at.name });
  }
}
