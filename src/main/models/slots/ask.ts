import type { CallKind } from '../time/latency-profile.ts';

/** The queue of a gate in which a call waits. */
export type Lane = 'foreground' | 'background';

/** The rank of a check within its reserve: before all plans, but not while the next of them has raised priority. */
export const RESERVED_RANK_MS: number = Number.NEGATIVE_INFINITY;

export interface Ask {
  /** Default `foreground`. */
  readonly lane?: Lane;
  /** Lower is served first, on the scale of the clock: usually a deadline. Default: after all that have one. */
  readonly rankMs?: number;
  /** Whether its plan has a raised priority. */
  readonly isRaised?: boolean;
  /** The model that would be chosen for the call now: the order may depend on what is in the server's memory. */
  readonly modelNow?: () => string;
  /** What the slot is needed for, which decides whether other calls should make room. Default: they should. */
  readonly need?: SlotNeed;
}

/** A call that needs a slot in order to end by its deadline. */
export interface SlotNeed {
  readonly model: string;
  readonly kind: CallKind;
  readonly deadlineMs: number;
}

export interface Slot {
  /** Number of running calls when this one started, itself included. */
  readonly inFlight: number;
  /** Whether the call is background work. */
  readonly isBackground: boolean;
  /** Cancels the call that has it; set by whoever makes one that can be cancelled. */
  cut?: (() => void) | undefined;
  /** Average number of running calls since this one started, itself included. */
  meanCompany(): number;
  /** Releases the slot after `holdMs`, immediately by default; further calls do nothing. */
  release(holdMs?: number): void;
  /** Makes the call background work: no plan waits for it any more, and it may have to make room. */
  toBackground(): void;
  /** A plan waits for the background call from now on: it makes no room any more. */
  toForeground(): void;
}

/** A waiting call, and since when it waits. */
export interface WaitingAsk {
  readonly ask: Ask;
  readonly sinceMs: number;
}

/** The waiting calls, in the order of their ranks. */
export interface WaitingAsks<T extends WaitingAsk> {
  readonly first: T | undefined;
  find(passes: (item: T) => boolean): T | undefined;
}

/** The waiting calls without those that have the rank of the reserve. */
export function unreserved<T extends WaitingAsk & { readonly rankMs: number }>(queue: WaitingAsks<T>): WaitingAsks<T> {
  const find = (passes: (item: T) => boolean): T | undefined =>
    queue.find((item) => item.rankMs !== RESERVED_RANK_MS && passes(item));
  return { first: find(() => true), find };
}

/** Decides which of the waiting calls may start, by the models they need. */
export interface GateTurns {
  mayBegin(ask: Ask): boolean;
  /** The waiting call that is served next; undefined if none can be. */
  next<T extends WaitingAsk>(queue: WaitingAsks<T>): T | undefined;
  began(ask: Ask, slot: Slot): void;
  ended(slot: Slot): void;
}

/** Calls start in the order of the queue. */
export const IN_ORDER: GateTurns = {
  mayBegin: () => true,
  next: (queue) => queue.first,
  began: () => {},
  ended: () => {},
};
