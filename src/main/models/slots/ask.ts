import type { CallKind } from '../time/latency-profile.ts';

/** What is asked of the gate of an endpoint, and what it gives. */
export type Lane = 'foreground' | 'background';

export interface Ask {
  /** Default `foreground`. */
  readonly lane?: Lane;
  /** Lower is served first, on the scale of the clock: a deadline, as a rule. Default: after all that have one. */
  readonly rankMs?: number;
  /** The model that is asked with it, as it would be chosen now: whose turn it is may depend on what is in the server's memory. */
  readonly modelNow?: () => string;
  /** What the slot is needed for, so that it can be seen whether others should make room. Default: they should. */
  readonly need?: SlotNeed;
}

/** A call that needs a slot in order to end by its deadline. */
export interface SlotNeed {
  readonly model: string;
  readonly kind: CallKind;
  readonly deadlineMs: number;
}

export interface Slot {
  /** Calls at work when this one was let in, itself included. */
  readonly inFlight: number;
  /** Whether nobody waits for its call. */
  readonly isBackground: boolean;
  /** Calls at work since this one was let in, on average, itself included. */
  meanCompany(): number;
  /** Gives the slot back after `holdMs`, at once by default; more than once does nothing. */
  release(holdMs?: number): void;
  /** From now on it is one of the background: nobody waits for its call any more, and it may have to make room. */
  toBackground(): void;
}

/** Somebody who waits, and since when. */
export interface WaitingAsk {
  readonly ask: Ask;
  readonly sinceMs: number;
}

/** Those who wait, in the order of their ranks. */
export interface WaitingAsks<T extends WaitingAsk> {
  readonly first: T | undefined;
  find(passes: (item: T) => boolean): T | undefined;
}

/** Says which of those who wait may begin, by the models they ask. */
export interface GateTurns {
  mayBegin(ask: Ask): boolean;
  /** Of those who wait, the one who is served next; undefined where nobody is. */
  next<T extends WaitingAsk>(queue: WaitingAsks<T>): T | undefined;
  began(ask: Ask, slot: Slot): void;
  ended(slot: Slot): void;
}
