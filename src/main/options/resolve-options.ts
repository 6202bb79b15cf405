import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { defined } from '../../shared/defined.ts';
import { type Domain, defineDomain } from '../../shared/domain.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import { isSecretName, withoutCredentials } from '../../shared/secrets.ts';
import { storeLayout } from '../../shared/store/store-layout.ts';
import type { ResolvedCache } from '../cache/cache-options.ts';
import { DISK_BYTES_DEFAULT, DISK_BYTES_MIN } from '../cache/disk/disk-tier.ts';
import { chatSchema, resolveChat } from './chat-options.ts';
import { FEATURE_NAMES } from './features.ts';
import {
  type PlannerOptions,
  QUORUM_RULES,
  type ResolvedEndpoint,
  type ResolvedExpert,
  type ResolvedOptions,
  type ResolvedSynthesis,
  SEAT_RULES,
  SYNTHESIS_WHEN,
} from './planner-options.ts';
import { PROFILE_NAMES, PROFILES, type Profile, SIMILAR_DEFAULT } from './profiles.ts';

/** Of the machine's memory, for the store of decisions. */
const MEMORY_SHARE_MAX = 0.8;
const MS_MAX = 24 * 60 * 60 * 1000;
const ms = z.number().int().positive().max(MS_MAX);
const count = (max: number) => z.number().int().positive().max(max);
const name = z.string().min(1).max(200);
const httpURL = z
  .string()
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http(s) URL')
  .refine((text) => !URL.parse(text)?.username, 'must not hold credentials (give apiKey)');
const temperature = z.number().min(0).max(2);

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
});

const synthesisSchema = z.strictObject({
  models: z.array(z.union([name, z.strictObject({ model: name, endpoint: name.optional() })])).max(8),
  when: z.enum(SYNTHESIS_WHEN).optional(),
  timeoutMs: ms.optional(),
  maxTokens: count(100_000).optional(),
  temperature: temperature.optional(),
});

const share = z.number().min(0).max(1);

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
  errorBudget: z.union([z.literal(false), z.number().gt(0).lt(1)]).optional(),
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

/** Everything of `PlannerOptions` but the domain, which `defineDomain` checks. Also the schema of configuration files. */
export const plannerOptionsSchema = z.strictObject({
  profile: z.enum(PROFILE_NAMES).optional(),
  domain: z.unknown().optional(),
  endpoints: z
    .record(name, endpointSchema)
    .refine((all) => Object.keys(all).length > 0, 'must name at least one endpoint'),
  experts: z.array(expertSchema).max(32),
  synthesis: synthesisSchema.optional(),
  timeoutMs: ms.optional(),
  expertTimeoutMs: ms.optional(),
  cache: z.union([z.literal(false), cacheSchema]).optional(),
  chat: chatSchema.optional(),
  singleFlight: z.boolean().optional(),
  timeSlices: z.boolean().optional(),
  quorum: z.enum(QUORUM_RULES).optional(),
  seats: z.enum(SEAT_RULES).optional(),
  features: z.strictObject(Object.fromEntries(FEATURE_NAMES.map((each) => [each, z.boolean().optional()]))).optional(),
  lateMs: z.number().int().min(0).max(MS_MAX).optional(),
  callRetries: z.number().int().min(0).max(5).optional(),
  maxInFlight: count(1_000_000).optional(),
  promptActionsMax: count(10_000).optional(),
  workers: z
    .strictObject({
      threads: count(64).optional(),
      tasksPerThread: count(10_000).optional(),
      stuckGraceMs: ms.optional(),
    })
    .optional(),
  onMissingModel: z.enum(['fail', 'substitute', 'skip']).optional(),
  allowOffline: z.boolean().optional(),
  startTimeoutMs: ms.optional(),
});

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

type Issue = z.core.$ZodIssue;

/** What zod calls types, as people call them. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  nonoptional: 'given',
  number: 'a number',
  object: 'an object',
  record: 'an object of named entries',
  string: 'a text',
};

function ruleOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    case 'invalid_union':
      return `must be ${[...new Set(issue.errors.flat().map((inner) => ruleOf(inner).replace(/^must be /, '')))].join(' or ')}`;
    case 'invalid_key':
      return 'must be a name of 1 to 200 characters';
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      return issue.inclusive ? `must be at least ${issue.minimum}` : `must be more than ${issue.minimum}`;
    case 'too_big':
      return issue.inclusive ? `must be at most ${issue.maximum}` : `must be less than ${issue.maximum}`;
    default:
      return issue.message.startsWith('must') ? issue.message : `is not valid (${issue.message})`;
  }
}

/** The most telling of the issues of a union: the one that reached deepest. */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  let best: Issue = issue;
  // An alternative that is wrong at its root tells no more than the union itself.
  let depth = 0;
  for (const inner of issue.errors.flat().map(deepest)) {
    const score = inner.path.length + (inner.code === 'unrecognized_keys' ? 1 : 0);
    if (score > depth) {
      best = { ...inner, path: [...issue.path, ...inner.path] } as Issue;
      depth = score;
    }
  }
  return best;
}

/** Of a secret only what kind of value it is; of an address nothing that it is not to hold. */
function describeMember(path: readonly PropertyKey[], value: unknown): string {
  const isSecret = path.some((key) => key === 'headers' || isSecretName(String(key)));
  if (!isSecret) return typeof value === 'string' ? describeValue(withoutCredentials(value)) : describeValue(value);
  if (typeof value === 'string' && value !== '') return `a text of ${value.length} characters`;
  return typeof value === 'number' || typeof value === 'bigint' ? 'a number' : describeValue(value);
}

/** One message that names the key, the rule and the value. */
export function optionsError(root: unknown, error: z.ZodError, prefix = ''): PlannerError {
  const issue = deepest(error.issues[0] as Issue);
  const key = prefix + (pathText(issue.path) || 'options');
  if (issue.code === 'unrecognized_keys') {
    const where = issue.path.length === 0 ? prefix : `${key}.`;
    return new PlannerError('ERR_OPTIONS_INVALID', `${where}${issue.keys[0]} is not a known option`);
  }
  const value = describeMember(issue.path, valueAt(root, issue.path));
  return new PlannerError('ERR_OPTIONS_INVALID', `${key} ${ruleOf(issue)}, got ${value}`);
}

function fail(message: string): never {
  throw new PlannerError('ERR_OPTIONS_INVALID', message);
}

type Parsed = z.infer<typeof plannerOptionsSchema>;

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

/** Where a model is asked: at the endpoint that is named, else at any that turns out to list it. */
function resolvePlaces(
  key: string,
  given: string | undefined,
  endpoints: readonly ResolvedEndpoint[],
  isBalanced: boolean,
): { endpoint: string; alternatives: readonly string[] } {
  if (given === undefined) {
    if (endpoints.length > 1 && !isBalanced)
      fail(`${key} must name one of the endpoints ${endpoints.map((at) => at.name).join(', ')}, got nothing`);
    const [first, ...others] = endpoints.map((at) => at.name);
    return { endpoint: first as string, alternatives: others };
  }
  if (endpoints.some((at) => at.name === given)) return { endpoint: given, alternatives: [] };
  return fail(
    `${key} must be one of the endpoints ${endpoints.map((at) => at.name).join(', ')}, got ${describeValue(given)}`,
  );
}

function resolveExperts(
  parsed: Parsed,
  profile: Profile,
  domain: Domain,
  endpoints: readonly ResolvedEndpoint[],
  isBalanced: boolean,
): ResolvedExpert[] {
  return parsed.experts.map((expert, index) => {
    const roles = domain.roles.map((role) => role.name);
    if (!roles.includes(expert.role)) {
      fail(`experts[${index}].role must be one of ${roles.join(', ')}, got ${describeValue(expert.role)}`);
    }
    return {
      role: expert.role,
      model: expert.model,
      ...resolvePlaces(`experts[${index}].endpoint`, expert.endpoint, endpoints, isBalanced),
      timeoutMs: expert.timeoutMs ?? parsed.expertTimeoutMs ?? profile.expertTimeoutMs,
      maxTokens: expert.maxTokens ?? profile.maxTokens,
      temperature: expert.temperature ?? 0.2,
      weight: expert.weight ?? 1,
      thinks: expert.thinks ?? thinksByName(expert.model),
    };
  });
}

function resolveSynthesis(
  parsed: Parsed,
  profile: Profile,
  endpoints: readonly ResolvedEndpoint[],
  isBalanced: boolean,
): ResolvedSynthesis {
  const given = parsed.synthesis;
  const models = (given?.models ?? []).slice(0, profile.synthesisModelsMax).map((entry, index) => {
    const { model, endpoint } = typeof entry === 'string' ? { model: entry, endpoint: undefined } : entry;
    const places = resolvePlaces(`synthesis.models[${index}].endpoint`, endpoint, endpoints, isBalanced);
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

function resolveCache(parsed: Parsed, profile: Profile): ResolvedOptions['cache'] {
  if (parsed.cache === false || (parsed.cache === undefined && profile.cache === false)) return false;
  const defaults = (profile.cache === false ? PROFILES.default.cache : profile.cache) as ResolvedCache;
  const { similar, disk, ...given } = defined(parsed.cache ?? {});
  const cache: ResolvedCache = {
    ...defaults,
    ...given,
    // Who says how long a decision is fresh means just that.
    ttl: given.ttl ?? (given.ttlMs === undefined ? defaults.ttl : 'fixed'),
    ...(similar === undefined ? {} : { similar: resolveSimilar(similar, defaults) }),
    ...(disk ? { disk: { path: disk.path, bytesMax: disk.bytesMax ?? DISK_BYTES_DEFAULT } } : {}),
  };
  if (cache.ttl === 'adaptive' && !(cache.ttlMinMs <= cache.ttlMs && cache.ttlMs <= cache.ttlMaxMs)) {
    const bounds = `cache.ttlMinMs and cache.ttlMaxMs (${cache.ttlMinMs} and ${cache.ttlMaxMs})`;
    fail(`cache.ttlMs must be between ${bounds} for an adaptive TTL, got ${cache.ttlMs}`);
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

/** Shared memory is given out before it exists: a store beyond the machine's memory would end the process later. */
export function checkMemory(entries: number, key: string): void {
  const { byteLength } = storeLayout(entries);
  if (byteLength <= totalmem() * MEMORY_SHARE_MAX) return;
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;
  fail(`${key} must fit into memory: ${entries} take ${mebibytes(byteLength)} of ${mebibytes(totalmem())}`);
}

/** Checks and completes options, once. Throws ERR_OPTIONS_INVALID or ERR_DOMAIN_INVALID. */
export function resolveOptions(options: PlannerOptions): ResolvedOptions {
  const result = plannerOptionsSchema.safeParse(options);
  if (!result.success) throw optionsError(options, result.error);
  const parsed = result.data;
  if (parsed.domain === null || typeof parsed.domain !== 'object')
    fail(`domain must be a domain (the built-in skyrim, or one of defineDomain), got ${describeValue(parsed.domain)}`);
  const domain = defineDomain(parsed.domain as Domain);
  const profileName = parsed.profile ?? 'default';
  const profile = PROFILES[profileName];
  const endpoints = resolveEndpoints(parsed, profile);
  const features = { ...profile.features, ...defined(parsed.features ?? {}) };
  const cache = resolveCache(parsed, profile);
  return Object.freeze({
    profile: profileName,
    domain,
    endpoints,
    experts: resolveExperts(parsed, profile, domain, endpoints, features.balancing),
    synthesis: resolveSynthesis(parsed, profile, endpoints, features.balancing),
    timeoutMs: parsed.timeoutMs ?? profile.timeoutMs,
    visionTimeoutMs: parsed.timeoutMs ?? profile.visionTimeoutMs,
    cache,
    chat: resolveChat(parsed.chat),
    singleFlight: parsed.singleFlight ?? profile.singleFlight,
    callRetries: parsed.callRetries ?? profile.callRetries,
    timeSlices: parsed.timeSlices ?? profile.timeSlices,
    quorum: parsed.quorum ?? profile.quorum,
    seats: parsed.seats ?? 'resident',
    features,
    keepsLate: features.lateAnswers && (cache !== false || features.lateRung),
    lateMs: parsed.lateMs ?? 10_000,
    maxInFlight: parsed.maxInFlight ?? 1_024,
    promptActionsMax: parsed.promptActionsMax ?? 64,
    workers: {
      threads: parsed.workers?.threads ?? Math.min(4, Math.max(1, availableParallelism() - 1)),
      tasksPerThread: parsed.workers?.tasksPerThread ?? 512,
      stuckGraceMs: parsed.workers?.stuckGraceMs ?? 400,
    },
    onMissingModel: parsed.onMissingModel ?? 'fail',
    allowOffline: parsed.allowOffline ?? false,
    startTimeoutMs: parsed.startTimeoutMs ?? 3_000,
  });
}
