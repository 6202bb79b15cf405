import type { Clock, Timer } from '../../shared/clock.ts';

/**
 * The slots of one endpoint, shared by all experts and synthesis on it, with an optional pause between two starts.
 * First come, first served. A waiter that gives up leaves the queue at once. Bounded by the plans in flight: a plan
 * waits with at most its experts, and no plan outlives its deadline.
 */
export interface Slot {
  /** Gives the slot back; more than once does nothing. */
  release(): void;
}

interface Waiter {
  readonly grant: (slot: Slot) => void;
}

export class EndpointGate {
  readonly #clock: Clock;
  readonly #slots: number;
  readonly #staggerMs: number;
  readonly #waiting = new Set<Waiter>();
  #busy = 0;
  #nextStartAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(clock: Clock, slots: number, staggerMs: number) {
    this.#clock = clock;
    this.#slots = slots;
    this.#staggerMs = staggerMs;
  }

  get busy(): number {
    return this.#busy;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A slot, or undefined when `signal` aborts first. */
  acquire(signal: AbortSignal): Promise<Slot | undefined> | Slot | undefined {
    if (signal.aborted) return undefined;
    if (this.#waiting.size === 0 && this.#mayStart()) return this.#start();
    return new Promise((resolve) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        if (this.#waiting.size === 0) this.#dropTimer();
        resolve(undefined);
      };
      const waiter: Waiter = {
        grant: (slot) => {
          signal.removeEventListener('abort', onAbort);
          resolve(slot);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
      this.#wake();
    });
  }

  close(): void {
    this.#dropTimer();
  }

  #dropTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #mayStart(): boolean {
    return this.#busy < this.#slots && this.#clock.now() >= this.#nextStartAt;
  }

  #start(): Slot {
    this.#busy++;
    if (this.#staggerMs > 0) this.#nextStartAt = this.#clock.now() + this.#staggerMs;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#busy--;
        this.#wake();
      },
    };
  }

  #wake(): void {
    for (const waiter of this.#waiting) {
      if (!this.#mayStart()) break;
      this.#waiting.delete(waiter);
      waiter.grant(this.#start());
    }
    if (this.#waiting.size === 0 || this.#busy >= this.#slots || this.#timer !== undefined) return;
    this.#timer = this.#clock.setTimer(this.#nextStartAt - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#wake();
    });
  }
}
