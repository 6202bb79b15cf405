import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { checkOptions, failOptions } from '../../shared/check-options.ts';
import { defined } from '../../shared/defined.ts';
import { describeValue } from '../../shared/errors.ts';
import { storeLayout } from '../../shared/store/store-layout.ts';
import type { ResolvedCache } from '../cache/cache-options.ts';
import { DISK_BYTES_DEFAULT, DISK_BYTES_MIN } from '../cache/disk/disk-tier.ts';
import { clusterSchema, resolveCluster } from '../cluster/cluster-options.ts';
import { chatSchema, resolveChat } from './chat-options.ts';
import { type GivenDomain, givenDomains } from './domain-options.ts';
import { FEATURE_NAMES } from './features.ts';
import {
  ANSWER_RULES,
  type AnyPlannerOptions,
  QUORUM_RULES,
  type ResolvedDomain,
  type ResolvedEndpoint,
  type ResolvedExpert,
  type ResolvedOptions,
  type ResolvedSynthesis,
  SEAT_RULES,
  SYNTHESIS_WHEN,
} from './planner-options.ts';
import { PROFILE_NAMES, PROFILES, type Profile, SIMILAR_DEFAULT } from './profiles.ts';

/** Maximum share of the machine's memory for the store of decisions. */
const MEMORY_SHARE_MAX = 0.8;
/** Rules, roles and the form of the answer alone take more than this with most domains. */
const PROMPT_TOKENS_MIN = 100;
const MS_MAX = 24 * 60 * 60 * 1000;
const ms = z.number().int().positive().max(MS_MAX);
const count = (max: number) => z.number().int().positive().max(max);
const name = z.string().min(1).max(200);
const httpURL = z
  .string()
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http(s) URL')
  .refine((text) => !URL.parse(text)?.username, 'must not hold credentials (give apiKey)');
const temperature = z.number().min(0).max(2);
const EXPERTS_MAX = 32;

const endpointSchema = z.strictObject({
  baseURL: httpURL,
  apiKey: z.string().min(1).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  maxConcurrent: count(100_000).optional(),
  slots: count(1_024).optional(),
  machine: name.optional(),
  staggerMs: z.number().min(0).max(60_000).optional(),
});

const expertSchema = z.strictObject({
  role: name,
  model: name,
  endpoint: name.optional(),
  timeoutMs: ms.optional(),
  maxTokens: count(100_000).optional(),
  temperature: temperature.optional(),
  weight: z.number().positive().max(100).optional(),
  thinks: z.boolean().optional(),
  answers: z.enum(ANSWER_RULES).optional(),
});

const synthesisSchema = z.strictObject({
  models: z.array(z.union([name, z.strictObject({ model: name, endpoint: name.optional() })])).max(8),
  when: z.enum(SYNTHESIS_WHEN).optional(),
  timeoutMs: ms.optional(),
  maxTokens: count(100_000).optional(),
  temperature: temperature.optional(),
});

const share = z.number().min(0).max(1);
/** With it, a decision costs at most a quarter more calls. */
const FORESIGHT_SHARE = 0.2;
/** More would no longer be a reserve. */
const CHECK_RESERVE_MAX = 0.5;

const cacheSchema = z.strictObject({
  entries: count(4_000_000).optional(),
  ttlMs: ms.optional(),
  ttl: z.enum(['fixed', 'adaptive']).optional(),
  ttlMinMs: ms.optional(),
  ttlMaxMs: ms.optional(),
  similar: z
    .union([z.literal(false), z.strictObject({ distanceMax: share.optional(), confirmedMax: share.optional() })])
    .optional(),
  checkShare: share.optional(),
  checkReserve: z.number().min(0).max(CHECK_RESERVE_MAX).optional(),
  errorBudget: z.union([z.literal(false), z.number().gt(0).lt(1)]).optional(),
  habit: z.boolean().optional(),
  loopGuard: z.boolean().optional(),
  cycleGuard: z.boolean().optional(),
  trust: z.enum(['earned', 'always']).optional(),
  valuesMin: z.union([z.literal(false), share]).optional(),
  refreshAhead: z.boolean().optional(),
  agentsMax: count(10_000_000).optional(),
  disk: z
    .union([
      z.literal(false),
      z.strictObject({ path: z.string().min(1), bytesMax: z.number().int().min(DISK_BYTES_MIN).optional() }),
    ])
    .optional(),
});

/** What an entry of `domains` may have of its own; its domain is checked by `defineDomain`. */
const ownSchema = z.strictObject({
  domain: z.unknown(),
  experts: z.array(expertSchema).max(EXPERTS_MAX).optional(),
  synthesis: synthesisSchema.optional(),
  cache: z
    .union([z.literal(false), cacheSchema.omit({ entries: true, agentsMax: true, checkReserve: true, disk: true })])
    .optional(),
});

/** Schema of `PlannerOptions` without the domain, which `defineDomain` checks. Also the schema of configuration files. */
export const plannerOptionsSchema = z.strictObject({
  profile: z.enum(PROFILE_NAMES).optional(),
  domain: z.unknown().optional(),
  domains: z.record(name, z.unknown()).optional(),
  endpoints: z
    .record(name, endpointSchema)
    .refine((all) => Object.keys(all).length > 0, 'must name at least one endpoint'),
  experts: z.array(expertSchema).max(EXPERTS_MAX).optional(),
  synthesis: synthesisSchema.optional(),
  timeoutMs: ms.optional(),
  expertTimeoutMs: ms.optional(),
  cache: z.union([z.literal(false), cacheSchema]).optional(),
  chat: chatSchema.optional(),
  singleFlight: z.boolean().optional(),
  timeSlices: z.boolean().optional(),
  quorum: z.enum(QUORUM_RULES).optional(),
  seats: z.enum(SEAT_RULES).optional(),
  answers: z.enum(ANSWER_RULES).optional(),
  confidenceMin: z.number().min(0).max(1).optional(),
  features: z.strictObject(Object.fromEntries(FEATURE_NAMES.map((each) => [each, z.boolean().optional()]))).optional(),
  foresight: z.strictObject({ experience: z.boolean().optional(), share: share.optional() }).optional(),
  lateMs: z.number().int().min(0).max(MS_MAX).optional(),
  callRetries: z.number().int().min(0).max(5).optional(),
  maxInFlight: count(1_000_000).optional(),
  promptActionsMax: count(10_000).optional(),
  prompt: z.strictObject({ tokensMax: z.number().int().min(PROMPT_TOKENS_MIN).max(10_000_000).optional() }).optional(),
  workers: z
    .strictObject({
      threads: count(64).optional(),
      tasksPerThread: count(10_000).optional(),
      stuckGraceMs: ms.optional(),
    })
    .optional(),
  cluster: clusterSchema.optional(),
  onMissingModel: z.enum(['fail', 'substitute', 'skip']).optional(),
  allowOffline: z.boolean().optional(),
  startTimeoutMs: ms.optional(),
});

type Parsed = z.infer<typeof plannerOptionsSchema>;
/** What may be a domain's own. */
type Own = Pick<Parsed, 'experts' | 'synthesis'> & { cache?: Parsed['cache'] };

function resolveEndpoints(parsed: Parsed, profile: Profile): ResolvedEndpoint[] {
  return Object.entries(parsed.endpoints).map(([endpointName, endpoint]) => ({
    name: endpointName,
    baseURL: endpoint.baseURL.replace(/\/+$/, ''),
    ...defined({ apiKey: endpoint.apiKey, headers: endpoint.headers }),
    maxConcurrent: endpoint.maxConcurrent ?? 64,
    ...defined({ slots: endpoint.slots, machine: endpoint.machine }),
    staggerMs: endpoint.staggerMs ?? profile.staggerMs,
  }));
}

/** Returns where a model is asked: at the named endpoint, else at any that lists it. */
function resolvePlaces(
  key: string,
  given: string | undefined,
  endpoints: readonly ResolvedEndpoint[],
  isBalanced: boolean,
): { endpoint: string; alternatives: readonly string[] } {
  if (given === undefined) {
    if (endpoints.length > 1 && !isBalanced)
      failOptions(`${key} must name one of the endpoints ${endpoints.map((at) => at.name).join(', ')}, got nothing`);
    const [first, ...others] = endpoints.map((at) => at.name);
    return { endpoint: first as string, alternatives: others };
  }
  if (endpoints.some((at) => at.name === given)) return { endpoint: given, alternatives: [] };
  return failOptions(
    `${key} must be one of the endpoints ${endpoints.map((at) => at.name).join(', ')}, got ${describeValue(given)}`,
  );
}

function resolveExperts(
  parsed: Parsed,
  profile: Profile,
  { domain, own, prefix }: GivenDomain<Own>,
  endpoints: readonly ResolvedEndpoint[],
  isBalanced: boolean,
): ResolvedExpert[] {
  const key = own.experts === undefined ? 'experts' : `${prefix}experts`;
  return (own.experts ?? parsed.experts ?? []).map((expert, index) => {
    const roles = domain.roles.map((role) => role.name);
    if (!roles.includes(expert.role)) {
      const where = own.experts === undefined && prefix !== '' ? ` of ${domain.name}` : '';
      failOptions(
        `${key}[${index}].role must be one of ${roles.join(', ')}${where}, got ${describeValue(expert.role)}`,
      );
    }
    return {
      role: expert.role,
      model: expert.model,
      ...resolvePlaces(`${key}[${index}].endpoint`, expert.endpoint, endpoints, isBalanced),
      timeoutMs: expert.timeoutMs ?? parsed.expertTimeoutMs ?? profile.expertTimeoutMs,
      maxTokens: expert.maxTokens ?? profile.maxTokens,
      temperature: expert.temperature ?? 0.2,
      weight: expert.weight ?? 1,
      thinks: expert.thinks ?? thinksByName(expert.model),
      answers: expert.answers ?? parsed.answers ?? profile.answers,
    };
  });
}

function resolveSynthesis(
  parsed: Parsed,
  profile: Profile,
  { own, prefix }: GivenDomain<Own>,
  endpoints: readonly ResolvedEndpoint[],
  isBalanced: boolean,
): ResolvedSynthesis {
  const given = own.synthesis ?? parsed.synthesis;
  const key = own.synthesis === undefined ? 'synthesis' : `${prefix}synthesis`;
  const models = (given?.models ?? []).slice(0, profile.synthesisModelsMax).map((entry, index) => {
    const { model, endpoint } = typeof entry === 'string' ? { model: entry, endpoint: undefined } : entry;
    const places = resolvePlaces(`${key}.models[${index}].endpoint`, endpoint, endpoints, isBalanced);
    return { model, ...places, thinks: thinksByName(model) };
  });
  return {
    models,
    when: given?.when ?? profile.synthesisWhen,
    timeoutMs: given?.timeoutMs ?? profile.synthesisTimeoutMs,
    maxTokens: given?.maxTokens ?? profile.maxTokens,
    temperature: given?.temperature ?? 0.2,
  };
}

/** Models that reason before they answer say so in their names. */
function thinksByName(model: string): boolean {
  return /reason|think|qwq|deepseek-r1|magistral/i.test(model);
}

function resolveCache(parsed: Parsed, profile: Profile, { own, prefix }: GivenDomain<Own>): ResolvedOptions['cache'] {
  if (parsed.cache === false || own.cache === false) return false;
  const isGiven = parsed.cache !== undefined || own.cache !== undefined;
  if (!isGiven && profile.cache === false) return false;
  const defaults = (profile.cache === false ? PROFILES.default.cache : profile.cache) as ResolvedCache;
  const { similar, disk, ...given } = defined({ ...parsed.cache, ...defined(own.cache ?? {}) });
  const cache: ResolvedCache = {
    ...defaults,
    ...given,
    // A given `ttlMs` implies a fixed TTL.
    ttl: given.ttl ?? (given.ttlMs === undefined ? defaults.ttl : 'fixed'),
    ...(similar === undefined ? {} : { similar: resolveSimilar(similar, defaults) }),
    ...(disk ? { disk: { path: disk.path, bytesMax: disk.bytesMax ?? DISK_BYTES_DEFAULT } } : {}),
  };
  if (cache.ttl === 'adaptive' && !(cache.ttlMinMs <= cache.ttlMs && cache.ttlMs <= cache.ttlMaxMs)) {
    const bounds = `cache.ttlMinMs and cache.ttlMaxMs (${cache.ttlMinMs} and ${cache.ttlMaxMs})`;
    failOptions(
      `${own.cache === undefined ? '' : prefix}cache.ttlMs must be between ${bounds} for an adaptive TTL, got ${cache.ttlMs}`,
    );
  }
  checkMemory(cache.entries, 'cache.entries');
  return cache;
}

function resolveSimilar(
  given: false | { distanceMax?: number | undefined; confirmedMax?: number | undefined },
  defaults: ResolvedCache,
): ResolvedCache['similar'] {
  if (given === false) return false;
  const usual = defaults.similar === false ? SIMILAR_DEFAULT : defaults.similar;
  const distanceMax = given.distanceMax ?? usual.distanceMax;
  return { distanceMax, confirmedMax: Math.max(distanceMax, given.confirmedMax ?? usual.confirmedMax) };
}

/** Shared memory is allocated lazily: a store larger than the machine's memory would end the process later. */
export function checkMemory(entries: number, key: string): void {
  const { byteLength } = storeLayout(entries);
  if (byteLength <= totalmem() * MEMORY_SHARE_MAX) return;
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;
  failOptions(`${key} must fit into memory: ${entries} take ${mebibytes(byteLength)} of ${mebibytes(totalmem())}`);
}

/** Checks and completes options, once. Throws ERR_OPTIONS_INVALID or ERR_DOMAIN_INVALID. */
export function resolveOptions(options: AnyPlannerOptions): ResolvedOptions {
  const parsed = checkOptions(plannerOptionsSchema, options);
  if (parsed.experts === undefined && parsed.domains === undefined)
    failOptions(`experts must be a list, got ${describeValue(undefined)}`);
  const ownOf = (entry: unknown, prefix: string): Own => checkOptions(ownSchema, entry, prefix);
  const given = givenDomains<Own>(parsed, ownOf, {});
  const [{ domain }] = given as [GivenDomain<Own>, ...unknown[]];
  const profileName = parsed.profile ?? 'default';
  const profile = PROFILES[profileName];
  const endpoints = resolveEndpoints(parsed, profile);
  const features = { ...profile.features, ...defined(parsed.features ?? {}) };
  const isBalanced = features.balancing;
  const several = given.length > 1;
  const resolved = given.map((each) => {
    const named = several ? { ofDomain: each.name } : {};
    const panel = resolveExperts(parsed, profile, each, endpoints, isBalanced);
    const { models, ...rest } = resolveSynthesis(parsed, profile, each, endpoints, isBalanced);
    const cache = resolveCache(parsed, profile, each);
    const keepsLate = features.lateAnswers && (cache !== false || features.lateRung);
    const synthesis = { models: models.map((model) => ({ ...model, ...named })), ...rest };
    return { experts: panel.map((expert) => ({ ...expert, ...named })), own: { synthesis, cache, keepsLate } };
  });
  const [first] = resolved as [(typeof resolved)[0]];
  const { cache, keepsLate, synthesis } = first.own;
  return Object.freeze({
    profile: profileName,
    domain,
    domains: given.map(({ name, domain: each }, index): ResolvedDomain => {
      const own = several ? resolved[index]?.own : undefined;
      return { name, domain: each, ...defined({ own }) };
    }),
    endpoints,
    experts: resolved.flatMap(({ experts }) => experts),
    synthesis: { ...synthesis, models: resolved.flatMap(({ own }) => own.synthesis.models) },
    timeoutMs: parsed.timeoutMs ?? profile.timeoutMs,
    visionTimeoutMs: parsed.timeoutMs ?? profile.visionTimeoutMs,
    cache,
    chat: resolveChat(parsed.chat),
    singleFlight: parsed.singleFlight ?? profile.singleFlight,
    callRetries: parsed.callRetries ?? profile.callRetries,
    timeSlices: parsed.timeSlices ?? profile.timeSlices,
    quorum: parsed.quorum ?? profile.quorum,
    seats: parsed.seats ?? 'resident',
    reads: { answers: parsed.answers ?? profile.answers, confidenceMin: parsed.confidenceMin },
    features,
    keepsLate,
    lateMs: parsed.lateMs ?? 10_000,
    maxInFlight: parsed.maxInFlight ?? 1_024,
    promptActionsMax: parsed.promptActionsMax ?? 64,
    prompt: { tokensMax: parsed.prompt?.tokensMax },
    foresight: { experience: parsed.foresight?.experience ?? false, share: parsed.foresight?.share ?? FORESIGHT_SHARE },
    workers: {
      threads: parsed.workers?.threads ?? Math.min(4, Math.max(1, availableParallelism() - 1)),
      tasksPerThread: parsed.workers?.tasksPerThread ?? 512,
      stuckGraceMs: parsed.workers?.stuckGraceMs ?? 400,
    },
    cluster: resolveCluster(parsed.cluster),
    onMissingModel: parsed.onMissingModel ?? 'fail',
    allowOffline: parsed.allowOffline ?? false,
    startTimeoutMs: parsed.startTimeoutMs ?? 3_000,
  });
}
