import type { PlannerError } from '../../../shared/errors.ts';
import { plannerClosed } from '../../plans/domain-core.ts';
import { tooMany } from '../chat-call-options.ts';
import type { ChatCounters } from '../chat-counters.ts';
import type { ChatAttempt } from './tries.ts';

interface Flying<E> {
  readonly attempts: readonly ChatAttempt[];
  run(): Promise<E>;
  cancel(reason: PlannerError): void;
}

/** All flights that have not ended, of chats and of passed-on requests, with one limit for both. */
export class FlightSet {
  readonly #counters: ChatCounters;
  readonly #maxInFlight: number;
  readonly #flying = new Map<Flying<unknown>, Promise<unknown>>();
  #onIdle: (() => void)[] = [];
  #isShut = false;

  constructor(counters: ChatCounters, maxInFlight: number) {
    this.#counters = counters;
    this.#maxInFlight = maxInFlight;
  }

  /** Throws ERR_PLANNER_CLOSED after `shut`. */
  checkOpen(): void {
    if (this.#isShut) throw plannerClosed();
  }

  /** Throws ERR_PLANNER_OVERLOADED at the bound, and ERR_PLANNER_CLOSED after `shut`. */
  admit(): void {
    if (this.#counters.inFlight >= this.#maxInFlight) throw tooMany(this.#maxInFlight);
    this.checkOpen();
  }

  /** Runs a flight. `onEnded` is called before its clients learn of its end. */
  start<E>(flight: Flying<E>, onEnded: (end: E) => void): void {
    const ended = flight.run().then((end) => {
      this.#flying.delete(flight);
      onEnded(end);
      this.#counters.tried(flight.attempts);
      if (this.#flying.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    });
    this.#flying.set(flight, ended);
  }

  /** Admits nothing more. */
  shut(): void {
    this.#isShut = true;
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    if (this.#flying.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Cancels everything in flight. */
  async close(): Promise<void> {
    this.shut();
    for (const flight of this.#flying.keys()) flight.cancel(plannerClosed());
    await Promise.all(this.#flying.values());
  }
}
