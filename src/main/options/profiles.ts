import type { ResolvedCache } from '../cache/cache-options.ts';
import { allFeatures } from './features.ts';
import type { AnswerRule, ResolvedOptions, SynthesisWhen } from './planner-options.ts';

/**
 * Names of the sets of defaults. `unoptimized` is the agent as it was before its optimization, `november` the published
 * optimization, `default` everything. Options that the user sets override the profile.
 */
export const PROFILE_NAMES = ['unoptimized', 'november', 'default'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

type Unchanged =
  | 'timeoutMs'
  | 'visionTimeoutMs'
  | 'cache'
  | 'singleFlight'
  | 'callRetries'
  | 'timeSlices'
  | 'quorum'
  | 'features';

export interface Profile extends Pick<ResolvedOptions, Unchanged> {
  readonly expertTimeoutMs: number;
  readonly synthesisTimeoutMs: number;
  /** How many of the configured synthesis models are used. */
  readonly synthesisModelsMax: number;
  /** Minimum time between the starts of two calls on one endpoint. */
  readonly staggerMs: number;
  readonly answers: AnswerRule;
  readonly synthesisWhen: SynthesisWhen;
  /** Maximum number of tokens in an answer. */
  readonly maxTokens: number;
}

/** Practically no limit. The original agent sent none: its models wrote until they finished or their context was full. */
const TOKENS_UNBOUND = 100_000;

/** Maximum distances of similar states: without Q-values, and if the request's Q-values confirm the answer. */
export const SIMILAR_DEFAULT = { distanceMax: 0.1, confirmedMax: 0.6 } as const;

const CACHE: ResolvedCache = {
  entries: 2_000,
  ttl: 'adaptive',
  ttlMs: 600_000,
  ttlMinMs: 5_000,
  ttlMaxMs: 1_800_000,
  similar: SIMILAR_DEFAULT,
  checkShare: 0.02,
  checkReserve: 0.05,
  errorBudget: false,
  habit: true,
  loopGuard: true,
  cycleGuard: true,
  trust: 'earned',
  valuesMin: 0.85,
  refreshAhead: true,
  agentsMax: 10_000,
  disk: false,
};

/** The published optimization: 200 plans for 120 seconds, with similar states, but nothing that detects wrong answers. */
const NOVEMBER_CACHE: ResolvedCache = {
  ...CACHE,
  entries: 200,
  ttl: 'fixed',
  ttlMs: 120_000,
  similar: { distanceMax: 0.1, confirmedMax: 0.1 },
  checkShare: 0,
  habit: false,
  loopGuard: false,
  cycleGuard: false,
  trust: 'always',
  valuesMin: false,
  refreshAhead: false,
};

const UNOPTIMIZED: Profile = {
  timeoutMs: 30_000,
  visionTimeoutMs: 30_000,
  expertTimeoutMs: 15_000,
  synthesisTimeoutMs: 15_000,
  synthesisModelsMax: 1,
  cache: false,
  singleFlight: false,
  staggerMs: 400,
  callRetries: 0,
  timeSlices: false,
  answers: 'write',
  quorum: 'all',
  synthesisWhen: 'always',
  maxTokens: TOKENS_UNBOUND,
  features: allFeatures(false),
};

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  unoptimized: UNOPTIMIZED,
  november: {
    ...UNOPTIMIZED,
    timeoutMs: 25_000,
    expertTimeoutMs: 20_000,
    synthesisModelsMax: 2,
    cache: NOVEMBER_CACHE,
    staggerMs: 300,
  },
  default: {
    timeoutMs: 10_000,
    visionTimeoutMs: 10_000,
    expertTimeoutMs: 20_000,
    synthesisTimeoutMs: 15_000,
    synthesisModelsMax: 8,
    cache: CACHE,
    singleFlight: true,
    staggerMs: 0,
    callRetries: 1,
    timeSlices: true,
    answers: 'auto',
    quorum: 'firstAgree',
    synthesisWhen: 'onDisagreement',
    maxTokens: 512,
    features: allFeatures(true),
  },
};
