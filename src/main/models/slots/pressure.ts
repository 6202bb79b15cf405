import type { Clock, Timer } from '../../../shared/clock.ts';
import type { Ask } from './ask.ts';

/** Number of waiting calls, from the first, for which room could be made, a few in each turn of the event loop. */
const PRESSED_MAX = 16;
const PRESSED_PER_TURN = 4;
/** Interval at which waiting calls behind background work are checked again: a call that was nearly done may take much longer. */
const PRESS_EVERY_MS = 100;

/** The calls of a gate for which background work could make room. */
export interface Pressed {
  hasBackground(): boolean;
  /** Number of waiting calls. */
  waiting(): number;
  /** Waiting calls from one place in their order to another. */
  asks(from: number, to: number): readonly Ask[];
  /** Returns whether room is made. */
  makeRoom(ask: Ask): boolean;
}

/** Asks for waiting calls whether background work makes room; in a separate turn of the event loop, since many may start to wait at once. */
export class Pressure {
  readonly #clock: Clock;
  readonly #pressed: Pressed;
  #timer: Timer | undefined;
  #isPressing = false;
  #isClosed = false;

  constructor(clock: Clock, pressed: Pressed) {
    this.#clock = clock;
    this.#pressed = pressed;
  }

  soon(from = 0): void {
    if (this.#isPressing || this.#isClosed || !this.#pressed.hasBackground()) return;
    this.#isPressing = true;
    this.#clock.nextTurn(() => {
      this.#isPressing = false;
      this.#press(from);
    });
  }

  drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  /** The first waiting calls may have too little time for any slot, so others are considered as well. */
  #press(from: number): void {
    this.drop();
    const waiting = this.#pressed.waiting();
    if (this.#isClosed || waiting === 0) return;
    const asks = this.#pressed.asks(from, Math.min(from + PRESSED_PER_TURN, PRESSED_MAX));
    const isMade = asks.some((ask) => this.#pressed.makeRoom(ask));
    if (isMade) this.soon();
    else if (from + PRESSED_PER_TURN < Math.min(PRESSED_MAX, waiting)) this.soon(from + PRESSED_PER_TURN);
    else if (this.#pressed.hasBackground()) this.#timer = this.#clock.setTimer(PRESS_EVERY_MS, () => this.#press(0));
  }
}
