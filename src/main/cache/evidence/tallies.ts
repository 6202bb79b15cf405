import { LRUCache } from 'lru-cache';

/** How often each action was decided in one context, and which one was decided in a row most recently. */
export interface ContextTally {
  /** All decisions here, including those for actions that are no longer kept. */
  total: number;
  readonly actions: string[];
  readonly counts: number[];
  /** The action decided last, and how many times in a row. */
  latest: string;
  inARow: number;
}

/** This many equal answers in a row halve an older majority: models may have changed their mind. */
const TURNED_AFTER = 2;

/** Maximum number of different actions kept for a context. Beyond it, the rarest is dropped. */
const ACTIONS_MAX = 16;

/** Tallies by context name. Bounded: the most recently used contexts are kept. */
export class Tallies {
  readonly #contexts: LRUCache<string, ContextTally>;

  constructor(contextsMax: number) {
    this.#contexts = new LRUCache({ max: contextsMax });
  }

  get(context: string): ContextTally | undefined {
    return this.#contexts.get(context);
  }

  add(context: string, action: string): void {
    const tally = this.#contexts.get(context);
    if (tally === undefined) {
      this.#contexts.set(context, { total: 1, actions: [action], counts: [1], latest: action, inARow: 1 });
      return;
    }
    tally.total++;
    tally.inARow = tally.latest === action ? tally.inARow + 1 : 1;
    tally.latest = action;
    if (tally.inARow >= TURNED_AFTER && countOf(tally, action) < tally.total / 2) halveOlder(tally);
    const at = tally.actions.indexOf(action);
    if (at >= 0) {
      (tally.counts[at] as number)++;
      return;
    }
    if (tally.actions.length < ACTIONS_MAX) {
      tally.actions.push(action);
      tally.counts.push(1);
      return;
    }
    const rarest = tally.counts.indexOf(Math.min(...tally.counts));
    tally.actions[rarest] = action;
    tally.counts[rarest] = 1;
  }

  clear(): void {
    this.#contexts.clear();
  }
}

export function countOf(tally: ContextTally, action: string): number {
  const at = tally.actions.indexOf(action);
  return at < 0 ? 0 : (tally.counts[at] as number);
}

/** Halves the counts of all actions but the latest. */
function halveOlder(tally: ContextTally): void {
  for (let i = 0; i < tally.counts.length; i++) {
    if (tally.actions[i] === tally.latest) continue;
    tally.counts[i] = (tally.counts[i] as number) / 2;
    tally.total -= tally.counts[i] as number;
  }
}
