import type { Domain, DomainDefinition } from '../../shared/domain.ts';
import type { ResolvedCache } from '../cache/cache-options.ts';
import type { ChatOptions, ResolvedChat } from './chat-options.ts';
import type { FeatureName, Features } from './features.ts';
import type { ProfileName } from './profiles.ts';

/**
 * When a plan stops asking its experts. `firstAgree`: when two agree; `majority`: when no other action can be voted for by
 * more; `all`: when every expert has answered or failed.
 */
export const QUORUM_RULES = ['firstAgree', 'majority', 'all'] as const;
export type QuorumRule = (typeof QUORUM_RULES)[number];
/** Whether a synthesis follows an agreement of the experts too, or only their disagreement. */
export const SYNTHESIS_WHEN = ['always', 'onDisagreement'] as const;
export type SynthesisWhen = (typeof SYNTHESIS_WHEN)[number];

/** Who is asked for a role whose own model is not in its server's memory. */
export const SEAT_RULES = ['resident', 'fixed'] as const;
export type SeatRule = (typeof SEAT_RULES)[number];

/** One model server. */
export interface EndpointOptions {
  /** With its version path, as OpenAI clients take it: `http://localhost:1234/v1`. */
  readonly baseURL: string;
  readonly apiKey?: string;
  /** Headers sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Calls at once, experts and synthesis together, at most; more wait. Default 64. */
  readonly maxConcurrent?: number;
  /** Its slots, where you know them better than the server tells. Default: what it tells, else what is learned. */
  readonly slots?: number;
  /** A name for the machine it runs on. Endpoints of one machine share its slots: as many as the one that has most. */
  readonly machine?: string;
  /** Between the starts of two calls, milliseconds. Default: the profile's. */
  readonly staggerMs?: number;
}

/** A role asked of a model at an endpoint. */
export interface ExpertOptions {
  /** One of the domain's roles. */
  readonly role: string;
  readonly model: string;
  /** Default: the only endpoint there is; of several, each that lists the model, whichever is expected to answer first. */
  readonly endpoint?: string;
  /** Default: the planner's `expertTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Tokens an answer may have, thinking included. Default: the profile's, 512. */
  readonly maxTokens?: number;
  /** Default 0.2. */
  readonly temperature?: number;
  /** What its vote counts for beside the others', before its record does. Default 1. */
  readonly weight?: number;
  /** Whether the model judges better when it may think first. Default: by its name. */
  readonly thinks?: boolean;
}

export interface SynthesisOptions {
  /** Model A, model B, … in the order in which they are tried. A bare name stands for a model of the only endpoint. */
  readonly models: readonly (string | { readonly model: string; readonly endpoint?: string })[];
  /** Default: the profile's, `onDisagreement`. */
  readonly when?: SynthesisWhen;
  /** For each of them, milliseconds. Default: the profile's, 15,000. */
  readonly timeoutMs?: number;
  /** Default: the profile's, 512. */
  readonly maxTokens?: number;
  /** Default 0.2. */
  readonly temperature?: number;
}

/** What is remembered, for how long, and when it may be served. */
export interface CacheOptions {
  /** Decisions kept, about 530 bytes each. The least recently used one gives way. Default 2,000. */
  readonly entries?: number;
  /** How long a decision is fresh, milliseconds. Default: an adaptive TTL that starts at 600,000. */
  readonly ttlMs?: number;
  /**
   * `adaptive`: each scene has a TTL of its own, from how fast its states and answers change, between `ttlMinMs` and
   * `ttlMaxMs`; `stats().cache.ttlByScene` says what came of it and why. Default: `fixed`
   * where `ttlMs` is given, else `adaptive`.
   */
  readonly ttl?: 'fixed' | 'adaptive';
  /** Lower bound of an adaptive TTL, milliseconds. Default 5,000. */
  readonly ttlMinMs?: number;
  /** Upper bound of an adaptive TTL, milliseconds. Default 1,800,000. */
  readonly ttlMaxMs?: number;
  /**
   * Serving the decision of a similar state where there is none of the same: categories, flags, sets and actions must
   * be equal, and the numbers at most `distanceMax` apart (0 for equal ones, 1 for opposite ends of all ranges; default
   * 0.1). Where the request has Q-values that confirm the answer (`valuesMin`), they may be `confirmedMax` apart,
   * default 0.6. They serve once they have earned it (`trust`). With an error budget the distance has no say: evidence has. False: only the same state counts.
   */
  readonly similar?: false | { readonly distanceMax?: number; readonly confirmedMax?: number };
  /** Share of hits that models are asked about again in the background, to know how often the cache is wrong. Default 0.02. */
  readonly checkShare?: number;
  /**
   * Share of what the cache serves that may be wrong, say 0.05. A hit is then served only while the evidence says that
   * this is met; at first nothing is. Default false: whatever is fresh is served.
   */
  readonly errorBudget?: false | number;
  /** Whether an answer that has twice had no effect is withheld from its agent. Default true. */
  readonly loopGuard?: boolean;
  /**
   * Whether models are asked, where one can be in time, once the same answer was served twice in a state that comes round
   * and round while its agent sees nothing new. Default true.
   */
  readonly cycleGuard?: boolean;
  /**
   * `earned`: similar states serve while what they say was shown to agree with models nearly as often as models do with each
   * other, and the state itself until evidence speaks against it; `stats().cache.standing` says how it stands. `always`:
   * whatever is fresh and near enough is served. Has no say with an error budget. Default `earned`.
   */
  readonly trust?: 'earned' | 'always';
  /**
   * A remembered action is served only if its Q-value now lies at or above this share of the way from the worst value to
   * the best one: what an agent has learned since overrules what models said before. 0 to 1; false: values have no say.
   * Requests without values are not affected. Default 0.85.
   */
  readonly valuesMin?: false | number;
  /** Whether entries in use are asked again shortly before they expire, in the background. Default true. */
  readonly refreshAhead?: boolean;
  /** Agents whose last state and action are remembered. Default 10,000. */
  readonly agentsMax?: number;
  /** A file where decisions outlive the process; `bytesMax` is 256 MiB unless given. Default false. */
  readonly disk?: false | { readonly path: string; readonly bytesMax?: number };
}

/** What a user may pass to `createPlanner`. The type of the planner takes its features from the domain, `D`. */
export interface PlannerOptions<D extends DomainDefinition = Domain | DomainDefinition> {
  /** Defaults that the other options override. Default `default`. */
  readonly profile?: ProfileName;
  readonly domain: D;
  readonly endpoints: Readonly<Record<string, EndpointOptions>>;
  readonly experts: readonly ExpertOptions[];
  readonly synthesis?: SynthesisOptions;
  /**
   * Time for a plan unless its request says otherwise, milliseconds. Default: the profile's, 10,000; `november` has 25,000,
   * and 30,000 for a request with an image.
   */
  readonly timeoutMs?: number;
  /** Ceiling for one expert, milliseconds; its share of the plan's time may be less. Default: the profile's, 20,000. */
  readonly expertTimeoutMs?: number;
  /** The cache of decisions, or false for none. */
  readonly cache?: false | CacheOptions;
  /** The chat gateway on the same endpoints. */
  readonly chat?: ChatOptions;
  /** Whether requests in the same state share one round of model calls. Default true. */
  readonly singleFlight?: boolean;
  /**
   * Whether the steps of a plan share its time by slices; if not, each may take its configured timeout, and the next what
   * is left. Default: the profile's, true.
   */
  readonly timeSlices?: boolean;
  /** When a plan stops asking. Default: the profile's, `firstAgree`. */
  readonly quorum?: QuorumRule;
  /**
   * Who is asked for a role whose own model is not in its server's memory, where a load would put another one out. `resident`:
   * one of the configured models that is there; `fixed`: always its own model, which is loaded. Default `resident`.
   */
  readonly seats?: SeatRule;
  /** What the planner does on its own account, by name; the profile sets what is not given. */
  readonly features?: Readonly<Partial<Record<FeatureName, boolean>>>;
  /** How long model work may go on after its deadline, for the cache's sake, milliseconds. Default 10,000. */
  readonly lateMs?: number;
  /** Further tries of a call that failed before anything was answered. Default 1. */
  readonly callRetries?: number;
  /** Plans in flight; one more is refused with ERR_PLANNER_OVERLOADED. Default 1,024. */
  readonly maxInFlight?: number;
  /** Actions shown to models; of more, those of the highest values and the first ones. Default 64. */
  readonly promptActionsMax?: number;
  readonly workers?: {
    /** Default: the processors less one, 1 to 4. */
    readonly threads?: number;
    /** Expert queries at once on one thread. Default 512. */
    readonly tasksPerThread?: number;
    /** How long after its deadline a task may take to settle before its thread is replaced, milliseconds. Default 400. */
    readonly stuckGraceMs?: number;
  };
  /** What to do at start about a model that its endpoint does not list. Default `fail`. */
  readonly onMissingModel?: 'fail' | 'substitute' | 'skip';
  /** Start although an endpoint cannot be reached, with a warning. Default false. */
  readonly allowOffline?: boolean;
  /** For the check of one endpoint at start, milliseconds. Default 3,000. */
  readonly startTimeoutMs?: number;
}

export interface ResolvedEndpoint {
  readonly name: string;
  readonly baseURL: string;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxConcurrent: number;
  readonly slots?: number;
  readonly machine?: string;
  readonly staggerMs: number;
}

export interface ResolvedExpert {
  readonly role: string;
  readonly model: string;
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly weight: number;
  readonly thinks: boolean;
  /** Other endpoints that may be asked for the same model. */
  readonly alternatives: readonly string[];
  /** As it is configured, where another model is asked in its place. */
  readonly own?: ResolvedExpert;
}

export interface ResolvedSynthesis {
  readonly models: readonly {
    readonly model: string;
    readonly endpoint: string;
    readonly alternatives: readonly string[];
    readonly thinks: boolean;
    /** As it is configured, where another model is asked in its place. */
    readonly own?: ResolvedSynthesis['models'][number];
  }[];
  readonly when: SynthesisWhen;
  readonly timeoutMs: number;
  readonly maxTokens: number;
  readonly temperature: number;
}

/** All options present, checked, in one unit. Everything inside takes the part of it that it needs. */
export interface ResolvedOptions {
  readonly profile: ProfileName;
  readonly domain: Domain;
  readonly endpoints: readonly ResolvedEndpoint[];
  readonly experts: readonly ResolvedExpert[];
  readonly synthesis: ResolvedSynthesis;
  readonly timeoutMs: number;
  /** For a request with an image. */
  readonly visionTimeoutMs: number;
  readonly cache: ResolvedCache | false;
  readonly chat: ResolvedChat;
  readonly singleFlight: boolean;
  readonly callRetries: number;
  readonly timeSlices: boolean;
  readonly quorum: QuorumRule;
  readonly seats: SeatRule;
  readonly features: Features;
  readonly lateMs: number;
  /** Whether an answer that comes after the deadline is of use: it is remembered, or may stand in for the next one. */
  readonly keepsLate: boolean;
  readonly maxInFlight: number;
  readonly promptActionsMax: number;
  readonly workers: { readonly threads: number; readonly tasksPerThread: number; readonly stuckGraceMs: number };
  readonly onMissingModel: 'fail' | 'substitute' | 'skip';
  readonly allowOffline: boolean;
  readonly startTimeoutMs: number;
}
