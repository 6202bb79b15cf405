import { LRUCache } from 'lru-cache';

/** A guess that waits for the request that it is about. */
export interface OpenGuess {
  /** The text of the signature of the foreseen state. */
  readonly key: string;
}

/** The guesses that are not judged yet, by agent and by the number of requests until the one that they are about. */
export class OpenGuesses<G extends OpenGuess> {
  readonly #agents: LRUCache<string, ReadonlyMap<number, readonly G[]>>;

  constructor(agentsMax: number) {
    this.#agents = new LRUCache({ max: agentsMax });
  }

  /** Replaces the guesses about the request that is this many requests ahead. */
  set(agent: string, horizon: number, guesses: readonly G[]): void {
    this.#agents.set(agent, new Map(this.#agents.get(agent)).set(horizon, guesses));
  }

  /** An agent makes a request. Returns the guesses about it, and moves the others one request nearer. */
  came(agent: string): readonly G[] {
    const open = this.#agents.get(agent);
    if (open === undefined) return [];
    const nearer = [...open].filter(([left]) => left > 1).map(([left, guesses]) => [left - 1, guesses] as const);
    this.#agents.set(agent, new Map(nearer));
    return open.get(1) ?? [];
  }

  forget(agent: string): void {
    this.#agents.delete(agent);
  }
}
