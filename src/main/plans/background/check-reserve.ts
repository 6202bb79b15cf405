/**
 * The share of the models' time that checks may use although plans wait for it. Every millisecond that a slot is busy credits that
 * share of a millisecond, so checks take no more of a busy server than of an idle one, however many slots it has. A check starts
 * once there is credit for the time that checks usually take, and may take as long as nearly all of them do: what it takes in excess
 * of the credit is owed. Most checks only read, and some write, which takes many times as long. Checks gather where the model is that is read
 * best, so each server has a credit of its own too: none starts while one of them is owed more than its share of the time, unless
 * no call starts there: a server that is out earns nothing, and checks go to the others.
 *
 * A check that starts at idle servers takes no slot from plans. But where calls slow one another it slows those that start beside it, and they
 * the next: so the time that it has company uses up the credit as well. It needs none in hand, and starts unless time is owed.
 */

/** Assumed time of the first check. */
const FIRST_MS = 1_000;
/** A check may take this many times the usual time before it is no longer covered, or that many deviations more than it. */
const MARGIN = 1.5;
const DEVIATIONS = 3;
/** At most the time of this many checks is saved up. */
const SAVED_MAX = 8;
/** Weight of the latest check in the usual time. */
const WEIGHT = 0.2;
/** A check that was cut short would have taken at least this many times as long. */
const CUT_FACTOR = 1.5;

/** One of the servers at which checks are made. */
export interface ReserveServer {
  /** Busy slots times milliseconds since the start. */
  readonly workedMs: () => number;
  /** Whether no call starts there. */
  readonly isOut: () => boolean;
  /** Whether calls there slow one another. */
  readonly areSlowed: () => boolean;
}

export class CheckReserve {
  readonly share: number;
  /** Checks that run within it now, of all domains. */
  running = 0;
  readonly #all: Credit;
  readonly #servers: ReadonlyMap<string, ReserveServer & { readonly credit: Credit }>;
  #usualMs: number | undefined;
  /** Mean of the squared deviations from the usual time. */
  #variance = 0;

  /** `servers`: all model servers, by name. */
  constructor(share: number, servers: ReadonlyMap<string, ReserveServer>) {
    this.share = share;
    const workedMs = (): number => [...servers.values()].reduce((sum, server) => sum + server.workedMs(), 0);
    this.#all = new Credit(share, workedMs);
    const credited = [...servers].map(([name, server]) => {
      return [name, { ...server, credit: new Credit(share, server.workedMs) }] as const;
    });
    this.#servers = new Map(credited);
  }

  /** Whether the credit covers one more check. */
  get covers(): boolean {
    return !this.isOwed && this.#all.grow(this.#savedMs) >= this.#expectedMs;
  }

  /** Whether checks have cost more than their share of the time of all servers, or of one that is not out. */
  get isOwed(): boolean {
    let isOwed = this.#all.grow(this.#savedMs) < 0;
    for (const { credit, isOut } of this.#servers.values())
      if (credit.grow(this.#savedMs) < 0 && !isOut()) isOwed = true;
    return isOwed;
  }

  /** Sets time aside for a check. Returns how much, in milliseconds. */
  take(): number {
    const takenMs = Math.max(MARGIN * this.#expectedMs, this.#expectedMs + DEVIATIONS * Math.sqrt(this.#variance));
    this.#all.use(takenMs);
    return takenMs;
  }

  /**
   * A check has ended, for which `takenMs` were set aside. It had slots for `usedMs`, `reservedMs` of which did not yield: calls that run
   * at once use up more time than passes. `usedAt`: how much of that it had at each server.
   */
  settle(
    takenMs: number,
    usedMs: number,
    isDone: boolean,
    reservedMs = usedMs,
    usedAt: ReadonlyMap<string, number> = new Map(),
  ): void {
    if (takenMs > 0) {
      this.#all.use(reservedMs - takenMs);
      const part = reservedMs / Math.max(1, usedMs);
      for (const [name, ms] of usedAt) this.#servers.get(name)?.credit.use(part * ms);
    }
    // Another node had the answer.
    if (isDone && usedMs === 0) return;
    const usualMs = this.#usualMs ?? usedMs;
    const excessMs = usedMs - usualMs;
    this.#usualMs = isDone ? usualMs + WEIGHT * excessMs : Math.max(this.#expectedMs, CUT_FACTOR * usedMs);
    if (!isDone) return;
    this.#variance = (1 - WEIGHT) * (this.#variance + WEIGHT * excessMs ** 2);
  }

  /** A check starts at idle servers. Call the result when it has ended, with the time that it had slots at each server. */
  besidePlans(): (usedAt: ReadonlyMap<string, number>) => void {
    const before = new Map([...this.#servers].map(([name, { workedMs }]) => [name, workedMs()]));
    return (usedAt) => {
      for (const [name, ms] of usedAt) {
        const server = this.#servers.get(name);
        if (server === undefined) continue;
        const othersMs = Math.max(0, server.workedMs() - (before.get(name) as number) - ms);
        const besideMs = server.areSlowed() ? Math.min(ms, othersMs) : 0;
        for (const credit of [this.#all, server.credit]) credit.use(besideMs);
      }
    };
  }

  get #savedMs(): number {
    return SAVED_MAX * this.#expectedMs;
  }

  get #expectedMs(): number {
    return Math.max(1, this.#usualMs ?? FIRST_MS);
  }
}

/** A share of the time that slots are busy, less what was used of it. */
class Credit {
  readonly #share: number;
  readonly #workedMs: () => number;
  #seenMs: number;
  #ms = 0;

  constructor(share: number, workedMs: () => number) {
    this.#share = share;
    this.#workedMs = workedMs;
    this.#seenMs = workedMs();
  }

  /** Adds what was earned since the last time, up to `savedMs`. Returns the credit, below 0 if something is owed. */
  grow(savedMs: number): number {
    const workedMs = this.#workedMs();
    this.#ms = Math.min(savedMs, this.#ms + this.#share * (workedMs - this.#seenMs));
    this.#seenMs = workedMs;
    return this.#ms;
  }

  use(ms: number): void {
    this.#ms -= ms;
  }
}
