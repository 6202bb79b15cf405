/** How often something happens of late: events within the last `memoryMs` count most, older ones fade. */
export class DecayedRate {
  readonly #memoryMs: number;
  #weight = 0;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  add(nowMs: number): void {
    this.#weight = this.#at(nowMs) + 1;
    this.#atMs = nowMs;
  }

  /** Events per millisecond. */
  perMs(nowMs: number): number {
    return this.#at(nowMs) / this.#memoryMs;
  }

  #at(nowMs: number): number {
    return this.#weight === 0 ? 0 : this.#weight * Math.exp((this.#atMs - nowMs) / this.#memoryMs);
  }
}
