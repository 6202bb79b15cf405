import { LRUCache } from 'lru-cache';
import type { Clock } from '../../shared/clock.ts';

/**
 * Who is served first where plans wait. All plans stand in one order, that of their deadlines (earliest deadline first), with
 * two changes: urgent scenes move ahead by a share of their time, and an agent that had more of the slots lately than others
 * moves back. Neither is absolute: what waits long enough is served before newer urgent work, and nobody is shut out.
 *
 * The share of an agent fades with time (decay-usage scheduling, as in Unix since 4.3BSD).
 */
const HALF_LIFE_MS = 30_000;
/** Each point of priority moves a plan ahead by this share of its time, up to all of it. */
const PRIORITY_SHARE = 0.25;
/** For each call of its agent lately, a plan moves back by this share of its time. */
const SERVED_SHARE = 0.2;
const AGENTS_MAX = 10_000;

interface Share {
  served: number;
  atMs: number;
}

export class FairShare {
  readonly #clock: Clock;
  readonly #shares = new LRUCache<string, Share>({ max: AGENTS_MAX });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call of the agent was let in. */
  served(agent: string): void {
    const share: Share = { served: this.servedLately(agent) + 1, atMs: this.#clock.now() };
    this.#shares.set(agent, share);
  }

  /** Calls that were let in, those of half a minute ago counting half. */
  servedLately(agent: string): number {
    const share = this.#shares.get(agent);
    if (share === undefined) return 0;
    return share.served * 0.5 ** ((this.#clock.now() - share.atMs) / HALF_LIFE_MS);
  }

  /** Its place in the order: lower is served first. A plan that nobody competes with stands at its deadline. */
  rankMs(agent: string, priority: number, startedAtMs: number, deadlineMs: number): number {
    const timeMs = deadlineMs - startedAtMs;
    const ahead = Math.min(1, priority * PRIORITY_SHARE);
    return deadlineMs + timeMs * (SERVED_SHARE * this.servedLately(agent) - ahead);
  }
}
