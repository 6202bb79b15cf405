import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import { DecayedRate } from '../../measure/decayed-rate.ts';

const AGENTS_MAX = 10_000;
const MEMORY_MS = 20_000;

/** How often plans need models. */
export function askRate(): DecayedRate {
  return new DecayedRate(MEMORY_MS);
}

/** What is known of an agent that is watched. */
interface Asker {
  readonly rate: DecayedRate;
  /** The time that its latest plan had; undefined before its first one. */
  timeMs: number | undefined;
}

/** Whose plans need models of late, and how long they may take. An agent is watched from the first future on that is told of it. */
export class AskShares {
  readonly #clock: Clock;
  readonly #all: DecayedRate;
  readonly #ahead = new DecayedRate(MEMORY_MS);
  readonly #agents = new LRUCache<string, Asker>({ max: AGENTS_MAX });

  /** `all`: the plans of all domains, if there are several. */
  constructor(clock: Clock, all = askRate()) {
    this.#clock = clock;
    this.#all = all;
  }

  watch(agent: string): void {
    if (!this.#agents.has(agent)) this.#agents.set(agent, { rate: new DecayedRate(MEMORY_MS), timeMs: undefined });
  }

  /** A plan of the agent, which may take `timeMs`, is not answered from the cache. */
  add(agent: string, timeMs: number): void {
    const nowMs = this.#clock.now();
    this.#all.add(nowMs);
    const asker = this.#agents.get(agent);
    if (asker === undefined) return;
    asker.rate.add(nowMs);
    asker.timeMs = timeMs;
  }

  /** Models are asked about a future. */
  addAhead(): void {
    this.#ahead.add(this.#clock.now());
  }

  /** The number of futures asked of late for each plan that is not answered from the cache, at least 1. */
  get aheadPerPlan(): number {
    const nowMs = this.#clock.now();
    return Math.max(1, this.#ahead.perMs(nowMs) / this.#all.perMs(nowMs) || 0);
  }

  /** The time that plans of the agent have; undefined if it is not known. */
  timeMs(agent: string): number | undefined {
    return this.#agents.peek(agent)?.timeMs;
  }

  /** The share of other agents in all plans that are not answered from the cache, from 0 to 1. */
  othersShare(agent: string): number {
    const nowMs = this.#clock.now();
    const all = this.#all.perMs(nowMs);
    const own = this.#agents.get(agent)?.rate.perMs(nowMs) ?? 0;
    return all === 0 ? 0 : Math.max(0, 1 - own / all);
  }
}
