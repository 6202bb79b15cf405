/** The states that flights are currently asking models about, in time or late, each with its number of flights. */
export class AskedStates {
  readonly #flights = new Map<string, number>();

  has(state: string): boolean {
    return this.#flights.has(state);
  }

  /** A flight for the state starts. */
  add(state: string): void {
    this.#flights.set(state, (this.#flights.get(state) ?? 0) + 1);
  }

  /** A flight for the state has ended. */
  delete(state: string): void {
    const flights = (this.#flights.get(state) ?? 0) - 1;
    if (flights > 0) this.#flights.set(state, flights);
    else this.#flights.delete(state);
  }
}
