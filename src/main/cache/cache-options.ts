import type { DiskTierStats } from './disk/disk-tier.ts';
import type { BudgetStats } from './evidence/error-budget.ts';
import type { FalseHitStats } from './false-hits.ts';
import type { SceneTtl } from './freshness/adaptive-ttl.ts';
import type { SceneEntries } from './scene-occupancy.ts';
import type { StandingStats } from './standing/tier-standing.ts';

/** The cache's part of `ResolvedOptions`. */
export interface ResolvedCache {
  readonly entries: number;
  readonly ttl: 'fixed' | 'adaptive';
  /** How long a decision is fresh; with an adaptive TTL, until enough was seen. */
  readonly ttlMs: number;
  readonly ttlMinMs: number;
  readonly ttlMaxMs: number;
  readonly similar: { readonly distanceMax: number; readonly confirmedMax: number } | false;
  /** Share of hits that are asked again in the background. */
  readonly checkShare: number;
  readonly errorBudget: number | false;
  readonly loopGuard: boolean;
  readonly cycleGuard: boolean;
  /** Whether what is found has to earn that it is served. An error budget overrides it. */
  readonly trust: 'earned' | 'always';
  /** What a remembered action's value must reach now, between the worst (0) and the best (1); false: whatever it is. */
  readonly valuesMin: number | false;
  readonly refreshAhead: boolean;
  /** Agents whose last state and action are remembered. */
  readonly agentsMax: number;
  readonly disk: { readonly path: string; readonly bytesMax: number } | false;
}

export interface CacheStats {
  readonly entries: number;
  readonly entriesMax: number;
  /**
   * The entries of each scene, the fullest first; 64 scenes by name, later ones together as `other`. Less than `entries` in
   * sum where decisions of earlier runs are among them, whose scene is not known before they serve.
   */
  readonly entriesByScene: readonly SceneEntries[];
  /** Of the shared memory. */
  readonly bytes: number;
  readonly ttl: 'fixed' | 'adaptive';
  readonly ttlMs: number;
  /** What an adaptive TTL has come to in each scene, and why. */
  readonly ttlByScene: readonly SceneTtl[];
  /** Answers withheld because the values given now speak against them. */
  readonly contradicted: number;
  /** Lookups of all threads that were served, from the same state or from a similar one. */
  readonly hits: number;
  /** Those of them from a similar state. */
  readonly similarHits: number;
  readonly misses: number;
  /** Misses that found an expired entry. */
  readonly expired: number;
  /** Hits of all lookups, 0 to 1. */
  readonly hitRate: number;
  /** Answers not served because their agent had done the same twice without effect. */
  readonly loopsBroken: number;
  /** Answers held back until models were asked, because an agent went round and round with them. */
  readonly cyclesBroken: number;
  /** Lookups that memory could have answered and did not, because its tier has not earned it or evidence speaks against it. */
  readonly withheld: number;
  /** Answers of tiers that serve about which models were asked first, so that they are known. */
  readonly probes: number;
  /** Misses that were answered from memory after all, because no model had answered in time. */
  readonly stood: number;
  readonly evictions: number;
  /** Decisions whose reason or tally was cut to keep the payload's bound. */
  readonly cut: number;
  /** Decisions not kept because their action alone passed the bound. */
  readonly tooLarge: number;
  /** How often what was served turned out to be wrong when models were asked again. */
  readonly falseHits: FalseHitStats;
  /** What each tier has shown, and whether it serves. False with an error budget. */
  readonly standing: StandingStats | false;
  /** False without an error budget. */
  readonly budget: BudgetStats | false;
  /** False without a disk tier. */
  readonly disk: DiskTierStats | false;
}

/** What a cache counts one by one, as it names it in its stats. */
export function emptyCounts() {
  return { similarHits: 0, loopsBroken: 0, contradicted: 0, cyclesBroken: 0, withheld: 0, probes: 0, stood: 0 };
}
