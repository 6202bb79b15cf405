import { LRUCache } from 'lru-cache';

/** The last recorded action of an agent. */
interface LastDone {
  readonly state: string;
  readonly action: string;
  /** How many times in a row, in an unchanged state. */
  readonly times: number;
}

/** How often a served answer repeats what its agent did just before, while nothing changed. */
type Repeat = 'none' | 'second' | 'third';

/** Maximum number of agents whose last action is remembered. */
const AGENTS_MAX = 1_000_000;

/** Each agent's last action, according to the trace alone: the cache's loop guard, which is judged by this, has its own memory. */
export class Repeats {
  readonly #agents: LRUCache<string, LastDone>;

  constructor(agentsMax = AGENTS_MAX) {
    this.#agents = new LRUCache({ max: agentsMax });
  }

  /** Returns whether an answer repeats the agent's last action in an unchanged state, or its last two. */
  of(agent: string, state: string, action: string): Repeat {
    const last = this.#agents.get(agent);
    if (last === undefined || last.state !== state || last.action !== action) return 'none';
    return last.times >= 2 ? 'third' : 'second';
  }

  /** Records what the agent did in a state; undefined if the trace does not say. */
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
