import type { Clock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';

/**
 * Whether an endpoint is asked at all (circuit breaker: Nygard, Release It!). It opens on errors and on missed deadlines
 * alike, so that a server that is silent costs a few plans their time and then none, and one that fails fast attracts
 * nothing. After a while one call is let through; its end decides. Written here, since it must run on an injected clock.
 *
 *   closed --failures--> open --its time has passed--> half-open --success--> closed
 *                          ^                               |
 *                          +---------failure, longer-------+
 */
export type BreakerState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly untilMs: number; readonly openings: number }
  | { readonly kind: 'half-open'; readonly openings: number; isProbing: boolean };

export interface BreakerStats {
  readonly state: BreakerState['kind'];
  /** How often it has opened. */
  readonly opened: number;
}

/** Of the last outcomes this many are looked at. */
const WINDOW = 16;
/** It opens after so many failures in a row, */
const IN_A_ROW = 5;
/** or when so many were seen, and most of them failed. */
const SEEN_MIN = 8;
const FAILED_SHARE = 0.6;
const OPEN_MS = 500;
/** However often its probes fail, it is asked again this soon: a server that is well again is used soon after. */
const OPEN_MS_MAX = 5_000;

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #random: Random;
  #state: BreakerState = { kind: 'closed' };
  /** The latest outcomes, true for a failure, the latest last. */
  #outcomes: boolean[] = [];
  #opened = 0;
  /** Hears each opening, with how many there have been. */
  onOpened: (opened: number) => void = () => {};

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether a call may begin. While half open only one does, and every `true` must be followed by its outcome. */
  tryEnter(): boolean {
    const state = this.#stateNow();
    if (state.kind === 'closed') return true;
    if (state.kind === 'open' || state.isProbing) return false;
    state.isProbing = true;
    return true;
  }

  /** Whether a call would be turned away. */
  get isOpen(): boolean {
    const state = this.#stateNow();
    return state.kind === 'open' || (state.kind === 'half-open' && state.isProbing);
  }

  succeeded(): void {
    if (this.#state.kind !== 'closed') {
      this.#state = { kind: 'closed' };
      this.#outcomes = [];
    }
    this.#note(false);
  }

  failed(): void {
    if (this.#state.kind === 'half-open') {
      this.#open(this.#state.openings + 1);
      return;
    }
    this.#note(true);
    if (this.#state.kind === 'closed' && this.#isBad()) this.#open(1);
  }

  /** What was tried to find out has shown that the server is ill: it opens, whatever was seen before. */
  trip(): void {
    if (this.#state.kind === 'open') return;
    this.#open(this.#state.kind === 'half-open' ? this.#state.openings + 1 : 1);
  }

  /** A call ended without showing anything: it was cancelled. */
  left(): void {
    if (this.#state.kind === 'half-open') this.#state.isProbing = false;
  }

  stats(): BreakerStats {
    return { state: this.#stateNow().kind, opened: this.#opened };
  }

  #stateNow(): BreakerState {
    if (this.#state.kind === 'open' && this.#clock.now() >= this.#state.untilMs) {
      this.#state = { kind: 'half-open', openings: this.#state.openings, isProbing: false };
    }
    return this.#state;
  }

  #note(isFailure: boolean): void {
    this.#outcomes.push(isFailure);
    if (this.#outcomes.length > WINDOW) this.#outcomes.shift();
  }

  #isBad(): boolean {
    const seen = this.#outcomes.length;
    if (seen >= IN_A_ROW && this.#outcomes.slice(-IN_A_ROW).every((isFailure) => isFailure)) return true;
    return seen >= SEEN_MIN && this.#outcomes.filter((isFailure) => isFailure).length >= seen * FAILED_SHARE;
  }

  #open(openings: number): void {
    const openMs = Math.min(OPEN_MS_MAX, OPEN_MS * 2 ** (openings - 1));
    // Spread, so that many planners do not ask a server that comes back at the same moment.
    this.#state = { kind: 'open', untilMs: this.#clock.now() + openMs * (0.75 + 0.5 * this.#random.next()), openings };
    this.#opened++;
    this.#outcomes = [];
    this.onOpened(this.#opened);
  }
}
