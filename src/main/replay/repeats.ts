import { LRUCache } from 'lru-cache';

/** What an agent was recorded to do last. */
interface LastDone {
  readonly state: string;
  readonly action: string;
  /** How many times in a row, its state unchanged throughout. */
  readonly times: number;
}

/** How often a served answer repeats what its agent did just before, while nothing changed. */
export type Repeat = 'none' | 'second' | 'third';

/** Agents whose last action is remembered. */
const AGENTS_MAX = 1_000_000;

/** What each agent did last, by the trace alone: the cache's loop guard keeps its own memory, and is judged by this one. */
export class Repeats {
  readonly #agents: LRUCache<string, LastDone>;

  constructor(agentsMax = AGENTS_MAX) {
    this.#agents = new LRUCache({ max: agentsMax });
  }

  /** Whether an answer repeats the agent's last action in an unchanged state, and whether it did even that twice. */
  of(agent: string, state: string, action: string): Repeat {
    const last = this.#agents.get(agent);
    if (last === undefined || last.state !== state || last.action !== action) return 'none';
    return last.times >= 2 ? 'third' : 'second';
  }

  /** The agent was in this state and did this; undefined where the trace does not tell what. */
  done(agent: string, state: string, action: string | undefined): void {
    const last = this.#agents.get(agent);
    if (action === undefined) {
      if (last !== undefined && last.state !== state) this.#agents.delete(agent);
      return;
    }
    const isSame = last !== undefined && last.state === state && last.action === action;
    this.#agents.set(agent, { state, action, times: isSame ? last.times + 1 : 1 });
  }
}
