/** Each new gap between two calls moves the usual one by this share. */
const RATE = 0.05;

/** How busy models are, by the calls that somebody waits for: the chance that one comes while a call for the future holds a slot. */
export class SlotPrice {
  #gapMs: number | undefined;
  #lastMs: number | undefined;

  /** Records that a model was needed. */
  asked(atMs: number): void {
    if (this.#lastMs !== undefined) {
      const gapMs = Math.max(0, atMs - this.#lastMs);
      this.#gapMs = this.#gapMs === undefined ? gapMs : this.#gapMs + RATE * (gapMs - this.#gapMs);
    }
    this.#lastMs = atMs;
  }

  /** Returns the chance that a model is needed within this time, for calls that come at random; 0 while nothing is known. */
  chanceWithin(ms: number): number {
    if (this.#gapMs === undefined) return 0;
    return this.#gapMs === 0 ? 1 : 1 - Math.exp(-ms / this.#gapMs);
  }
}
