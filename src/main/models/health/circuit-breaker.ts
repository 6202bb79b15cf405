import type { Clock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';

/**
 * Whether an endpoint is called at all (circuit breaker: Nygard, Release It!). It opens on errors and on missed deadlines
 * alike, so that a silent server costs only a few plans their time, and one that fails fast attracts
 * no calls. After a while one call is let through; its end decides. Written here, since it must run on an injected clock.
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

/** Number of latest outcomes that are considered. */
const WINDOW = 16;
/** The breaker opens after this many failures in a row. */
const IN_A_ROW = 5;
/** The breaker opens if at least this many outcomes were seen, and most of them failed. */
const SEEN_MIN = 8;
const FAILED_SHARE = 0.6;
const OPEN_MS = 500;
/** Longest rest, however often probes fail, so that a recovered server is used soon. */
const OPEN_MS_MAX = 5_000;

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #random: Random;
  #state: BreakerState = { kind: 'closed' };
  /** The latest outcomes, true for a failure, oldest first. */
  #outcomes: boolean[] = [];
  #opened = 0;
  #warnedUntilMs = Number.NEGATIVE_INFINITY;
  /** Called at each opening, with the number of openings so far. */
  onOpened: (opened: number) => void = () => {};

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether a call may start. While half open only one may; every `true` must be followed by its outcome. */
  tryEnter(): boolean {
    const state = this.#stateNow();
    if (state.kind === 'closed') return true;
    if (state.kind === 'open' || state.isProbing) return false;
    state.isProbing = true;
    return true;
  }

  /** Whether a call would be rejected. */
  get isOpen(): boolean {
    const state = this.#stateNow();
    return state.kind === 'open' || (state.kind === 'half-open' && state.isProbing);
  }

  /** For how many milliseconds it stays open; 0 if it is not. */
  get restMs(): number {
    const state = this.#stateNow();
    return state.kind === 'open' ? state.untilMs - this.#clock.now() : 0;
  }

  /**
   * Another node does not call the server for this long. That may be the other node's own trouble, so this breaker stays closed, but opens
   * at the first failure meanwhile.
   */
  warn(restMs: number): void {
    this.#warnedUntilMs = this.#clock.now() + restMs;
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

  /** Opens the breaker regardless of earlier outcomes: a test has shown that the server is ill. */
  trip(): void {
    if (this.#state.kind === 'open') return;
    this.#open(this.#state.kind === 'half-open' ? this.#state.openings + 1 : 1);
  }

  /** A call was cancelled, and showed nothing. */
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
    if (this.#outcomes.at(-1) === true && this.#clock.now() < this.#warnedUntilMs) return true;
    if (seen >= IN_A_ROW && this.#outcomes.slice(-IN_A_ROW).every((isFailure) => isFailure)) return true;
    return seen >= SEEN_MIN && this.#outcomes.filter((isFailure) => isFailure).length >= seen * FAILED_SHARE;
  }

  #open(openings: number): void {
    const openMs = Math.min(OPEN_MS_MAX, OPEN_MS * 2 ** (openings - 1));
    // Randomized, so that many planners do not call a recovered server at the same moment.
    this.#state = { kind: 'open', untilMs: this.#clock.now() + openMs * (0.75 + 0.5 * this.#random.next()), openings };
    this.#opened++;
    this.#outcomes = [];
    this.onOpened(this.#opened);
  }
}
