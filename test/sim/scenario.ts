import { FEATURE_NAMES } from '../../src/main/options/features.ts';
import {
  type CacheOptions,
  type EndpointOptions,
  type ExpertOptions,
  type PlannerOptions,
  QUORUM_RULES,
  SYNTHESIS_WHEN,
} from '../../src/main/options/planner-options.ts';
import { PROFILES, type ProfileName } from '../../src/main/options/profiles.ts';
import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';
import { crowdDomain } from './crowd.ts';
import { WORKER_FAULTS, type WorkerEpisode } from './faulty-pool.ts';
import type { Episode, ServerSetting } from './faulty-server.ts';
import { drawFault } from './server-faults.ts';

/**
 * A time of some trouble, of trouble everywhere and all the time, or of calm with enough time for all. After each of them
 * the servers are well again.
 */
export interface Act {
  readonly mood: 'trouble' | 'misery' | 'calm';
  readonly fromMs: number;
  readonly untilMs: number;
  readonly events: readonly SimEvent[];
}

export type SimEvent = { readonly atMs: number } & (
  | { readonly kind: 'burst'; readonly plans: number; readonly timeoutMs: readonly [least: number, most: number] }
  | { readonly kind: 'stall' | 'wall'; readonly ms: number }
  | { readonly kind: 'clear' }
);

/** Everything that a seed chooses before the clock starts. */
export interface Scenario {
  readonly options: PlannerOptions;
  readonly servers: readonly ServerSetting[];
  readonly episodes: ReadonlyMap<string, readonly Episode[]>;
  readonly workerEpisodes: readonly WorkerEpisode[];
  readonly graceMs: number;
  readonly acts: readonly Act[];
  readonly agents: number;
  readonly states: number;
  /** Undefined: at the end. */
  readonly closeAtMs: number | undefined;
  /** Whether there is any model to ask. */
  readonly hasModels: boolean;
}

/** Each part has a generator of its own, so that a change to one does not shift the others. */
export function scenarioOf(seed: number): Scenario {
  const random = forkRandom(seed, 'scenario');
  const servers = chosenServers(forkRandom(seed, 'servers'));
  const acts = chosenActs(forkRandom(seed, 'acts'));
  const troubles = forkRandom(seed, 'troubles');
  const options = chosenOptions(forkRandom(seed, 'options'), servers);
  const last = acts.at(-1) as Act;
  return {
    options,
    servers,
    episodes: new Map(servers.map(({ name }) => [name, acts.flatMap((act) => chosenEpisodes(troubles, act))])),
    workerEpisodes: acts.flatMap((act) => chosenWorkerEpisodes(troubles, act)),
    graceMs: pick(random, [50, 400]),
    acts,
    agents: pick(random, [1, 3, 20, 60]),
    states: pick(random, [1, 4, 20]),
    closeAtMs: random.next() < 0.25 ? random.next() * last.untilMs : undefined,
    hasModels: options.experts.length + (options.synthesis?.models.length ?? 0) > 0,
  };
}

function chosenServers(random: Random): ServerSetting[] {
  const models = ['phi-reasoning', 'nemo', 'qwen', 'gemma'].slice(0, 1 + randomIndex(random, 4));
  return ['east', 'west', 'north'].slice(0, 1 + randomIndex(random, 3)).map((name) => ({
    name,
    models,
    slots: pick(random, [1, 1, 2, 4, 16]),
    tellsSlots: random.next() < 0.5,
    keepsSchema: random.next() < 0.6,
    readMs: pick(random, [2, 20, 100, 250]),
    tokenMs: pick(random, [1, 10, 40]),
    loadMs: pick(random, [50, 300]),
    coldLoadMs: pick(random, [5_000, 60_000]),
    sigma: pick(random, [0, 0.1, 0.4]),
    loadedMax: random.next() < 0.8 ? models.length : 1,
    abortMs: pick(random, [1, 40, 200]),
  }));
}

// Trouble ---------------------------------------------------------------------------------------------------------

const PLANS_MAX = 90;
const MOODS = ['trouble', 'trouble', 'trouble', 'misery', 'calm', 'calm'] as const;

function chosenActs(random: Random): Act[] {
  const acts: Act[] = [];
  let fromMs = 100;
  let plans = PLANS_MAX;
  const count = 1 + randomIndex(random, 3);
  for (let act = 0; act < count; act++) {
    const untilMs = fromMs + pick(random, [500, 3_000, 10_000, 30_000]);
    const events: SimEvent[] = [];
    const at = (): number => fromMs + random.next() * (untilMs - fromMs);
    const mood = pick(random, MOODS);
    const isCalm = mood === 'calm';
    const timeoutMs = isCalm ? ([1_000, 10_000] as const) : ([20, pick(random, [100, 1_000, 10_000, 30_000])] as const);
    for (let left = Math.ceil(plans / (count - act)); left > 0; ) {
      const size = Math.min(left, pick(random, isCalm ? [1, 1, 3, 12] : [1, 1, 2, 5, 30]));
      events.push({ atMs: at(), kind: 'burst', plans: size, timeoutMs });
      plans -= size;
      left -= size;
    }
    if (random.next() < 0.3) events.push({ atMs: at(), kind: 'stall', ms: pick(random, [5, 100, 1_500, 20_000]) });
    if (random.next() < 0.3)
      events.push({ atMs: at(), kind: 'wall', ms: pick(random, [-3_600_000, -5_000, 7_000, 1e9]) });
    if (random.next() < 0.2) events.push({ atMs: at(), kind: 'clear' });
    acts.push({ mood, fromMs, untilMs, events });
    // Time enough for plans and late work to end, and for all to be well again.
    fromMs = untilMs + 200_000;
  }
  return acts;
}

function chosenSpan(random: Random, { fromMs, untilMs }: Act): { fromMs: number; untilMs: number } {
  if (random.next() < 0.3) return { fromMs, untilMs };
  const [from, until] = [random.next(), random.next()].sort() as [number, number];
  return { fromMs: fromMs + from * (untilMs - fromMs), untilMs: fromMs + until * (untilMs - fromMs) };
}

function chosenEpisodes(random: Random, act: Act): Episode[] {
  const count = { calm: 0, misery: 1, trouble: randomIndex(random, 4) }[act.mood];
  return Array.from({ length: count }, () => ({
    fault: drawFault(random),
    ...(act.mood === 'misery'
      ? { share: 1, fromMs: act.fromMs, untilMs: act.untilMs }
      : { share: pick(random, [0.1, 0.5, 1]), ...chosenSpan(random, act) }),
  }));
}

function chosenWorkerEpisodes(random: Random, act: Act): WorkerEpisode[] {
  if (act.mood === 'calm' || random.next() < 0.5) return [];
  const fault = pick(random, WORKER_FAULTS);
  return [{ fault, share: pick(random, [0.05, 0.3, 1]), ...chosenSpan(random, act) }];
}

// Options ---------------------------------------------------------------------------------------------------------

/** A member that is there in a share of the runs. */
function maybe<T>(random: Random, share: number, member: () => T): T | Record<string, never> {
  return random.next() < share ? member() : {};
}

function chosenOptions(random: Random, servers: readonly ServerSetting[]): PlannerOptions {
  const profile: ProfileName = pick(random, ['default', 'default', 'default', 'november', 'unoptimized']);
  const features = Object.fromEntries(
    FEATURE_NAMES.filter((name) => name !== 'foresight').map((name) => [
      name,
      PROFILES[profile].features[name] !== random.next() < 0.12,
    ]),
  );
  const isBalanced = features.balancing === true;
  const place = (): { model: string; endpoint?: string } => {
    const { name, models } = pick(random, servers);
    const model = pick(random, models);
    return isBalanced && random.next() < 0.6 ? { model } : { model, endpoint: name };
  };
  const roles = crowdDomain.roles.map(({ name }) => name);
  const experts: ExpertOptions[] = Array.from({ length: pick(random, [0, 1, 2, 3, 4, 4, 5]) }, (_, index) => ({
    role: roles[index % roles.length] as string,
    ...place(),
    ...maybe(random, 0.2, () => ({ weight: pick(random, [0.5, 2, 10]) })),
    ...maybe(random, 0.2, () => ({ timeoutMs: pick(random, [3_000, 25_000]) })),
  }));
  return {
    profile,
    domain: crowdDomain,
    endpoints: Object.fromEntries(servers.map((server) => [server.name, chosenEndpoint(random, server)])),
    experts,
    synthesis: {
      models: Array.from({ length: pick(random, [0, 1, 2, 2, 3]) }, place),
      ...maybe(random, 0.3, () => ({ when: pick(random, SYNTHESIS_WHEN) })),
      ...maybe(random, 0.3, () => ({ timeoutMs: pick(random, [3_000, 20_000]) })),
    },
    ...maybe(random, 0.5, () => ({ timeoutMs: pick(random, [1_000, 5_000, 30_000]) })),
    features,
    ...maybe(random, 0.85, () => ({ cache: random.next() < 0.15 ? (false as const) : chosenCache(random) })),
    ...maybe(random, 0.3, () => ({ singleFlight: random.next() < 0.5 })),
    ...maybe(random, 0.2, () => ({ timeSlices: random.next() < 0.5 })),
    ...maybe(random, 0.4, () => ({ quorum: pick(random, QUORUM_RULES) })),
    ...maybe(random, 0.3, () => ({ lateMs: pick(random, [0, 500, 10_000]) })),
    ...maybe(random, 0.3, () => ({ callRetries: randomIndex(random, 3) })),
    ...maybe(random, 0.4, () => ({ maxInFlight: pick(random, [1, 3, 20]) })),
    ...maybe(random, 0.2, () => ({ promptActionsMax: pick(random, [1, 2, 3]) })),
    ...maybe(random, 0.4, () => ({ foresight: { experience: true, share: pick(random, [0, 0.2, 1]) } })),
  };
}

function chosenEndpoint(random: Random, { slots }: ServerSetting): EndpointOptions {
  return {
    baseURL: 'http://127.0.0.1:9/v1',
    ...maybe(random, 0.3, () => ({ slots })),
    ...maybe(random, 0.3, () => ({ maxConcurrent: pick(random, [1, 2, 8]) })),
    ...maybe(random, 0.2, () => ({ staggerMs: pick(random, [0, 1, 50]) })),
  };
}

function chosenCache(random: Random): CacheOptions {
  return {
    ...maybe(random, 0.7, () => ({ entries: pick(random, [1, 2, 5, 50]) })),
    ...maybe(random, 0.5, () => ({ ttlMs: pick(random, [1, 100, 2_000, 20_000]) })),
    ...maybe(random, 0.2, () => ({ ttl: 'adaptive' as const, ttlMs: 2_000, ttlMinMs: 50, ttlMaxMs: 10_000 })),
    ...maybe(random, 0.4, () => ({ similar: random.next() < 0.5 ? (false as const) : { distanceMax: random.next() } })),
    ...maybe(random, 0.6, () => ({ checkShare: pick(random, [0, 0.3, 1, 1]) })),
    ...maybe(random, 0.3, () => ({ errorBudget: pick(random, [0.02, 0.3, 0.9]) })),
    ...maybe(random, 0.3, () => ({ loopGuard: random.next() < 0.5 })),
    ...maybe(random, 0.4, () => ({ valuesMin: random.next() < 0.5 ? (false as const) : random.next() })),
    ...maybe(random, 0.3, () => ({ refreshAhead: random.next() < 0.5 })),
    ...maybe(random, 0.5, () => ({ trust: pick(random, ['earned', 'always'] as const) })),
    ...maybe(random, 0.2, () => ({ cycleGuard: random.next() < 0.5 })),
    ...maybe(random, 0.2, () => ({ agentsMax: pick(random, [1, 2]) })),
  };
}
