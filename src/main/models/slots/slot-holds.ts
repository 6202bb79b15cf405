import type { Clock, Timer } from '../../../shared/clock.ts';
import { HOLD_MS_MAX } from './slot-hold.ts';
import type { TakenSlot } from './taken-slot.ts';

/** A slot whose aborted call is probably still being worked on. */
interface Hold {
  readonly sinceMs: number;
  untilMs: number;
  timer: Timer;
}

/** While the server shows that it continues to work, holds are checked again after this time. */
const HOLD_ON_MS = 100;

/** The slots of a gate whose calls were aborted: each stays taken while its server is believed to work on. */
export class SlotHolds {
  readonly #clock: Clock;
  readonly #free: (slot: TakenSlot) => void;
  readonly #isHeldOn: () => boolean;
  readonly #holds = new Map<TakenSlot, Hold>();

  /** `free` is called when a hold ends; `isHeldOn`: whether the server is known to continue with aborted calls. */
  constructor(clock: Clock, free: (slot: TakenSlot) => void, isHeldOn: () => boolean) {
    this.#clock = clock;
    this.#free = free;
    this.#isHeldOn = isHeldOn;
  }

  get size(): number {
    return this.#holds.size;
  }

  /** Estimated time until each slot is free, in milliseconds. */
  get leftMs(): readonly number[] {
    const nowMs = this.#clock.now();
    return [...this.#holds.values()].map(({ untilMs }) => untilMs - nowMs);
  }

  add(slot: TakenSlot, holdMs: number): void {
    const sinceMs = this.#clock.now();
    const hold: Hold = { sinceMs, untilMs: sinceMs + holdMs, timer: this.#clock.setTimer(holdMs, () => onEnd()) };
    const onEnd = (): void => {
      const nowMs = this.#clock.now();
      if (this.#isHeldOn() && nowMs - hold.sinceMs < HOLD_MS_MAX) {
        hold.untilMs = nowMs + HOLD_ON_MS;
        hold.timer = this.#clock.setTimer(HOLD_ON_MS, onEnd);
        return;
      }
      this.#holds.delete(slot);
      this.#free(slot);
    };
    this.#holds.set(slot, hold);
  }

  /** Ends all holds. */
  freeAll(): void {
    for (const slot of this.drop()) this.#free(slot);
  }

  /** Forgets all holds. Returns their slots. */
  drop(): readonly TakenSlot[] {
    const slots = [...this.#holds.keys()];
    for (const { timer } of this.#holds.values()) timer.cancel();
    this.#holds.clear();
    return slots;
  }
}
