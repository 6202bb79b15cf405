import type { DiskTierStats } from './disk/disk-tier.ts';
import type { JudgeStats } from './evidence/hit-judge.ts';
import type { FalseHitStats } from './false-hits.ts';
import type { SceneTtl } from './freshness/adaptive-ttl.ts';
import type { SceneEntries } from './scene-occupancy.ts';
import type { StandingStats } from './standing/tier-standing.ts';

/** The resolved options of the cache. */
export interface ResolvedCache {
  readonly entries: number;
  readonly ttl: 'fixed' | 'adaptive';
  /** How long a decision is fresh. An adaptive TTL starts with it. */
  readonly ttlMs: number;
  readonly ttlMinMs: number;
  readonly ttlMaxMs: number;
  readonly similar: { readonly distanceMax: number; readonly confirmedMax: number } | false;
  /** Share of hits that are asked again in the background, as checks. */
  readonly checkShare: number;
  /** Share of the models' time within which checks do not give way. */
  readonly checkReserve: number;
  readonly errorBudget: number | false;
  /** Whether habits may serve. Only with an error budget. */
  readonly habit: boolean;
  readonly loopGuard: boolean;
  readonly cycleGuard: boolean;
  /** `earned`: a tier serves only once it has earned trust. An error budget overrides it. */
  readonly trust: 'earned' | 'always';
  /** Lowest relative Q-value, from the worst (0) to the best (1), at which a remembered action is served. False ignores Q-values. */
  readonly valuesMin: number | false;
  readonly refreshAhead: boolean;
  /** Maximum number of agents whose last state and action are remembered. */
  readonly agentsMax: number;
  readonly disk: { readonly path: string; readonly bytesMax: number } | false;
}

export interface CacheStats {
  readonly entries: number;
  readonly entriesMax: number;
  /**
   * Entries by scene, the fullest first: up to 64 scenes by name, later ones together as `other`. The sum may be less than
   * `entries`, because the scene of a decision from an earlier run is unknown until it serves.
   */
  readonly entriesByScene: readonly SceneEntries[];
  /** Size of the shared memory. */
  readonly bytes: number;
  readonly ttl: 'fixed' | 'adaptive';
  readonly ttlMs: number;
  /** The adaptive TTL of each scene, and what decided it. */
  readonly ttlByScene: readonly SceneTtl[];
  /** Answers withheld because current Q-values contradict them. */
  readonly contradicted: number;
  /** Lookups of all threads that were served, from the same or a similar state or by habit. */
  readonly hits: number;
  /** Hits from a similar state. */
  readonly similarHits: number;
  /** Hits by what is usually done next, in whatever state. Only with an error budget. */
  readonly habitHits: number;
  readonly misses: number;
  /** Misses that found an expired entry. */
  readonly expired: number;
  /** Share of all lookups that were hits, 0 to 1. */
  readonly hitRate: number;
  /** Answers not served because the same action had no effect twice for this agent. */
  readonly loopsBroken: number;
  /** Answers held back until models were asked, because the agent repeated a cycle with them. */
  readonly cyclesBroken: number;
  /** Lookups that memory could have answered but did not, because their tier has not earned trust or evidence contradicts it. */
  readonly withheld: number;
  /** Servable requests that models were asked about first, to gather evidence. */
  readonly probes: number;
  /** Misses answered from memory after all, because no model answered in time. */
  readonly stood: number;
  readonly evictions: number;
  /** Decisions whose reason or tally was cut to fit the payload. */
  readonly cut: number;
  /** Decisions not kept because their action and model alone exceed the payload. */
  readonly tooLarge: number;
  /** How often served answers turned out to be wrong when models were asked again. */
  readonly falseHits: FalseHitStats;
  /** What each tier has shown, and whether it serves. False if there is an error budget. */
  readonly standing: StandingStats | false;
  /** False if there is no error budget. */
  readonly budget: JudgeStats | false;
  /** False if there is no disk tier. */
  readonly disk: DiskTierStats | false;
}

/** The longest time that a decision may be fresh. */
export function ttlMaxOf({ ttl, ttlMs, ttlMaxMs }: Pick<ResolvedCache, 'ttl' | 'ttlMs' | 'ttlMaxMs'>): number {
  return ttl === 'adaptive' ? ttlMaxMs : ttlMs;
}

/** The cache's own counters, all zero, by their names in its stats. */
export function emptyCounts() {
  return {
    similarHits: 0,
    habitHits: 0,
    loopsBroken: 0,
    contradicted: 0,
    cyclesBroken: 0,
    withheld: 0,
    probes: 0,
    stood: 0,
  };
}
