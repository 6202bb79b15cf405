import type { Clock } from '../../shared/clock.ts';

/**
 * Limits the total bytes of large messages, for one face or for all faces of a service. Each message has a limit of its own, but 2,000 clients may
 * each come close to it and stall. A large message is charged from its first byte until it is answered; if there is no room, the slowest one that is
 * still arriving is dropped, usually one that has stalled. Short messages are not charged.
 */

/** A message up to this size is not charged. */
export const UNCHARGED_BYTES_MAX = 65_536;
/** Default limit of one face. */
export const FACE_BYTES = 128 * 2 ** 20;
/** Limit of all faces of a service together, or the limit of its largest face if that is higher. */
export const SERVICE_BYTES = 128 * 2 ** 20;

export class ByteBudget {
  readonly bytesMax: number;
  readonly #clock: Clock;
  /** This budget, and the one of all faces. */
  readonly #all: readonly ByteBudget[];
  /** Messages that are still arriving, in the order in which they began. */
  readonly #coming = new Set<ByteCharge>();
  #bytes = 0;

  constructor(bytesMax: number, clock: Clock, inAll?: ByteBudget) {
    this.bytesMax = bytesMax;
    this.#clock = clock;
    this.#all = inAll === undefined ? [this] : [this, inAll];
  }

  /** Bytes charged now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Starts the charge of one message. `onDropped` is called if it has to give way to another one before it has arrived. */
  charge(onDropped: () => void): ByteCharge {
    return new ByteCharge(this.#all, this.#clock, onDropped);
  }

  /** For charges: a message begins to arrive. */
  enter(charge: ByteCharge): void {
    this.#coming.add(charge);
  }

  /** For charges: a message arrives no more. */
  leave(charge: ByteCharge): void {
    this.#coming.delete(charge);
  }

  /** For charges: counts bytes that are held, or no longer held if negative. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** For charges: drops slower messages until there is room. Returns false if there is none. */
  makeRoom(asking: ByteCharge, bytes: number): boolean {
    if (asking.bytes + bytes > this.bytesMax) return false;
    while (this.#bytes + bytes > this.bytesMax) {
      const slowest = this.#slowest(asking, bytes);
      if (slowest === undefined || slowest === asking) return false;
      slowest.drop();
    }
    return true;
  }

  /** The slowest message, counting the requested bytes for the one that asks: one that has just begun has been fast so far. */
  #slowest(asking: ByteCharge, bytes: number): ByteCharge | undefined {
    let slowest: ByteCharge | undefined;
    let rateMin = Number.POSITIVE_INFINITY;
    for (const charge of this.#coming) {
      const rate = (charge === asking ? charge.bytes + bytes : charge.bytes) / charge.elapsedMs;
      if (rate >= rateMin) continue;
      slowest = charge;
      rateMin = rate;
    }
    return slowest;
  }
}

/** The charge of one message. Held by everything that works on the message; ends when the last holder releases it. */
export class ByteCharge {
  bytes = 0;
  readonly #budgets: readonly ByteBudget[];
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #onDropped: () => void;
  #holders = 1;

  constructor(budgets: readonly ByteBudget[], clock: Clock, onDropped: () => void) {
    this.#budgets = budgets;
    this.#clock = clock;
    this.#startedAtMs = clock.now();
    this.#onDropped = onDropped;
    for (const budget of budgets) budget.enter(this);
  }

  /** Time since the message began, in milliseconds; never 0. */
  get elapsedMs(): number {
    return Math.max(this.#clock.now() - this.#startedAtMs, 1);
  }

  /** Charges more bytes. Returns false if there is no room: nothing is added, and the caller must release the charge. */
  add(bytes: number): boolean {
    if (!this.#budgets.every((budget) => budget.makeRoom(this, bytes))) return false;
    this.bytes += bytes;
    for (const budget of this.#budgets) budget.count(bytes);
    return true;
  }

  /** Marks the message as fully received: it no longer gives way to others. */
  arrived(): void {
    for (const budget of this.#budgets) budget.leave(this);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders !== 0) return;
    this.arrived();
    for (const budget of this.#budgets) budget.count(-this.bytes);
  }

  /** Drops the message to make room for another one. */
  drop(): void {
    this.release();
    this.#onDropped();
  }
}
