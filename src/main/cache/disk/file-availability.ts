import type { Clock, Timer } from '../../../shared/clock.ts';
import type { PlannerError } from '../../../shared/errors.ts';
import type { DiskFile } from './lmdb-file.ts';
import { type DiskFilePlace, openDiskFile, reasonOf } from './open-disk-file.ts';

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 300_000;
/** How long after its first batch a trial may still fail without a warning. */
const TRIAL_MS = 10_000;
/** A file that fails again sooner than this continues its back-off instead of starting a new one. */
const STEADY_MS = 60_000;

/*
 *   on ──a read or write fails──▶ off ──back-off──▶ opening ──▶ trial ──10 s after a batch was written──▶ on
 *                                  ▲                   │fails      │fails
 *                                  └───────────────────┴───────────┘           any ──close()──▶ closed
 *
 * A trial reads and writes as usual. Its success is reported only when it has held for a while: the free pages inside the
 * file take some batches on a full disk too. A file is never written again after a failed commit: lmdb-js may keep its lock.
 */
type State =
  | { readonly kind: 'on'; readonly file: DiskFile; readonly sinceMs: number; readonly attempt: number }
  | { readonly kind: 'trial'; readonly file: DiskFile; readonly attempt: number; readonly end: Timer | undefined }
  | { readonly kind: 'opening'; readonly attempt: number }
  | { readonly kind: 'off'; readonly attempt: number; readonly retry: Timer }
  | { readonly kind: 'closed' };

/** Whether the file of a disk tier can be used: opens it, closes it after a failure, and tries again with a back-off. */
export class FileAvailability {
  readonly #place: DiskFilePlace;
  readonly #clock: Clock;
  readonly #opened: (file: DiskFile) => void;
  #state: State = { kind: 'opening', attempt: 0 };
  #opening: Promise<void> | undefined;
  #closing: Promise<void> = Promise.resolve();

  /** Calls `opened` each time the file has become usable. If it throws, the file counts as failed. */
  constructor(place: DiskFilePlace, clock: Clock, opened: (file: DiskFile) => void) {
    this.#place = place;
    this.#clock = clock;
    this.#opened = opened;
  }

  /** The open file, or undefined while there is none to read or write. */
  get file(): DiskFile | undefined {
    return this.#state.kind === 'on' || this.#state.kind === 'trial' ? this.#state.file : undefined;
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  /**
   * Opens the file for the first time. Resolves even if that fails: it is tried again later. Rejects with
   * ERR_OPTIONS_INVALID if something other than a file of the cache stands at its path.
   */
  open(): Promise<void> {
    return this.#open(0);
  }

  /** Resolves when no attempt to open the file is under way. */
  async settled(): Promise<void> {
    await this.#opening;
  }

  /** Closes a file that failed and schedules the next attempt. Has no effect while the file is off or closed. */
  turnOff(error: unknown): void {
    const state = this.#state;
    if (state.kind === 'closed' || state.kind === 'off') return;
    this.cancelTimers();
    if (state.kind !== 'opening') this.#closeFile(state.file);
    const isSteady = state.kind === 'on' && this.#clock.now() - state.sinceMs >= STEADY_MS;
    const attempt = isSteady ? 1 : state.attempt + 1;
    this.#state = { kind: 'off', attempt, retry: this.#retryAfterBackOff(attempt) };
    const isKnown = state.kind === 'trial' || (state.kind === 'opening' && state.attempt > 0);
    if (!isKnown) this.#warn(`is off and will be tried again: ${reasonOf(error)}`);
  }

  /** Records that a batch was written to `file`. The first one starts the end of a trial. */
  wasWritten(file: DiskFile): void {
    if (this.#state.kind !== 'trial' || this.#state.end !== undefined) return;
    const { attempt } = this.#state;
    const end = this.#clock.setTimer(TRIAL_MS, () => {
      this.#state = { kind: 'on', file, sinceMs: this.#clock.now(), attempt };
      this.#warn('is on again');
    });
    this.#state = { kind: 'trial', file, attempt, end };
  }

  /** Cancels the next attempt to open the file, and the end of a trial. */
  cancelTimers(): void {
    if (this.#state.kind === 'off') this.#state.retry.cancel();
    if (this.#state.kind === 'trial') this.#state.end?.cancel();
  }

  /** Closes the file for good. */
  async close(): Promise<void> {
    const { file } = this;
    this.cancelTimers();
    this.#state = { kind: 'closed' };
    if (file !== undefined) this.#closeFile(file);
    await this.#closing;
  }

  /** Opens the file, on trial if it was off before. */
  async #open(attempt: number): Promise<void> {
    this.#state = { kind: 'opening', attempt };
    try {
      await this.#closing;
      const file = await openDiskFile(this.#place);
      this.#state =
        attempt === 0
          ? { kind: 'on', file, sinceMs: this.#clock.now(), attempt }
          : { kind: 'trial', file, attempt, end: undefined };
      this.#opened(file);
    } catch (error) {
      if (attempt > 0 || (error as PlannerError).code !== 'ERR_OPTIONS_INVALID') return this.turnOff(error);
      this.#state = { kind: 'closed' };
      throw error;
    }
  }

  #retryAfterBackOff(attempt: number): Timer {
    const delayMs = Math.min(RETRY_MS_MIN * 2 ** (attempt - 1), RETRY_MS_MAX);
    return this.#clock.setTimer(delayMs, () => {
      this.#opening = this.#open(attempt).finally(() => {
        this.#opening = undefined;
      });
    });
  }

  #closeFile(file: DiskFile): void {
    // A file that fails to close has nothing more to lose: every commit was on disk or was counted as dropped.
    this.#closing = file.close().catch(() => undefined);
  }

  #warn(what: string): void {
    this.#place.warn(`disk cache ${this.#place.path} ${what}`);
  }
}
