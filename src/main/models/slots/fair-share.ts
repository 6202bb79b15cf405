import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';

/**
 * The order in which waiting plans are served: by deadline (earliest deadline first), with three changes. Urgent scenes move
 * ahead by a share of the plan's time. An agent that recently had more of the slots than others moves back; its share fades with
 * time (decay-usage scheduling, as in Unix since 4.3BSD). And an agent whose plans found no model moves ahead by all the time
 * since the first of them: if there is work for many times the slots, the agent that has waited longest for a model's decision is
 * next, and agents take turns. None of the changes is absolute, so no agent is shut out.
 *
 * If agents wait longer for a decision than a plan has time, urgency counts in shares of that wait. It would have no effect
 * otherwise.
 */
const HALF_LIFE_MS = 30_000;
/** Each point of priority moves a plan ahead by this share of its time, up to all of it. */
const PRIORITY_SHARE = 0.25;
/** Each recent call of its agent moves a plan back by this share of its time. */
const SERVED_SHARE = 0.2;
/** Minimum number of agents that are remembered, whatever `maxInFlight` is; otherwise at least twice the plans in flight. */
const AGENTS_MIN = 10_000;
/** Weight of the latest decision in the usual wait for one. */
const WAIT_WEIGHT = 0.05;

interface Share {
  served: number;
  atMs: number;
  /** When the first of its plans that no model has decided was requested; undefined if there is none. */
  waitsSinceMs: number | undefined;
  /** Number of its plans that a model works on: their decisions are on the way. */
  atWork: number;
}

export interface FairShareSettings {
  /** Whether agents move ahead by the time they have waited for a decision. Default true. */
  readonly takeTurns?: boolean;
  /** Maximum plans in flight at once. Default 0. */
  readonly maxInFlight?: number;
}

/** What `stats()` reports about the turns that agents take. */
export interface TurnStats {
  /** Number of agents whose latest plan no model has decided. */
  readonly waitingAgents: number;
  /** Recent time that agents wait for a model's decision, from the first plan that asks for one, in milliseconds. */
  readonly usualWaitMs: number;
  /** Number of plans that moved ahead because earlier plans of their agent had found no model. */
  readonly movedAhead: number;
}

/** What plans need of the shares. */
export type AgentShares = Pick<FairShare, 'asked' | 'decided' | 'working' | 'served' | 'waitedMs' | 'rankMs' | 'stats'>;

/** The agents of one of several domains: of equal names in two domains, each has its own share. */
export function sharesOfDomain(shares: FairShare, domain: string): AgentShares {
  const named = (agent: string): string => `${domain}\n${agent}`;
  return {
    asked: (agent) => shares.asked(named(agent)),
    decided: (agent) => shares.decided(named(agent)),
    working: (agent) => shares.working(named(agent)),
    served: (agent, callShare) => shares.served(named(agent), callShare),
    waitedMs: (agent) => shares.waitedMs(named(agent)),
    rankMs: (agent, ...rest) => shares.rankMs(named(agent), ...rest),
    stats: () => shares.stats(),
  };
}

export class FairShare {
  readonly #clock: Clock;
  readonly #takesTurns: boolean;
  readonly #shares: LRUCache<string, Share>;
  #usualWaitMs = 0;
  #waitingAgents = 0;
  #movedAhead = 0;

  constructor(clock: Clock, { takeTurns = true, maxInFlight = 0 }: FairShareSettings = {}) {
    this.#clock = clock;
    this.#takesTurns = takeTurns;
    this.#shares = new LRUCache({
      max: Math.max(AGENTS_MIN, 2 * maxInFlight),
      dispose: ({ waitsSinceMs }) => {
        if (waitsSinceMs !== undefined) this.#waitingAgents--;
      },
      noDisposeOnSet: true,
    });
  }

  /** A plan of the agent needs models. */
  asked(agent: string): void {
    const share = this.#shareOf(agent);
    if (share.waitsSinceMs !== undefined) return;
    share.waitsSinceMs = this.#clock.now();
    this.#waitingAgents++;
  }

  /** A model has decided a plan of the agent. */
  decided(agent: string): void {
    const share = this.#shares.get(agent);
    if (share?.waitsSinceMs === undefined) return;
    this.#usualWaitMs += WAIT_WEIGHT * (this.#clock.now() - share.waitsSinceMs - this.#usualWaitMs);
    share.waitsSinceMs = undefined;
    this.#waitingAgents--;
  }

  /**
   * Marks a plan of the agent as worked on by models until the returned function is called: meanwhile its other plans are ranked
   * as if it had not waited.
   */
  working(agent: string): () => void {
    const share = this.#shareOf(agent);
    share.atWork++;
    let isOver = false;
    return () => {
      if (!isOver) share.atWork--;
      isOver = true;
    };
  }

  /** A call of the agent was started, which occupies a slot for this share of the time of a written call. */
  served(agent: string, callShare = 1): void {
    const share = this.#shareOf(agent);
    share.served = this.servedLately(agent) + callShare;
    share.atMs = this.#clock.now();
  }

  /** Number of calls started; those of half a minute ago count half. */
  servedLately(agent: string): number {
    const share = this.#shares.get(agent);
    if (share === undefined) return 0;
    return share.served * 0.5 ** ((this.#clock.now() - share.atMs) / HALF_LIFE_MS);
  }

  /** How long the agent has waited for a model's decision, in milliseconds: a plan that starts now moves ahead by that. */
  waitedMs(agent: string): number {
    const share = this.#takesTurns ? this.#shares.get(agent) : undefined;
    if (share?.waitsSinceMs === undefined || share.atWork > 0) return 0;
    const waitedMs = this.#clock.now() - share.waitsSinceMs;
    if (waitedMs > 0) this.#movedAhead++;
    return waitedMs;
  }

  /**
   * The place in the order: lower is served first. Without competition it equals the deadline. `waitedMs` is how long the agent
   * had waited when the plan started.
   */
  rankMs(agent: string, priority: number, startedAtMs: number, deadlineMs: number, waitedMs = 0): number {
    const timeMs = deadlineMs - startedAtMs;
    const ahead = Math.min(1, priority * PRIORITY_SHARE) * Math.max(timeMs, this.#takesTurns ? this.#usualWaitMs : 0);
    const behind = timeMs * SERVED_SHARE * this.servedLately(agent);
    return deadlineMs + behind - ahead - waitedMs;
  }

  stats(): TurnStats {
    return {
      waitingAgents: this.#waitingAgents,
      usualWaitMs: Math.round(this.#usualWaitMs),
      movedAhead: this.#movedAhead,
    };
  }

  #shareOf(agent: string): Share {
    const known = this.#shares.get(agent);
    if (known !== undefined) return known;
    const share: Share = { served: 0, atMs: this.#clock.now(), waitsSinceMs: undefined, atWork: 0 };
    this.#shares.set(agent, share);
    return share;
  }
}
