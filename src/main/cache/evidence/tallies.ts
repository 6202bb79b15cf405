import { LRUCache } from 'lru-cache';

/** How often each action was decided in one context, and which one has been decided in a row of late. */
export interface ContextTally {
  /** All that was decided here, also of actions that are no longer kept. */
  total: number;
  readonly actions: string[];
  readonly counts: number[];
  /** The action decided last, and how many times in a row. */
  latest: string;
  inARow: number;
}

/** More different actions of one context are not told apart: the rarest gives way. */
const ACTIONS_MAX = 16;

/** The tallies of contexts by name. Bounded: the contexts used last are kept. */
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
