import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import { DecayedRate } from '../../measure/decayed-rate.ts';

const AGENTS_MAX = 10_000;
const MEMORY_MS = 20_000;

/** How often plans need models. */
export function askRate(): DecayedRate {
  return new DecayedRate(MEMORY_MS);
}

/** Whose plans need models of late. An agent is watched from the first future on that is told of it. */
export class AskShares {
  readonly #clock: Clock;
  readonly #all: DecayedRate;
  readonly #agents = new LRUCache<string, DecayedRate>({ max: AGENTS_MAX });

  /** `all`: the plans of all domains, if there are several. */
  constructor(clock: Clock, all = askRate()) {
    this.#clock = clock;
    this.#all = all;
  }

  watch(agent: string): void {
    if (!this.#agents.has(agent)) this.#agents.set(agent, new DecayedRate(MEMORY_MS));
  }

  /** A plan of the agent is not answered from the cache. */
  add(agent: string): void {
    const nowMs = this.#clock.now();
    this.#all.add(nowMs);
    this.#agents.get(agent)?.add(nowMs);
  }

  /** The share of other agents in all plans that are not answered from the cache, from 0 to 1. */
  othersShare(agent: string): number {
    const nowMs = this.#clock.now();
    const all = this.#all.perMs(nowMs);
    const own = this.#agents.get(agent)?.perMs(nowMs) ?? 0;
    return all === 0 ? 0 : Math.max(0, 1 - own / all);
  }
}
