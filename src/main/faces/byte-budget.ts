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
    const startedAtMs = this.#clock.now();
    const charge: ByteCharge = new ByteCharge({
      add: (bytes) => this.#all.every((budget) => budget.#makeRoom(charge, bytes)) && this.#add(charge, bytes),
      arrive: () => this.#leave(charge),
      end: () => {
        this.#leave(charge);
        for (const budget of this.#all) budget.#bytes -= charge.bytes;
      },
      elapsedMs: () => Math.max(this.#clock.now() - startedAtMs, 1),
      onDropped,
    });
    for (const budget of this.#all) budget.#coming.add(charge);
    return charge;
  }

  #makeRoom(asking: ByteCharge, bytes: number): boolean {
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

  #add(charge: ByteCharge, bytes: number): true {
    charge.bytes += bytes;
    for (const budget of this.#all) budget.#bytes += bytes;
    return true;
  }

  #leave(charge: ByteCharge): void {
    for (const budget of this.#all) budget.#coming.delete(charge);
  }
}

interface ChargePorts {
  add(bytes: number): boolean;
  arrive(): void;
  end(): void;
  elapsedMs(): number;
  onDropped(): void;
}

/** The charge of one message. Held by everything that works on the message; ends when the last holder releases it. */
export class ByteCharge {
  bytes = 0;
  readonly #ports: ChargePorts;
  #holders = 1;

  constructor(ports: ChargePorts) {
    this.#ports = ports;
  }

  /** Time since the message began, in milliseconds; never 0. */
  get elapsedMs(): number {
    return this.#ports.elapsedMs();
  }

  /** Charges more bytes. Returns false if there is no room: nothing is added, and the caller must release the charge. */
  add(bytes: number): boolean {
    return this.#ports.add(bytes);
  }

  /** Marks the message as fully received: it no longer gives way to others. */
  arrived(): void {
    this.#ports.arrive();
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#ports.end();
  }

  /** Drops the message to make room for another one. */
  drop(): void {
    this.release();
    this.#ports.onDropped();
  }
}
