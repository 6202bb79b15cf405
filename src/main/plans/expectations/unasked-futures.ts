/** Why futures are not asked: no slot is idle, or other agents are too likely to need it. */
type Obstacle = 'slot' | 'price';

/** After this many futures in a row that ended before models were asked about them, foresight reports why. */
const UNASKED_MIN = 100;

const WHY: Readonly<Record<Obstacle, string>> = {
  slot: 'no slot is idle',
  price: 'other agents need the slots, and futures come true too rarely for what their calls would delay them',
};

/** Notices that no future is asked any more, and why. */
export class UnaskedFutures {
  readonly #counts: Record<Obstacle, number> = { slot: 0, price: 0 };
  /** What held futures back when there was last something to ask. */
  #obstacle: Obstacle | undefined;

  /** Futures wait and none may start. Returns false. */
  heldBack(obstacle: Obstacle): false {
    this.#obstacle = obstacle;
    return false;
  }

  /** A future has ended without having been asked. */
  unasked(): void {
    if (this.#obstacle !== undefined) this.#counts[this.#obstacle]++;
  }

  /** Models are asked about a future. */
  broken(): void {
    this.#obstacle = undefined;
    this.#counts.slot = 0;
    this.#counts.price = 0;
  }

  /** What most often held futures back, if none has been asked for a while; null if one has. */
  get why(): string | null {
    const { slot, price } = this.#counts;
    if (slot + price < UNASKED_MIN) return null;
    return WHY[price >= slot ? 'price' : 'slot'];
  }
}
