import type { Clock, Timer } from '../../shared/clock.ts';

/**
 * The slots of one endpoint, shared by all experts and synthesis on it, with an optional pause between two starts.
 * First come, first served; background work is served when nobody else waits, and is told to make room as soon as
 * somebody does. The pause is between foreground starts, and after any start for the background: nobody waits because of
 * background work. A waiter that gives up leaves the queue at once. Bounded by the plans in flight: a plan waits with at
 * most its experts, and no plan outlives its deadline.
 */
export type Lane = 'foreground' | 'background';

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
  readonly #inBackground = new Set<Waiter>();
  #busy = 0;
  readonly #nextStartAt: Record<Lane, number> = {
    foreground: Number.NEGATIVE_INFINITY,
    background: Number.NEGATIVE_INFINITY,
  };
  #timer: Timer | undefined;
  /** Called when somebody has to wait for a slot. */
  onPressure: () => void = () => {};

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

  /** Whether a slot is free that nobody waits for. */
  get isIdle(): boolean {
    return this.#busy < this.#slots && this.#waiting.size === 0 && this.#inBackground.size === 0;
  }

  /** A slot, or undefined when `signal` aborts first. */
  acquire(signal: AbortSignal, lane: Lane = 'foreground'): Promise<Slot | undefined> | Slot | undefined {
    if (signal.aborted) return undefined;
    const queue = lane === 'foreground' ? this.#waiting : this.#inBackground;
    if (this.#waiting.size === 0 && queue.size === 0 && this.#mayStart(lane)) return this.#start(lane);
    return new Promise((resolve) => {
      const onAbort = (): void => {
        queue.delete(waiter);
        if (this.#waiting.size + this.#inBackground.size === 0) this.#dropTimer();
        resolve(undefined);
      };
      const waiter: Waiter = {
        grant: (slot) => {
          signal.removeEventListener('abort', onAbort);
          resolve(slot);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      queue.add(waiter);
      this.#wake();
      if (lane === 'foreground' && this.#waiting.has(waiter)) this.onPressure();
    });
  }

  close(): void {
    this.#dropTimer();
  }

  #dropTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #mayStart(lane: Lane): boolean {
    return this.#busy < this.#slots && this.#clock.now() >= this.#nextStartAt[lane];
  }

  #start(lane: Lane): Slot {
    this.#busy++;
    if (this.#staggerMs > 0) {
      const nextStartAt = this.#clock.now() + this.#staggerMs;
      this.#nextStartAt.background = nextStartAt;
      if (lane === 'foreground') this.#nextStartAt.foreground = nextStartAt;
    }
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
    this.#serve('foreground', this.#waiting);
    if (this.#waiting.size === 0) this.#serve('background', this.#inBackground);
    this.#dropTimer();
    if (this.#waiting.size + this.#inBackground.size === 0 || this.#busy >= this.#slots) return;
    const next = this.#waiting.size > 0 ? this.#nextStartAt.foreground : this.#nextStartAt.background;
    this.#timer = this.#clock.setTimer(next - this.#clock.now(), () => this.#wake());
  }

  #serve(lane: Lane, queue: Set<Waiter>): void {
    for (const waiter of queue) {
      if (!this.#mayStart(lane)) break;
      queue.delete(waiter);
      waiter.grant(this.#start(lane));
    }
  }
}
