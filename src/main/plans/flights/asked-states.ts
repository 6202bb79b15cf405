/** The states that flights are asking models about now, for somebody or late, each with the number of its flights. */
export class AskedStates {
  readonly #flights = new Map<string, number>();

  has(state: string): boolean {
    return this.#flights.has(state);
  }

  /** A flight for the state begins. */
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
