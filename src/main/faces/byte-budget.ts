import type { Clock } from '../../shared/clock.ts';

/**
 * Bytes of large messages, together: of a face, or of all faces of a service. Each message has a bound of its own, and 2,000 clients
 * may each come close to it and stop. A message is charged from its first byte until it is answered, once it is large; where no room
 * is left, the one that comes slowest is dropped, which is as a rule one that has stopped. Short messages pass beside.
 */

/** A message up to this size is not charged. */
export const UNCHARGED_BYTES_MAX = 65_536;
/** Of one face, unless its options say otherwise. */
export const FACE_BYTES = 128 * 2 ** 20;
/** Of all faces of a service, or as much as one of them may have alone. */
export const SERVICE_BYTES = 128 * 2 ** 20;

export class ByteBudget {
  readonly bytesMax: number;
  readonly #clock: Clock;
  /** This one, and the one of all faces. */
  readonly #all: readonly ByteBudget[];
  /** What has not come whole, in the order in which it began. */
  readonly #coming = new Set<ByteCharge>();
  #bytes = 0;

  constructor(bytesMax: number, clock: Clock, inAll?: ByteBudget) {
    this.bytesMax = bytesMax;
    this.#clock = clock;
    this.#all = inAll === undefined ? [this] : [this, inAll];
  }

  /** Charged now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of one message. `onDropped` is called where it has to give way to another one before it has come. */
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

  /** With the bytes that one asks for counted as its own: one that has just begun has come fast so far. */
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

/** What one message is charged for. Held by whoever works on it; ends when the last of them lets go. */
export class ByteCharge {
  bytes = 0;
  readonly #ports: ChargePorts;
  #holders = 1;

  constructor(ports: ChargePorts) {
    this.#ports = ports;
  }

  /** Since it began; never 0. */
  get elapsedMs(): number {
    return this.#ports.elapsedMs();
  }

  /** False where there is no room: then nothing is added, and it is to be let go. */
  add(bytes: number): boolean {
    return this.#ports.add(bytes);
  }

  /** It has come whole, and gives way to nothing from here on. */
  arrived(): void {
    this.#ports.arrive();
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#ports.end();
  }

  /** Gives its room to another one. */
  drop(): void {
    this.release();
    this.#ports.onDropped();
  }
}
