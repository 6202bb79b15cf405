import type { Slot } from './ask.ts';

/** What a gate does when one of its slots changes. */
export interface SlotOwner {
  now(): number;
  /** Busy slots times milliseconds until now. */
  worked(): number;
  released(slot: TakenSlot, holdMs: number): void;
  movedLane(slot: TakenSlot): void;
}

/** A slot of a gate while a call has it. */
export class TakenSlot implements Slot {
  readonly inFlight: number;
  /** When its call ends at the latest; infinite if that is not known. */
  readonly endsAtMs: number;
  readonly startedAtMs: number;
  cut: (() => void) | undefined;
  readonly #owner: SlotOwner;
  readonly #workedBefore: number;
  /** Running calls of other nodes when it started. */
  readonly #others: number;
  #isBackground: boolean;
  #isHeld = true;

  constructor(owner: SlotOwner, own: number, others: number, isBackground: boolean, endsAtMs: number) {
    this.#owner = owner;
    this.inFlight = own + others;
    this.#others = others;
    this.#isBackground = isBackground;
    this.endsAtMs = endsAtMs;
    this.startedAtMs = owner.now();
    this.#workedBefore = owner.worked();
  }

  get isBackground(): boolean {
    return this.#isBackground;
  }

  /** Whether its call has not released it. */
  get isRunning(): boolean {
    return this.#isHeld;
  }

  meanCompany(): number {
    const ms = this.#owner.now() - this.startedAtMs;
    return ms <= 0 ? this.inFlight : (this.#owner.worked() - this.#workedBefore) / ms + this.#others;
  }

  release(holdMs = 0): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#isBackground = false;
    this.#owner.released(this, holdMs);
  }

  toBackground(): void {
    this.#moveTo(true);
  }

  toForeground(): void {
    this.#moveTo(false);
  }

  #moveTo(isBackground: boolean): void {
    if (!this.#isHeld) return;
    this.#isBackground = isBackground;
    this.#owner.movedLane(this);
  }
}
