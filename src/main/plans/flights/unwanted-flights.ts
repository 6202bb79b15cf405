import type { Clock } from '../../../shared/clock.ts';
import type { Flight } from './flight.ts';

/** Flights cancelled in one turn of the event loop. */
const CANCELS_PER_TURN = 4;

/**
 * Flights without waiters that are to be cancelled. They are cancelled in later turns of the event loop, a few in each: when many
 * deadlines strike at once, all plans settle first.
 */
export class UnwantedFlights {
  readonly #clock: Clock;
  readonly #flights: { readonly flight: Flight; readonly isOutOfTime: boolean }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(flight: Flight, isOutOfTime: boolean): void {
    if (this.#flights.push({ flight, isOutOfTime }) === 1) this.#cancelLater();
  }

  cancelAll(): void {
    this.#cancel(Number.POSITIVE_INFINITY);
  }

  #cancelLater(): void {
    this.#clock.nextTurn(() => {
      this.#cancel(CANCELS_PER_TURN);
      if (this.#flights.length > 0) this.#cancelLater();
    });
  }

  #cancel(flightsMax: number): void {
    for (const { flight, isOutOfTime } of this.#flights.splice(0, flightsMax)) flight.cancel(isOutOfTime);
  }
}
