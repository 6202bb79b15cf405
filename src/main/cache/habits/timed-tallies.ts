import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import type { ContextTally } from '../evidence/tallies.ts';
import { areAll, areNumbers, areTexts, inChunks } from '../learned/learned-part.ts';

/** Maximum number of decisions kept for a context. The oldest is dropped. */
const OBSERVED_MAX = 24;
/** Number of contexts that are saved in one value. */
const SAVED_AT_ONCE = 100;

interface Observed {
  readonly action: string;
  readonly atMs: number;
}

export interface TimedTally extends ContextTally {
  /** When the newest of its decisions was made. */
  readonly newestMs: number;
}

/** A context as it is saved: its latest decisions, and when each was made, by the wall clock. */
type SavedContext = readonly [context: string, actions: readonly string[], wallMs: readonly number[]];

/**
 * The latest decisions by context name, each with its time: it counts until it is `lifeMs` old. Bounded: the most recently used
 * `contextsMax` contexts are kept, and 24 decisions of each.
 */
export class TimedTallies {
  readonly #contextsMax: number;
  readonly #lifeMs: number;
  #contexts: LRUCache<string, Observed[]>;

  constructor(contextsMax: number, lifeMs: number) {
    this.#contextsMax = contextsMax;
    this.#lifeMs = lifeMs;
    this.#contexts = new LRUCache({ max: contextsMax });
  }

  add(context: string, action: string, atMs: number): void {
    const observed = this.#contexts.get(context);
    if (observed === undefined) {
      this.#contexts.set(context, [{ action, atMs }]);
      return;
    }
    observed.push({ action, atMs });
    if (observed.length > OBSERVED_MAX) observed.shift();
  }

  /** Counts what was decided in a context for one of these actions and still counts. Undefined if nothing was. */
  get(context: string, actions: readonly string[], nowMs: number): TimedTally | undefined {
    const observed = this.#contexts.get(context);
    const counting = observed?.filter(({ action, atMs }) => nowMs - atMs < this.#lifeMs && actions.includes(action));
    return counting === undefined || counting.length === 0 ? undefined : tallyOf(counting);
  }

  /** The contexts in chunks, the one used longest ago first. */
  *saved(clock: Clock): Generator<SavedContext[]> {
    const toWallMs = clock.wallNow() - clock.now();
    for (const chunk of inChunks([...this.#contexts.entries()].reverse() as [string, Observed[]][], SAVED_AT_ONCE)) {
      yield chunk.map(([context, observed]) => [
        context,
        observed.map(({ action }) => action),
        observed.map(({ atMs }) => atMs + toWallMs),
      ]);
    }
  }

  /** Adds the contexts of a chunk of an earlier process. Returns false if it is none. A decision of the future does not count. */
  restore(chunk: unknown, clock: Clock): boolean {
    if (!areAll(chunk, isSavedContext)) return false;
    const wallNowMs = clock.wallNow();
    const toWallMs = wallNowMs - clock.now();
    for (const [context, actions, wallMs] of chunk) {
      const observed = actions.map((action, i) => ({ action, atMs: (wallMs[i] as number) - toWallMs }));
      const past = observed.filter(({ atMs }) => atMs + toWallMs <= wallNowMs).slice(-OBSERVED_MAX);
      if (past.length > 0) this.#contexts.set(context, past);
    }
    return true;
  }

  /** Starts with a new list: to empty the old one takes several times longer. */
  clear(): void {
    this.#contexts = new LRUCache({ max: this.#contextsMax });
  }
}

function tallyOf(observed: readonly Observed[]): TimedTally {
  const counts = new Map<string, number>();
  let latest = '';
  let inARow = 0;
  for (const { action } of observed) {
    counts.set(action, (counts.get(action) ?? 0) + 1);
    inARow = action === latest ? inARow + 1 : 1;
    latest = action;
  }
  const newestMs = observed.at(-1)?.atMs ?? 0;
  return {
    total: observed.length,
    actions: [...counts.keys()],
    counts: [...counts.values()],
    latest,
    inARow,
    newestMs,
  };
}

function isSavedContext(value: unknown): value is SavedContext {
  if (!Array.isArray(value) || value.length !== 3 || typeof value[0] !== 'string') return false;
  return areTexts(value[1]) && areNumbers(value[2], value[1].length);
}
