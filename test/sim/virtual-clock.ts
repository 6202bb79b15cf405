import type { Clock, Timer } from '../../src/shared/clock.ts';

/** A pending timer; `undefined` in place of what it fires once it is cancelled. */
interface Pending {
  readonly atMs: number;
  readonly order: number;
  fire: (() => void) | undefined;
}

/**
 * Time for simulations: it stands still while anything can still happen, and then jumps to the next timer. Turns of the
 * event loop are its own as well, so that a seed replays to the last detail. Timers fire in the order of their time, then
 * of their making.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  #wallOffsetMs = Date.UTC(2026, 0, 1);
  #order = 0;
  /** A binary heap, the next one first. */
  readonly #heap: Pending[] = [];
  #turns: (() => void)[] = [];
  #cancelled = 0;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#wallOffsetMs + this.#nowMs;
  }

  /** The machine's clock is set: only the wall clock shows it. */
  setWall(deltaMs: number): void {
    this.#wallOffsetMs += deltaMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const delay = Number.isFinite(delayMs) ? Math.max(delayMs, 0) : 2 ** 31;
    const pending: Pending = { atMs: this.#nowMs + delay, order: this.#order++, fire };
    this.#push(pending);
    return {
      cancel: () => {
        if (pending.fire !== undefined) this.#cancelled++;
        pending.fire = undefined;
      },
    };
  }

  nextTurn(fire: () => void): void {
    this.#turns.push(fire);
  }

  /** Timers that will still fire. */
  get pendingTimers(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** What is to be done before time goes on. */
  get pendingTurns(): number {
    return this.#turns.length;
  }

  /** One turn of the event loop, or one step in time. False when nothing is left to happen, or only after `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    if (this.#turns.length > 0) {
      const due = this.#turns;
      this.#turns = [];
      for (const fire of due) fire();
      return true;
    }
    const next = this.#next();
    if (next === undefined || next.atMs > untilMs) return false;
    this.#pop();
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    const { fire } = next;
    next.fire = undefined;
    fire?.();
    return true;
  }

  /** Lets time pass at once, as a process that is held up does: what fell due on the way fires late. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  #next(): Pending | undefined {
    while (this.#heap.length > 0 && (this.#heap[0] as Pending).fire === undefined) {
      this.#pop();
      this.#cancelled--;
    }
    return this.#heap[0];
  }

  #push(pending: Pending): void {
    const heap = this.#heap;
    let at = heap.push(pending) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(pending, heap[parent] as Pending)) break;
      heap[at] = heap[parent] as Pending;
      at = parent;
    }
    heap[at] = pending;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Pending;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && isBefore(heap[right] as Pending, heap[left] as Pending) ? right : left;
      if (!isBefore(heap[child] as Pending, last)) break;
      heap[at] = heap[child] as Pending;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Pending, b: Pending): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * Runs a virtual clock until `promise` settles: promise chains run between any two steps. Throws where nothing is left to
 * happen, which is a promise that never settles.
 */
export async function runVirtual<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  await microtasks();
  while (!settled) {
    if (!clock.step()) throw new Error(`nothing is left to happen at ${clock.now()} ms, and it has not settled`);
    await microtasks();
  }
  return promise;
}

/** Lets a time pass on a virtual clock: promise chains run between any two steps. */
export async function passVirtual(clock: VirtualClock, ms: number): Promise<void> {
  const passed = new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
  await runVirtual(clock, passed);
}

/** A real turn of the event loop: every promise chain that can go on has gone on. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
