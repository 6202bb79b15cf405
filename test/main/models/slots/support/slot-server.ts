import type { AdaptiveLimit } from '../../../../../src/main/models/slots/adaptive-limit.ts';
import { type Random, randomNormal, seededRandom } from '../../../../../src/shared/random.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';

export interface ServerTimes {
  /** Medians, milliseconds. */
  readonly readMs: number;
  readonly writeMs: number;
  /** Of the logarithms: 0.4 is the spread of the simulated server. */
  readonly sigma: number;
  /** Share of the prompts of which three quarters need not be read again. */
  readonly prefixHits: number;
  /** With n slots at work each is at 1 / (1 + slowdown (n - 1)). */
  readonly slowdown: number;
}

export const TIMES: ServerTimes = { readMs: 150, writeMs: 250, sigma: 0.4, prefixHits: 0, slowdown: 0 };

/** A server with slots and a queue before them, first come, first served. */
class SlotServer {
  slots: number;
  readonly #clock: FakeClock;
  readonly #random: Random;
  readonly #times: ServerTimes;
  readonly #queue: (() => void)[] = [];
  #active = 0;

  constructor(clock: FakeClock, random: Random, slots: number, times: ServerTimes) {
    this.#clock = clock;
    this.#random = random;
    this.slots = slots;
    this.#times = times;
  }

  call(onFirstToken: () => void, onDone: () => void): void {
    this.#queue.push(() => {
      const { readMs, writeMs, prefixHits, slowdown } = this.#times;
      const share = (this.#random.next() < prefixHits ? 0.25 : 1) * (1 + slowdown * (this.#active - 1));
      const firstTokenMs = this.#draw(readMs) * share;
      this.#clock.setTimer(firstTokenMs, onFirstToken);
      this.#clock.setTimer(firstTokenMs + this.#draw(writeMs), () => {
        this.#active--;
        onDone();
        this.#admit();
      });
    });
    this.#admit();
  }

  #draw(medianMs: number): number {
    return medianMs * Math.exp(this.#times.sigma * randomNormal(this.#random));
  }

  #admit(): void {
    while (this.#active < this.slots && this.#queue.length > 0) {
      this.#active++;
      this.#queue.shift()?.();
    }
  }
}

/** Who asks: without end, five experts of a plan at once, or one call after the other. */
export type Demand = 'endless' | 'plans' | 'single';

const PLAN_CALLS = 5;
const WAITING_MAX = 50;

/** A planner with a limit before a server whose slots it does not know. */
export class LimitedCalls {
  readonly #clock = new FakeClock();
  readonly #random: Random;
  readonly #server: SlotServer;
  readonly #limit: AdaptiveLimit;
  readonly #demand: Demand;
  readonly #planEveryMs: number;
  readonly #models: readonly string[];
  #waiting = 0;
  #began = 0;
  #inFlight = 0;
  #done = 0;

  constructor(limit: AdaptiveLimit, slots: number, demand: Demand, seed: number, more: Partial<ServerTimes> = {}) {
    const times = { ...TIMES, ...more };
    this.#random = seededRandom(seed);
    this.#server = new SlotServer(this.#clock, this.#random, slots, times);
    this.#limit = limit;
    this.#demand = demand;
    // Plans come somewhat faster than the server can take them, up to 32 slots.
    this.#planEveryMs = ((times.readMs + times.writeMs) * PLAN_CALLS) / Math.min(32, 1.2 * slots);
    // One for each expert, always asked in the same order; endless calls are to one.
    this.#models = demand === 'plans' ? ['a', 'b', 'c', 'd', 'e'] : ['a'];
    if (demand === 'plans') this.#plan();
    else this.#ask(demand === 'endless' ? WAITING_MAX : 1);
  }

  set slots(slots: number) {
    this.#server.slots = slots;
  }

  /** Runs so many calls to their end. Returns the limit after each. */
  run(calls: number): number[] {
    const limits: number[] = [];
    for (const until = this.#done + calls; this.#done < until; ) {
      const before = this.#done;
      this.#clock.advance(1);
      for (let done = before; done < this.#done; done++) limits.push(this.#limit.now);
    }
    return limits;
  }

  #ask(calls: number): void {
    this.#waiting = Math.min(WAITING_MAX, this.#waiting + calls);
    while (this.#waiting > 0 && this.#inFlight < this.#limit.now) {
      this.#waiting--;
      this.#begin(this.#models[this.#began++ % this.#models.length] as string);
    }
  }

  #begin(model: string): void {
    const inFlight = ++this.#inFlight;
    const startedAtMs = this.#clock.now();
    this.#server.call(
      () => this.#limit.observe({ model, firstTokenMs: this.#clock.now() - startedAtMs, inFlight }),
      () => {
        this.#inFlight--;
        this.#done++;
        if (this.#demand === 'single') this.#clock.setTimer(50, () => this.#ask(1));
        else this.#ask(this.#demand === 'endless' ? 1 : 0);
      },
    );
  }

  #plan(): void {
    this.#ask(PLAN_CALLS);
    const gapMs = -Math.log(1 - this.#random.next()) * this.#planEveryMs;
    this.#clock.setTimer(gapMs, () => this.#plan());
  }
}
