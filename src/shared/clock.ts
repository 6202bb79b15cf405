/**
 * Injected time. Only this file and `random.ts` use the real clock and real chance, so every other part runs with a fake clock
 * and without fake timers (which would not reach into workers anyway).
 */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds, monotonic, with one origin for all threads of the process. */
  now(): number;
  /** Milliseconds since the Unix epoch. For people and files, never for deadlines: it may jump. */
  wallNow(): number;
  /** Runs `fire` once after `delayMs`. The timer keeps the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
  /** Runs `fire` in the next turn of the event loop, after everything queued before. */
  nextTurn(fire: () => void): void;
}

const stampOffsetsMs = new WeakMap<Clock, number>();

/**
 * Difference between `stampNow` and `now` of a clock, in milliseconds: that between the wall clock and the steady clock at the
 * first call. It never changes.
 */
export function stampOffsetMs(clock: Clock): number {
  let offsetMs = stampOffsetsMs.get(clock);
  if (offsetMs === undefined) {
    offsetMs = clock.wallNow() - clock.now();
    stampOffsetsMs.set(clock, offsetMs);
  }
  return offsetMs;
}

/**
 * Milliseconds since the Unix epoch that never jump: the steady clock, set once by the wall clock. The difference of two stamps
 * of one clock is the time between them, even if the wall clock was changed meanwhile.
 */
export function stampNow(clock: Clock): number {
  return stampOffsetMs(clock) + clock.now();
}

/** Longest delay of a timer, in milliseconds. Node fires a timer with a longer delay at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;
  constructor(delayMs: number, fire: () => void) {
    // Whole milliseconds, because Node keeps one list of timers for each different delay.
    this.#handle = setTimeout(fire, Math.ceil(Math.min(Math.max(delayMs, 0), DELAY_MS_MAX)));
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer: (delayMs, fire) => new SystemTimer(delayMs, fire),
  nextTurn: (fire) => void setImmediate(fire),
};

interface DeadlineSignal extends Disposable {
  readonly signal: AbortSignal;
  /** True if the deadline raised the signal, and not the parent. */
  readonly expired: boolean;
  dispose(): void;
}

/**
 * A signal that aborts at `atMs` of `clock`, with `reason` or a TimeoutError, or when `parent` does, with its reason. Must be
 * disposed, or its timer and listener remain.
 */
export function deadlineSignal(clock: Clock, atMs: number, parent?: AbortSignal, reason?: Error): DeadlineSignal {
  const controller = new AbortController();
  let expired = false;
  const onParent = (): void => controller.abort(parent?.reason);
  const timer = clock.setTimer(atMs - clock.now(), () => {
    if (controller.signal.aborted) return;
    expired = true;
    controller.abort(reason ?? new DOMException('the deadline was reached', 'TimeoutError'));
  });
  const dispose = (): void => {
    timer.cancel();
    parent?.removeEventListener('abort', onParent);
  };
  if (parent?.aborted) onParent();
  else parent?.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}
