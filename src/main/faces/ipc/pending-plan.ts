import type { Clock, Timer } from '../../../shared/clock.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import { planCancelled } from '../../plans/flights/flight-board.ts';
import type { Plan } from '../../plans/plan.ts';

export interface PendingPlanParts {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly lateGraceMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  /** The plan of the host's own rung. */
  answerHere(): Plan;
  /** Tells the peer that nobody waits any more. */
  cancel(): void;
}

/** A timer that fires later than this was held up, and with it everything that came meanwhile. */
const HELD_UP_MS = 10;
/** How often a host that is held up again and again begins its grace anew. */
const HELD_UP_TIMES_MAX = 4;

/** One plan as its host waits for it. Settles once: by the peer's reply, its signal, or the host's own answer. */
export class PendingPlan {
  readonly #parts: PendingPlanParts;
  readonly #settled = Promise.withResolvers<Plan>();
  readonly #onAbort = (): void => this.#leave();
  #timer: Timer;
  #heldUpTimes = 0;
  #isOpen = true;

  constructor(parts: PendingPlanParts) {
    this.#parts = parts;
    this.#timer = this.#armed(parts.deadlineMs + parts.lateGraceMs);
    parts.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get settled(): Promise<Plan> {
    return this.#settled.promise;
  }

  resolve(plan: Plan): void {
    if (this.#end()) this.#settled.resolve(plan);
  }

  reject(error: unknown): void {
    if (this.#end()) this.#settled.reject(error);
  }

  /** Throws what its listener throws. */
  hear(attempt: Attempt): void {
    if (this.#isOpen) this.#parts.onAttempt?.(attempt);
  }

  /** Takes the host's own answer, where the peer gives none any more. */
  answerHere(): void {
    if (this.#end()) this.#settled.resolve(this.#parts.answerHere());
  }

  #leave(): void {
    if (!this.#end()) return;
    this.#parts.cancel();
    this.#settled.reject(planCancelled(this.#parts.signal));
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
    // Timers come before messages in a turn: what has come by now is heard first.
    clock.nextTurn(() => {
      if (!this.#isOpen) return;
      this.answerHere();
      cancel();
    });
  }

  /** False where it has ended before. */
  #end(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.#timer.cancel();
    this.#parts.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}
