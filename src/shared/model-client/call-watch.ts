import type { Clock, Timer } from '../clock.ts';

/** Maximum durations of the phases of a streamed call, in milliseconds. */
export interface PhaseLimits {
  /** Time from the start of the call to the response headers. */
  readonly headersMs: number;
  /** Time from the start of the call to the first token. */
  readonly firstTokenMs: number;
  /** Time from one token to the next. */
  readonly gapMs: number;
}

/** A stream counts as writing for this long after a token, or for a multiple of its longest pause. */
const WRITING_MS = 1_000;
const WRITING_GAPS = 3;
/** Time that a server has after the last choice to report its tokens and end the response. */
export const AFTER_FINISH_MS = 1_000;

/**
 * Watches one call: measures its headers and tokens, and reports once if a phase or the whole call takes too long. Only content
 * counts as a sign of life: headers, comments and empty events extend nothing. It uses one timer, reset only when a limit moves
 * closer: a token costs one look at the clock.
 */
export class CallWatch {
  readonly #clock: Clock;
  readonly #limits: PhaseLimits | undefined;
  readonly #endMs: number;
  readonly #onTimeout: (afterMs: number) => void;
  readonly startedAtMs: number;
  #headersAtMs: number | undefined;
  #firstTokenAtMs: number | undefined;
  #lastTokenAtMs = 0;
  /** The longest pause between two tokens so far, in milliseconds. */
  gapMsMax = 0;
  /** When the last choice ended. */
  #finishedAtMs: number | undefined;
  #isSuspended = false;
  #timer: Timer | undefined;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, timeoutMs: number, limits: PhaseLimits | undefined, onTimeout: (afterMs: number) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onTimeout = onTimeout;
    this.startedAtMs = clock.now();
    this.#endMs = this.startedAtMs + timeoutMs;
    this.#arm();
  }

  /** Time from the start to the headers; undefined before them. */
  get queueMs(): number | undefined {
    return this.#headersAtMs === undefined ? undefined : this.#headersAtMs - this.startedAtMs;
  }

  get firstTokenMs(): number | undefined {
    return this.#firstTokenAtMs === undefined ? undefined : this.#firstTokenAtMs - this.startedAtMs;
  }

  /** Whether tokens are arriving: the last one came within a few of the longest pauses before it, or within a second. */
  get isWriting(): boolean {
    if (this.#firstTokenAtMs === undefined) return false;
    return this.#clock.now() - this.#lastTokenAtMs <= Math.max(WRITING_MS, WRITING_GAPS * this.gapMsMax);
  }

  headers(): void {
    this.#headersAtMs ??= this.#clock.now();
    this.#arm();
  }

  token(): void {
    const nowMs = this.#clock.now();
    if (this.#firstTokenAtMs === undefined) this.#firstTokenAtMs = nowMs;
    else this.gapMsMax = Math.max(this.gapMsMax, nowMs - this.#lastTokenAtMs);
    this.#lastTokenAtMs = nowMs;
    this.#arm();
  }

  finished(): void {
    this.#finishedAtMs = this.#clock.now();
    this.#arm();
  }

  /** Suspends the phase limits until `resume`, because the reader of the answer has paused. The total time continues. */
  suspend(): void {
    this.#isSuspended = true;
  }

  resume(): void {
    if (!this.#isSuspended) return;
    this.#isSuspended = false;
    this.#lastTokenAtMs = this.#clock.now();
    if (this.#finishedAtMs !== undefined) this.#finishedAtMs = this.#lastTokenAtMs;
    this.#arm();
  }

  dispose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedMs = Number.NEGATIVE_INFINITY;
  }

  #dueMs(): number {
    if (this.#isSuspended) return this.#endMs;
    if (this.#finishedAtMs !== undefined) return Math.min(this.#endMs, this.#finishedAtMs + AFTER_FINISH_MS);
    if (this.#limits === undefined) return this.#endMs;
    const { headersMs, firstTokenMs, gapMs } = this.#limits;
    if (this.#firstTokenAtMs !== undefined) return Math.min(this.#endMs, this.#lastTokenAtMs + gapMs);
    const limitMs = this.#headersAtMs === undefined ? Math.min(headersMs, firstTokenMs) : firstTokenMs;
    return Math.min(this.#endMs, this.startedAtMs + limitMs);
  }

  #arm(): void {
    const dueMs = this.#dueMs();
    if (dueMs >= this.#armedMs) return;
    this.#timer?.cancel();
    this.#armedMs = dueMs;
    this.#timer = this.#clock.setTimer(dueMs - this.#clock.now(), () => this.#fire());
  }

  #fire(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    // A timer may fire a fraction of a millisecond early, and a token may have come since it was set.
    if (this.#dueMs() > this.#clock.now() + 1) {
      this.#arm();
      return;
    }
    this.dispose();
    this.#onTimeout(this.#clock.now() - this.startedAtMs);
  }
}
