/** After this many starts, one has decayed to a third. */
const MEMORY = 200;
/** What a call leaves that starts while others wait. */
const NONE_AND_WAITING = -1;

/** How many slots were idle right after calls that plans wait for had started, of late. */
export class SlotsLeft {
  readonly #weights = new Map<number, number>();
  #total = 0;

  /** A call has started and left `idle` slots, `waiting` calls wait for one. */
  record(idle: number, waiting: number): void {
    const kept = 1 - 1 / MEMORY;
    for (const [left, weight] of this.#weights) this.#weights.set(left, kept * weight);
    this.#total = kept * this.#total + 1;
    const left = waiting > 0 ? NONE_AND_WAITING : idle;
    this.#weights.set(left, (this.#weights.get(left) ?? 0) + 1);
  }

  /** The mean over these starts of a figure that depends on the slots left; below 0 if others waited. Undefined without any. */
  mean(figureOf: (left: number) => number): number | undefined {
    if (this.#total === 0) return undefined;
    let sum = 0;
    for (const [left, weight] of this.#weights) sum += weight * figureOf(left);
    return sum / this.#total;
  }
}
