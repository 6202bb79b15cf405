import type { Domain, DomainDefinition } from '../../shared/domain.ts';
import type { EndpointAddress } from '../../shared/tasks.ts';
import type { ResolvedCache } from '../cache/cache-options.ts';
import type { ClusterOptions, ResolvedCluster } from '../cluster/cluster-options.ts';
import type { ChatOptions, ResolvedChat } from './chat-options.ts';
import type { FeatureName, Features } from './features.ts';
import type { ProfileName } from './profiles.ts';

/**
 * When a plan stops asking its experts. `firstAgree`: as soon as two agree; `majority`: as soon as no other action can get more
 * votes; `all`: when every expert has answered or failed.
 */
export const QUORUM_RULES = ['firstAgree', 'majority', 'all'] as const;
export type QuorumRule = (typeof QUORUM_RULES)[number];
/** When a synthesis follows the experts: always, or only if they disagree. */
export const SYNTHESIS_WHEN = ['always', 'onDisagreement'] as const;
export type SynthesisWhen = (typeof SYNTHESIS_WHEN)[number];

/**
 * How models are asked. `read`: for the probabilities of the actions, in one token; `write`: for an answer in words; `auto`: read
 * first, and written only if the read is not sure.
 */
export const ANSWER_RULES = ['auto', 'read', 'write'] as const;
export type AnswerRule = (typeof ANSWER_RULES)[number];

/** Which model answers for a role whose own model is not loaded. */
export const SEAT_RULES = ['resident', 'fixed'] as const;
export type SeatRule = (typeof SEAT_RULES)[number];

/** How to reach one model server, and how much it may be asked. */
export interface EndpointOptions {
  /** Base URL of the server, including the version path: `http://localhost:1234/v1`. */
  readonly baseURL: string;
  /** Sent as `Authorization: Bearer`. Default: no key. */
  readonly apiKey?: string;
  /** Additional headers for every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Maximum number of calls at once, experts and synthesis together. Further calls wait. Default 64. */
  readonly maxConcurrent?: number;
  /** Number of calls the server works on at a time, if you know better than the server. Default: what it reports, else what is learned. */
  readonly slots?: number;
  /** Name of the machine the server runs on. Endpoints with the same name share slots: as many as the endpoint with the most. */
  readonly machine?: string;
  /** Minimum time between the starts of two calls, in milliseconds. Default: the profile's, 0. */
  readonly staggerMs?: number;
}

/** A role asked of a model at an endpoint. */
export interface ExpertOptions {
  /** Name of one of the domain's roles. */
  readonly role: string;
  /** Model id, as the server lists it. */
  readonly model: string;
  /** Name of an endpoint. Default: any endpoint that lists the model; the one expected to answer first is asked. */
  readonly endpoint?: string;
  /** Upper bound for this expert's calls, in milliseconds. Default: the planner's `expertTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Maximum number of tokens in an answer, including thinking. Default: the profile's, 512. */
  readonly maxTokens?: number;
  /** Sampling temperature. Default 0.2. */
  readonly temperature?: number;
  /** Weight of this expert's vote relative to the others, multiplied by what its record has earned. Default 1. */
  readonly weight?: number;
  /** True if the model should think before it answers. Default: guessed from the model's name. */
  readonly thinks?: boolean;
  /** `write`: this expert's model is never read. Default: the planner's `answers`. */
  readonly answers?: AnswerRule;
}

/** The models that decide if the experts disagree. */
export interface SynthesisOptions {
  /** Model A, model B and so on, in the order in which they are tried. A plain name is a model of any endpoint that lists it. */
  readonly models: readonly (string | { readonly model: string; readonly endpoint?: string })[];
  /** When a synthesis follows the experts. Default: the profile's, `onDisagreement`. */
  readonly when?: SynthesisWhen;
  /** Upper bound for each model, in milliseconds. Default: the profile's, 15,000. */
  readonly timeoutMs?: number;
  /** Maximum number of tokens in an answer. Default: the profile's, 512. */
  readonly maxTokens?: number;
  /** Sampling temperature. Default 0.2. */
  readonly temperature?: number;
}

/** What the cache of decisions keeps, for how long, and when it serves them. */
export interface CacheOptions {
  /** Maximum number of decisions, at about 530 bytes each. The least recently used one is evicted. Default 2,000. */
  readonly entries?: number;
  /** How long a decision is fresh, in milliseconds. Default: an adaptive TTL that starts at 600,000. */
  readonly ttlMs?: number;
  /**
   * `fixed`: decisions are fresh for `ttlMs`. `adaptive`: each scene has its own TTL between `ttlMinMs` and `ttlMaxMs`, derived from
   * how fast its states and answers change; `stats().cache.ttlByScene` lists them. Default: `fixed` if `ttlMs` is given, else
   * `adaptive`.
   */
  readonly ttl?: 'fixed' | 'adaptive';
  /** Lower bound of an adaptive TTL, in milliseconds. Default 5,000. */
  readonly ttlMinMs?: number;
  /** Upper bound of an adaptive TTL, in milliseconds. Default 1,800,000. */
  readonly ttlMaxMs?: number;
  /**
   * Serves the decision of a similar state if there is none for the same state. Categories, flags, sets and actions must be equal,
   * and numbers at most `distanceMax` apart: 0 means equal, 1 means at opposite ends of every range. Default 0.1. If the request
   * has Q-values that confirm the answer (`valuesMin`), `confirmedMax` applies instead, default 0.6. Similar states are served
   * once they have earned it (`trust`). With an error budget, evidence decides and not the distance. False serves the same state only.
   */
  readonly similar?: false | { readonly distanceMax?: number; readonly confirmedMax?: number };
  /** Share of hits that are checked with the models in the background, to measure how often the cache is wrong. Default 0.02. */
  readonly checkShare?: number;
  /**
   * Share of the time that models work which checks may use even while plans wait, at most 0.5: a check that no server was idle for
   * in five seconds starts within it. Checks at idle servers use it up while they slow other calls; beyond it they wait up to a minute
   * for further hits of their state. With 0, a check starts only while all servers are idle, and gives way to plans. Default 0.05.
   */
  readonly checkReserve?: number;
  /**
   * Share of the served answers that may be wrong, for example 0.05. A hit is served only while the evidence says that the budget is
   * kept, so at first nothing is served. Default false: every fresh hit is served.
   */
  readonly errorBudget?: false | number;
  /**
   * With an error budget, serves what agents usually do next where neither the state nor a similar one has a fresh decision, as far as
   * the evidence allows it. Without one it has no effect. Default true.
   */
  readonly habit?: boolean;
  /** Withholds an answer from an agent for which it has had no effect twice in a row. Default true. */
  readonly loopGuard?: boolean;
  /**
   * Asks models again, if they can answer in time, when an agent comes back to a state for the third time and has seen nothing new since.
   * Default true.
   */
  readonly cycleGuard?: boolean;
  /**
   * `earned`: similar states are served while they agree with models nearly as often as models agree with each other, and the same
   * state until evidence contradicts it; `stats().cache.standing` shows both. `always`: whatever is fresh and near enough is
   * served. Has no effect with an error budget. Default `earned`.
   */
  readonly trust?: 'earned' | 'always';
  /**
   * Lowest relative Q-value, between the worst action (0) and the best one (1), at which a remembered action is served. What an agent
   * has learned since then overrules what models said before. False ignores Q-values. Requests without Q-values are not affected.
   * Default 0.85.
   */
  readonly valuesMin?: false | number;
  /** Refreshes entries in use in the background, shortly before they expire. Default true. */
  readonly refreshAhead?: boolean;
  /** Maximum number of agents whose last state and action are remembered. Default 10,000. */
  readonly agentsMax?: number;
  /**
   * File that keeps decisions across restarts, and its maximum size (default 256 MiB). Files beside it keep what was learned:
   * `PATH.latencies.json` the times of models, `PATH.reads.json` the worth of their reads, `PATH.evidence.json` what is known about
   * decisions. Default false: memory only.
   */
  readonly disk?: false | { readonly path: string; readonly bytesMax?: number };
}

/** What a domain of several may have of its own in the cache; the memory itself is shared. */
export type DomainCacheOptions = Omit<CacheOptions, 'entries' | 'agentsMax' | 'checkReserve' | 'disk'>;

/** One of several domains with options of its own. What is absent is as in the options of the planner. */
export interface DomainOptions<D extends DomainDefinition | string = Domain | DomainDefinition | string> {
  /** The kind of agents, or the path of a file that defines it, relative to the current folder. */
  readonly domain: D;
  /** The roles, and the model that plays each. */
  readonly experts?: readonly ExpertOptions[];
  /** Models that decide if the experts disagree. */
  readonly synthesis?: SynthesisOptions;
  /** How long this domain's decisions are fresh, and when they are served; false: they are not remembered. */
  readonly cache?: false | DomainCacheOptions;
}

/** Domains by names of your choice: definitions or paths of files that define them, each with options of its own if it has any. */
export type DomainsOption = Readonly<Record<string, string | Domain | DomainDefinition | DomainOptions>>;

/** The options of `createPlanner` for several kinds of agents. A request names its domain. */
export interface DomainsPlannerOptions<M extends DomainsOption = DomainsOption>
  extends Omit<PlannerOptions, 'domain' | 'experts'> {
  /**
   * The kinds of agents that the planner plans for, by name. They share servers, slots, threads and memory; experts, synthesis, TTL,
   * trust and statistics are each domain's own.
   */
  readonly domains: M;
  /** The experts of domains that have none of their own. Default: none. */
  readonly experts?: readonly ExpertOptions[];
}

/** The options of `createPlanner`. The domain `D` gives the planner its type. */
export interface PlannerOptions<D extends DomainDefinition = Domain | DomainDefinition> {
  /** Named set of defaults for all other options. Default `default`. */
  readonly profile?: ProfileName;
  /** The kind of agent that the planner plans for: `skyrim`, or the result of `defineDomain`. */
  readonly domain: D;
  /** The model servers, by a name of your choice. */
  readonly endpoints: Readonly<Record<string, EndpointOptions>>;
  /** The roles, and the model that plays each. */
  readonly experts: readonly ExpertOptions[];
  /** Models that decide if the experts disagree. Default: none. */
  readonly synthesis?: SynthesisOptions;
  /**
   * Deadline of a plan whose request sets none, in milliseconds. Default: the profile's, 10,000; in `november` 25,000, and 30,000
   * for a request with an image.
   */
  readonly timeoutMs?: number;
  /** Upper bound for one expert, in milliseconds; its slice of the plan's time may be shorter. Default: the profile's, 20,000. */
  readonly expertTimeoutMs?: number;
  /** The cache of decisions; false switches it off. */
  readonly cache?: false | CacheOptions;
  /** The gateway for chats of OpenAI clients, which uses the same endpoints. */
  readonly chat?: ChatOptions;
  /** Lets concurrent requests in the same state share their model calls. Default: the profile's, true. */
  readonly singleFlight?: boolean;
  /**
   * Divides a plan's time between its steps. If false, each step may use its full timeout, and the next step gets what is left.
   * Default: the profile's, true.
   */
  readonly timeSlices?: boolean;
  /**
   * How models are asked. `read`: for the probabilities of the actions, where the server can tell them; `write`: for an answer in
   * words; `auto`: read first, and written if the read is not sure. Default: the profile's.
   */
  readonly answers?: AnswerRule;
  /**
   * With `auto`, the calibrated confidence from which a read decides, between 0 and 1. Default: derived from how often the experts agree,
   * so that a written decision would be no better.
   */
  readonly confidenceMin?: number;
  /** When a plan stops asking its experts. Default: the profile's, `firstAgree`. */
  readonly quorum?: QuorumRule;
  /**
   * Which model answers for a role whose own model is not loaded, on a server where loading it would evict another model.
   * `resident`: a configured model that is loaded; `fixed`: always the role's own model, which is then loaded. Default `resident`.
   */
  readonly seats?: SeatRule;
  /** Switches single features of the planner on or off. Default: the profile's. */
  readonly features?: Readonly<Partial<Record<FeatureName, boolean>>>;
  /** What is asked ahead of agents. Has no effect without the feature `foresight`. */
  readonly foresight?: {
    /**
     * Guesses what agents ask next from what followed before, and asks models about the guesses that pass the gates
     * (docs/foresight.md). Default false.
     */
    readonly experience?: boolean;
    /**
     * Maximum share of the time that models work which may go to guesses that nobody asks for later, from 0 to 1. Futures that a host tells do
     * not count. Default 0.2.
     */
    readonly share?: number;
  };
  /** How long calls may continue after the deadline to fill the cache, in milliseconds. Default 10,000. */
  readonly lateMs?: number;
  /** Number of retries of a call that failed before any of its answer arrived. Default: the profile's, 1. */
  readonly callRetries?: number;
  /** Maximum number of plans in flight. Further plans are rejected with ERR_PLANNER_OVERLOADED. Default 1,024. */
  readonly maxInFlight?: number;
  /** Maximum number of actions shown to models: of more, those with the highest Q-values and the first ones. Default 64. */
  readonly promptActionsMax?: number;
  /** What prompts may cost. */
  readonly prompt?: {
    /**
     * Maximum number of tokens of a prompt, by an estimate learned from what servers report, at least 100. Of a longer one, long texts
     * are shortened first, then actions of low value are left out, then optional features; the attempts of the plan say so. A prompt
     * never exceeds the context of its model either, if that is known. Default: no other limit.
     */
    readonly tokensMax?: number;
  };
  /** The threads that talk to the model servers. */
  readonly workers?: {
    /** Number of worker threads. Default: one fewer than the processors, from 1 to 4. */
    readonly threads?: number;
    /** Maximum number of expert queries at once on one thread. Default 512. */
    readonly tasksPerThread?: number;
    /** How long a task may take to settle after its deadline, in milliseconds, before its thread is replaced. Default 400. */
    readonly stuckGraceMs?: number;
  };
  /**
   * Joins this planner with others before the same model servers: they share decisions, plan each state once, and keep to one budget of
   * slots (docs/cluster.md). Without the engine each goes on alone. Default: alone.
   */
  readonly cluster?: ClusterOptions;
  /** What to do at start about a model that its endpoint does not list: fail, use the nearest id, or skip the expert. Default `fail`. */
  readonly onMissingModel?: 'fail' | 'substitute' | 'skip';
  /** Starts with a warning, and not an error, if an endpoint or the engine of the cluster cannot be used. Default false. */
  readonly allowOffline?: boolean;
  /** Time limit for checking one endpoint at start, in milliseconds. Default 3,000. */
  readonly startTimeoutMs?: number;
}

/** The options of `createPlanner`, for one domain or several. */
export type AnyPlannerOptions = PlannerOptions | DomainsPlannerOptions;

export interface ResolvedEndpoint extends EndpointAddress {
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
  readonly answers: AnswerRule;
  /** Other endpoints that may be asked for the same model. */
  readonly alternatives: readonly string[];
  /** Name of its domain, if there are several. */
  readonly ofDomain?: string;
  /** The expert as configured, if another model is asked in its place. */
  readonly own?: ResolvedExpert;
}

export interface ResolvedSynthesis {
  readonly models: readonly {
    readonly model: string;
    readonly endpoint: string;
    readonly alternatives: readonly string[];
    readonly thinks: boolean;
    /** Name of its domain, if there are several. */
    readonly ofDomain?: string;
    /** The model as configured, if another one is asked in its place. */
    readonly own?: ResolvedSynthesis['models'][number];
  }[];
  readonly when: SynthesisWhen;
  readonly timeoutMs: number;
  readonly maxTokens: number;
  readonly temperature: number;
}

/** When and how models are read. */
export interface ResolvedReads {
  readonly answers: AnswerRule;
  /** Undefined if it is derived from how often experts agree. */
  readonly confidenceMin: number | undefined;
}

/** What is asked ahead of agents. */
export interface ResolvedForesight {
  readonly experience: boolean;
  readonly share: number;
}

/** What prompts may cost. */
export interface ResolvedPrompt {
  /** Undefined if only the context of a model limits its prompts. */
  readonly tokensMax: number | undefined;
}

/** One kind of agents, and what it does not share with the others. Its experts and models of synthesis bear its name. */
export interface ResolvedDomain {
  readonly name: string;
  readonly domain: Domain;
  /** Absent if it is the only one. */
  readonly own?: Pick<ResolvedOptions, 'synthesis' | 'cache' | 'keepsLate'>;
}

/** The checked options with all defaults filled in. Each part of the planner takes the members that it needs. */
export interface ResolvedOptions {
  readonly profile: ProfileName;
  /** The only domain, or the first of several. */
  readonly domain: Domain;
  /** All domains; `experts` and `synthesis` are those of all of them. */
  readonly domains: readonly ResolvedDomain[];
  readonly endpoints: readonly ResolvedEndpoint[];
  readonly experts: readonly ResolvedExpert[];
  readonly synthesis: ResolvedSynthesis;
  readonly timeoutMs: number;
  /** Deadline of a plan whose request has an image and sets none. */
  readonly visionTimeoutMs: number;
  readonly cache: ResolvedCache | false;
  readonly chat: ResolvedChat;
  readonly singleFlight: boolean;
  readonly callRetries: number;
  readonly timeSlices: boolean;
  readonly quorum: QuorumRule;
  readonly seats: SeatRule;
  readonly reads: ResolvedReads;
  readonly features: Features;
  readonly lateMs: number;
  /** True if answers that arrive after the deadline are of use: they are remembered, or may stand in for the next one. */
  readonly keepsLate: boolean;
  readonly maxInFlight: number;
  readonly promptActionsMax: number;
  readonly prompt: ResolvedPrompt;
  readonly foresight: ResolvedForesight;
  readonly workers: { readonly threads: number; readonly tasksPerThread: number; readonly stuckGraceMs: number };
  /** Undefined if the planner works alone. */
  readonly cluster: ResolvedCluster | undefined;
  readonly onMissingModel: 'fail' | 'substitute' | 'skip';
  readonly allowOffline: boolean;
  readonly startTimeoutMs: number;
}
