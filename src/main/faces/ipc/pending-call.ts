import type { Clock, Timer } from '../../../shared/clock.ts';
import type { PlannerError } from '../../../shared/errors.ts';
import type { Attempt } from '../../models/calls/attempt.ts';

interface PendingCallParts<T> {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly lateGraceMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onAttempt?: ((attempt: Attempt) => void) | undefined;
  /** The answer from the host's own rung, or a rejection if it has none. */
  answerHere(): T | Promise<T>;
  /** The error of a caller that leaves. */
  cancelled(): PlannerError;
  /** Tells the peer that the caller no longer waits. */
  cancel(): void;
}

/** A timer this late means that the host was held up, and so was everything that arrived meanwhile. */
const HELD_UP_MS = 10;
/** How often a host that is repeatedly held up restarts its grace period. */
const HELD_UP_TIMES_MAX = 4;

/** A plan or a decision that its host waits for. Settles once: by the peer's reply, its signal, or the host's own answer. */
export class PendingCall<T> {
  readonly #parts: PendingCallParts<T>;
  readonly #settled = Promise.withResolvers<T>();
  readonly #onAbort = (): void => this.#leave();
  #timer: Timer;
  #heldUpTimes = 0;
  #isOpen = true;

  constructor(parts: PendingCallParts<T>) {
    this.#parts = parts;
    this.#timer = this.#armed(parts.deadlineMs + parts.lateGraceMs);
    parts.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get settled(): Promise<T> {
    return this.#settled.promise;
  }

  resolve(answer: T): void {
    if (this.#end()) this.#settled.resolve(answer);
  }

  reject(error: unknown): void {
    if (this.#end()) this.#settled.reject(error);
  }

  /** Reports an attempt. Throws what its listener throws. */
  hear(attempt: Attempt): void {
    if (this.#isOpen) this.#parts.onAttempt?.(attempt);
  }

  /** Settles with the host's own answer if the peer no longer gives one. */
  answerHere(): void {
    if (this.#end()) this.#settled.resolve(this.#parts.answerHere());
  }

  #leave(): void {
    if (!this.#end()) return;
    this.#parts.cancel();
    this.#settled.reject(this.#parts.cancelled());
  }

  #armed(dueAtMs: number): Timer {
    const { clock } = this.#parts;
    return clock.setTimer(dueAtMs - clock.now(), () => this.#overdue(dueAtMs));
  }

  #overdue(dueAtMs: number): void {
    const { clock, lateGraceMs, cancel } = this.#parts;
    if (clock.now() - dueAtMs > HELD_UP_MS && this.#heldUpTimes++ < HELD_UP_TIMES_MAX) {
      this.#timer = this.#armed(clock.now() + lateGraceMs);
      return;
    }
    // Timers precede messages in a turn, so messages that have arrived are handled first.
    clock.nextTurn(() => {
      if (!this.#isOpen) return;
      this.answerHere();
      cancel();
    });
  }

  /** Returns false if it has already settled. */
  #end(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.#timer.cancel();
    this.#parts.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}
