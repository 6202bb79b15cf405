import type { Clock } from '../../../shared/clock.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import type { CallKind } from '../time/latency-profile.ts';
import { SEATS_MAX } from '../time/profiles.ts';
import { isUnclear, REFUSALS } from './call-outcomes.ts';

/** Number of latest calls of a model that determine its use. */
const USE_MEMORY = 20;
const TRY_EVERY_MS = 2_000;
/** A place that is not used because it is slow is tried again after this time. */
const CHECK_EVERY_MS = 5_000;

/** Records for each model at one endpoint when it was last called, and how useful its calls were. */
export class SeatUse {
  readonly #clock: Clock;
  /** Share of the latest calls of each model that gave a vote. */
  readonly #shares = new Map<string, number>();
  /** When each kind of call was last allowed against its known times. */
  readonly #triedAtMs = new Map<string, number>();
  /** When the latest call of each kind was started. */
  readonly #beganAtMs = new Map<string, number>();
  /** When each model last answered. */
  readonly #answeredAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Share of the latest calls of a model that gave a vote; 1 while nothing is known. */
  share(model: string): number {
    return this.#shares.get(model) ?? 1;
  }

  /** When the model last answered; undefined if never. */
  answeredAtMs(model: string): number | undefined {
    return this.#answeredAtMs.get(model);
  }

  answered(model: string): void {
    this.#answeredAtMs.set(model, this.#clock.now());
  }

  began(model: string, kind: CallKind): void {
    setBounded(this.#beganAtMs, `${kind}\n${model}`, this.#clock.now());
  }

  /** A call of the model has ended with this code. */
  ended(model: string, kind: CallKind, code: 'OK' | ErrorCode): void {
    if (code === 'ERR_CANCELLED' || code.startsWith('ERR_WORKER')) return;
    // Requests of other clients say nothing about the model's worth for plans.
    if (kind === 'chat' && (isUnclear(code) || REFUSALS.has(code))) return;
    const share = this.share(model);
    setBounded(this.#shares, model, share + ((code === 'OK' ? 1 : 0) - share) / USE_MEMORY);
  }

  /** Whether a call may be made against its known times, which is allowed occasionally. A `true` counts as that call. */
  mayTry(model: string, kind: CallKind): boolean {
    const nowMs = this.#clock.now();
    const key = `${kind}\n${model}`;
    if (nowMs - (this.#triedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < TRY_EVERY_MS) return false;
    setBounded(this.#triedAtMs, key, nowMs);
    return true;
  }

  /** Whether no call of the kind was started for so long that its time is worth checking again. */
  isDueForCheck(model: string, kind: CallKind, everyMs: number = CHECK_EVERY_MS): boolean {
    return this.#clock.now() - (this.#beganAtMs.get(`${kind}\n${model}`) ?? 0) >= everyMs;
  }
}

function setBounded(map: Map<string, number>, key: string, value: number): void {
  if (map.size >= SEATS_MAX) map.clear();
  map.set(key, value);
}
