import type { Clock } from '../../../shared/clock.ts';
import type { Ask, Slot } from './ask.ts';
import { RankedQueue } from './ranked-queue.ts';

export interface WaitingCall {
  rankMs: number;
  readonly sinceMs: number;
  ask: Ask;
  readonly signal: AbortSignal;
  readonly grant: (slot: Slot) => void;
}

export interface WaitListeners {
  readonly joined: (waiter: WaitingCall) => void;
  /** It has given up. */
  readonly left: () => void;
}

/** The calls that wait for a slot of one gate. The first of each queue is served next. */
export class WaitingCalls {
  readonly foreground = new RankedQueue<WaitingCall>();
  /** All have the same rank: served in the order of arrival. */
  readonly background = new RankedQueue<WaitingCall>();
  readonly #clock: Clock;
  /** Number of calls without a deadline. */
  unhurried = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.foreground.length + this.background.length;
  }

  /** Returns a slot, or undefined if `signal` aborts first. */
  wait(signal: AbortSignal, ask: Ask, { joined, left }: WaitListeners): Promise<Slot | undefined> {
    return new Promise((resolve) => {
      const { lane = 'foreground', rankMs = Number.POSITIVE_INFINITY } = ask;
      const onAbort = (): void => {
        this.#drop(waiter);
        resolve(undefined);
        left();
      };
      const grant = (slot: Slot): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(slot);
      };
      const isForeground = lane === 'foreground';
      const waiter = { rankMs: isForeground ? rankMs : 0, sinceMs: this.#clock.now(), ask, signal, grant };
      signal.addEventListener('abort', onAbort, { once: true });
      if (ask.need === undefined) this.unhurried++;
      (isForeground ? this.foreground : this.background).add(waiter);
      joined(waiter);
    });
  }

  /** Takes a call that is served out of its queue. */
  serve(queue: RankedQueue<WaitingCall>, waiter: WaitingCall): void {
    queue.delete(waiter);
    if (waiter.ask.need === undefined) this.unhurried--;
  }

  /** A plan waits from now on for the background call with this signal, which moves to the other queue. Undefined if there is none. */
  advance(signal: AbortSignal, rankMs: number, deadlineMs: number): WaitingCall | undefined {
    const waiter = this.background.find((each) => each.signal === signal);
    if (waiter === undefined) return undefined;
    this.background.delete(waiter);
    const { need } = waiter.ask;
    waiter.rankMs = rankMs;
    waiter.ask = { ...waiter.ask, lane: 'foreground', rankMs, ...(need && { need: { ...need, deadlineMs } }) };
    this.foreground.add(waiter);
    return waiter;
  }

  #drop(waiter: WaitingCall): void {
    // It may have moved to the other queue.
    this.foreground.delete(waiter);
    this.background.delete(waiter);
    if (waiter.ask.need === undefined) this.unhurried--;
  }
}
