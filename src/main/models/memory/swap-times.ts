import type { CallReport } from '../../../shared/tasks.ts';

/**
 * Learns from the times of calls whether models evict one another: calls to the model used last start to answer soon, and calls
 * after other models all take seconds longer to their first token. The number of other models in between shows how many fit. Both
 * kinds of calls meet the same queues, so queues make no difference.
 */
export interface Visit {
  /** Number of other models called since this model was; undefined if it never answered, or too long ago. */
  readonly others: number;
  readonly isKnown: boolean;
  /** Whether the model has answered since it became the last one that was called. */
  readonly isWarm: boolean;
  readonly model: string;
  /** Number of times so far that a different model was called than before. */
  readonly turn: number;
}

/** How a call has ended. */
export interface CallShows {
  /** Whether its prompt is like those of others, and it did not queue in the server. */
  readonly isComparable: boolean;
  /** Whether the server failed it. */
  readonly isBroken: boolean;
}

/** What the end of a call shows. */
export type Finding =
  /** Models are evicted when more than `fits` are called in turn. */
  | { readonly kind: 'load'; readonly fits: number }
  /** Models may be evicted, but there is nothing to compare with. */
  | { readonly kind: 'suspected' }
  /** A model was in memory although others were called since. */
  | { readonly kind: 'there' };

/** Number of calls after other models, and after none, that are compared. */
const SWAPS = 6;
const WARM = 8;
const WARM_MIN = 4;
const SUSPICIOUS = 3;
const OTHERS_MAX = 8;
/** A load takes at least this much longer, and this many times as long, as most calls without one. */
const LOAD_MS_MIN = 1_000;
const LOAD_TIMES = 2;
const MOST = 0.75;
/** A model that was idle for longer may have been unloaded for that. */
const IDLE_MS_MAX = 240_000;
const MODELS_MAX = 64;

/** A call after other models. */
interface Swap {
  readonly ms: number;
  readonly others: number;
}

export class SwapTimes {
  /** Models that were called, latest last, and when. */
  readonly #order = new Map<string, number>();
  readonly #answered = new Set<string>();
  #isCurrentThere = false;
  #current = '';
  #turn = 0;
  readonly #warm: number[] = [];
  /** The latest calls after at least 1, 2, … other models. */
  readonly #swaps: Swap[][] = [];

  /** Usual time to the first token of a call without a load, in milliseconds; 0 while unknown. */
  get usualMs(): number {
    const sorted = this.#warm.toSorted((a, b) => a - b);
    return sorted[Math.ceil(MOST * sorted.length) - 1] ?? 0;
  }

  begins(model: string, nowMs: number): Visit {
    const askedAtMs = this.#order.get(model);
    const others = [...this.#order.keys()].reverse().indexOf(model);
    const isKnown = askedAtMs !== undefined && this.#answered.has(model) && nowMs - askedAtMs < IDLE_MS_MAX;
    const isWarm = model === this.#current && this.#isCurrentThere;
    if (model !== this.#current) {
      this.#isCurrentThere = false;
      this.#turn++;
    }
    this.#current = model;
    this.#order.delete(model);
    this.#order.set(model, nowMs);
    if (this.#order.size > MODELS_MAX) this.#order.delete(this.#order.keys().next().value as string);
    return { model, others, isKnown, isWarm, turn: this.#turn };
  }

  /** Records how a call ended; undefined if it shows nothing. A call that broke while another model was called may have ended with its model. */
  ended(
    { model, others, isKnown, isWarm, turn }: Visit,
    { firstTokenMs, totalMs }: CallReport,
    { isComparable, isBroken }: CallShows,
  ): Finding | undefined {
    if (isBroken) return turn === this.#turn ? undefined : this.#swapped(1, undefined, Number.POSITIVE_INFINITY);
    if (firstTokenMs !== undefined) {
      this.#answered.add(model);
      if (turn === this.#turn) this.#isCurrentThere = true;
    }
    if (!isComparable) return undefined;
    if (isWarm) return firstTokenMs === undefined ? undefined : this.#stayed(firstTokenMs);
    return isKnown && others > 0 ? this.#swapped(others, firstTokenMs, totalMs) : undefined;
  }

  /** Forgets the calls after other models. */
  forget(): void {
    this.#swaps.length = 0;
  }

  /** Whether all calls after other models took long so far, although they were answered: they may have waited for loads. */
  get isSuspicious(): boolean {
    const [all = []] = this.#swaps;
    return all.length >= SUSPICIOUS && all.every(({ ms }) => this.#isLong(ms));
  }

  #isLong(ms: number): boolean {
    return ms > LOAD_TIMES * this.usualMs + LOAD_MS_MIN;
  }

  #stayed(firstTokenMs: number): Finding | undefined {
    keep(this.#warm, firstTokenMs, WARM);
    // Compares only if this completes what is needed.
    return this.#warm.length === WARM_MIN ? this.#compared() : undefined;
  }

  #swapped(others: number, firstTokenMs: number | undefined, totalMs: number): Finding | undefined {
    const ms = firstTokenMs ?? totalMs;
    // A call cut before its first token shows something only if it had run long by then.
    if (firstTokenMs === undefined && !this.#isLong(ms)) return undefined;
    for (let least = 0; least < Math.min(others, OTHERS_MAX); least++) {
      this.#swaps[least] ??= [];
      keep(this.#swaps[least] as Swap[], { ms, others }, SWAPS);
    }
    if (this.#warm.length >= WARM_MIN && !this.#isLong(ms)) return { kind: 'there' };
    const found = this.#compared();
    return found?.kind === 'there' ? undefined : found;
  }

  #compared(): Finding | undefined {
    const isFull = (swaps: readonly Swap[]): boolean => swaps.length === SWAPS;
    const long = this.#swaps.find((swaps) => isFull(swaps) && swaps.every(({ ms }) => this.#isLong(ms)));
    const isKnown = this.#warm.length >= WARM_MIN;
    const fits = long === undefined ? 0 : Math.min(...long.map(({ others }) => others));
    if (fits > 0) return isKnown ? { kind: 'load', fits } : { kind: 'suspected' };
    return isKnown && this.#swaps.some(isFull) ? { kind: 'there' } : undefined;
  }
}

function keep<T>(times: T[], time: T, most: number): void {
  times.push(time);
  if (times.length > most) times.shift();
}
