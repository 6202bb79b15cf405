import type { ResolvedCache } from '../../src/main/cache/cache-options.ts';
import type { Hit, Look, Miss } from '../../src/main/cache/look.ts';
import { PlanCache, type SharedStore } from '../../src/main/cache/plan-cache.ts';
import type { PanelAgreement } from '../../src/main/cache/standing/tier-standing.ts';
import type { Decision } from '../../src/shared/decision.ts';
import { type Domain, defineDomain, type Observation } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../src/shared/signature.ts';
import { decision } from './decisions.ts';
import { FakeClock } from './fake-clock.ts';

/** One number, so that the distance of two states is that of their health by 100. Each ten of it is a state. */
export const cacheDomain = defineDomain({
  name: 'cache test',
  features: {
    scene: { kind: 'category' },
    health: { kind: 'number', edges: [10, 20, 30, 40, 50, 60, 70, 80, 90], range: [0, 100] },
  },
});

/** A fixed TTL and everything else switched off, so that a test names what it is about. */
export const PLAIN_CACHE: ResolvedCache = {
  entries: 20,
  ttl: 'fixed',
  ttlMs: 120_000,
  ttlMinMs: 5_000,
  ttlMaxMs: 1_800_000,
  similar: false,
  checkShare: 0,
  checkReserve: 0,
  errorBudget: false,
  habit: true,
  loopGuard: false,
  cycleGuard: false,
  trust: 'always',
  valuesMin: false,
  refreshAhead: false,
  agentsMax: 100,
  disk: false,
};

export function seen(observation: Partial<Observation> = {}, rest: Partial<PlanRequest> = {}): PlanRequest {
  return {
    agent: 'lydia',
    observation: { scene: 'combat', health: 50, ...observation },
    actions: ['attack', 'block', 'flee'],
    ...rest,
  };
}

/** A state that differs from all others in its gates. */
export function state(id: number): PlanRequest {
  return seen({ scene: `scene ${id}` });
}

export interface CacheParts {
  readonly domain?: Domain;
  readonly clock?: FakeClock;
  readonly random?: Random;
  readonly models?: PanelAgreement;
  readonly shared?: SharedStore;
}

const MISS: Miss = {
  kind: 'miss',
  stale: undefined,
  inVain: undefined,
  standing: undefined,
  isCycle: false,
  shadow: undefined,
  tier: 'exact',
  judgement: undefined,
};

/** The real cache, called by request alone. Signs each into words of its own, as if every caller were another one. */
export class CacheUnderTest {
  readonly cache: PlanCache;
  readonly clock: FakeClock;
  readonly #signer: Signer;

  constructor(options: Partial<ResolvedCache> = {}, parts: CacheParts = {}, cache?: PlanCache) {
    const { domain = cacheDomain, clock = new FakeClock(500), random = seededRandom(1), models, shared } = parts;
    this.clock = clock;
    this.#signer = new Signer(domain);
    this.cache = cache ?? new PlanCache({ ...PLAIN_CACHE, ...options }, domain, clock, random, models, shared);
  }

  sign(request: PlanRequest): Signature {
    return this.#signer.sign(request.observation, request.actions, new Int32Array(SIGNATURE_WORDS));
  }

  look(request: PlanRequest): Look {
    return this.cache.look(request, this.sign(request));
  }

  /** What is served, or undefined. */
  served(request: PlanRequest): Hit | undefined {
    const look = this.look(request);
    return look.kind === 'hit' ? look : undefined;
  }

  missed(request: PlanRequest): Miss {
    const look = this.look(request);
    if (look.kind !== 'miss') throw new Error(`${look.action} was served for ${JSON.stringify(request)}`);
    return look;
  }

  peek(request: PlanRequest): Decision | undefined {
    return this.cache.peek(request, this.sign(request));
  }

  /** Models decide for a state that is not known. Nothing is looked at or counted. */
  teach(request: PlanRequest, of: Partial<Decision> = {}): void {
    this.learn(request, MISS, of);
  }

  learn(request: PlanRequest, look: Look, of: Partial<Decision> = {}): void {
    this.cache.learn(request, this.sign(request), look, this.#decided(of));
  }

  checked(request: PlanRequest, hit: Hit, of: Partial<Decision> = {}): void {
    this.cache.checked(request, this.sign(request), hit, this.#decided(of));
  }

  addVotes(request: PlanRequest, of: Partial<Decision> = {}): void {
    const one = { tally: [{ action: of.action ?? 'attack', count: 1, weight: 0.5 }] };
    this.cache.addVotes(request, this.sign(request), this.#decided({ ...one, ...of }));
  }

  took(request: PlanRequest, action: string, isFromMemory = false): void {
    this.cache.took(request, this.sign(request), action, this.clock.now(), isFromMemory);
  }

  #decided(of: Partial<Decision>): Decision {
    const { action = 'attack' } = of;
    return decision({ decidedAtMs: this.clock.wallNow(), tally: [{ action, count: 1, weight: 0.5 }], ...of });
  }
}
