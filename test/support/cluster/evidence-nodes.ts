import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { openPlanCache } from '../../../src/main/cache/open-plan-cache.ts';
import type { PlanCache } from '../../../src/main/cache/plan-cache.ts';
import { clusterNames } from '../../../src/main/cluster/engine/engine.ts';
import { SharedDomain } from '../../../src/main/cluster/shared-domain.ts';
import { type Clock, stampNow } from '../../../src/shared/clock.ts';
import type { Decision } from '../../../src/shared/decision.ts';
import type { Domain } from '../../../src/shared/domain.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../../src/shared/signature.ts';
import { microtasks, passVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { decision } from '../decisions.ts';
import { EngineModel } from './engine-model.ts';
import { modelSharedDomain } from './shared-domain-model.ts';

/** A node with a real cache. Models are what its caller says that they decide. */
export class EvidenceNode {
  readonly id: string;
  readonly cache: PlanCache;
  readonly shared: SharedDomain | undefined;
  readonly clock: Clock;
  readonly #signer: Signer;
  served = 0;
  wrong = 0;

  constructor(id: string, cache: PlanCache, clock: Clock, domain: Domain, shared: SharedDomain | undefined) {
    this.id = id;
    this.cache = cache;
    this.clock = clock;
    this.shared = shared;
    this.#signer = new Signer(domain);
  }

  /** An agent asks, and models, if they are asked, decide `chosen`. Returns whether memory answered. */
  ask(request: PlanRequest, chosen: string): boolean {
    const words = this.#sign(request);
    const look = this.cache.look(request, words);
    const decided = this.#decided(chosen);
    if (look.kind === 'hit') {
      this.served++;
      if (look.action !== chosen) this.wrong++;
      if (look.again === 'check') this.cache.checked(request, words, look, decided);
    } else this.cache.learn(request, words, look, decided);
    this.cache.took(request, words, chosen, this.clock.now(), look.kind === 'hit');
    return look.kind === 'hit';
  }

  /** Models decide, whatever memory has. */
  decide(request: PlanRequest, chosen: string): void {
    const words = this.#sign(request);
    this.cache.learn(request, words, this.cache.look(request, words), this.#decided(chosen));
  }

  /** What memory would answer now. */
  answer(request: PlanRequest): string | undefined {
    return this.cache.peek(request, this.#sign(request))?.action;
  }

  #sign({ observation, actions }: PlanRequest): Signature {
    return this.#signer.sign(observation, actions, new Int32Array(SIGNATURE_WORDS));
  }

  #decided(action: string): Decision {
    return decision({ action, decidedAtMs: stampNow(this.clock), tally: [{ action, count: 2, weight: 1 }] });
  }
}

/** Time of an answer of the modelled engine, at most. */
const WIRE_MS = 2;

/** Nodes with real caches at one modelled engine, in virtual time. */
export class EvidenceNodes {
  readonly clock = new VirtualClock(5_000);
  readonly model: EngineModel;
  readonly nodes: EvidenceNode[] = [];
  readonly #options: ResolvedCache;
  readonly #domain: Domain;

  constructor(options: ResolvedCache, domain: Domain, seed = 1) {
    this.#options = options;
    this.#domain = domain;
    this.model = new EngineModel({ clock: this.clock, random: seededRandom(seed), names: clusterNames('sim') });
    this.model.skewMs = 1e9;
    modelSharedDomain(this.model);
  }

  /** `isAlone`: it shares nothing. */
  async join(id: string, { isAlone = false, disk = this.#options.disk } = {}): Promise<EvidenceNode> {
    const clock = isAlone ? this.clock : this.model.clockOf(id);
    const random = seededRandom([...id].reduce((sum, char) => 31 * sum + char.charCodeAt(0), 7));
    const options = { cache: { ...this.#options, disk }, domain: this.#domain };
    const cache = await this.settled(openPlanCache(options, clock, random, () => {}));
    if (cache === undefined) throw new Error('no cache was opened');
    const { names } = this.model;
    const parts = { engine: this.model.node(id), names, fingerprint: 'f', clock, random, cache, ttlMaxMs: 1e9 };
    const shared = isAlone ? undefined : new SharedDomain({ ...parts, onCleared: () => cache.clear() });
    const node = new EvidenceNode(id, cache, clock, this.#domain, shared);
    this.nodes.push(node);
    return node;
  }

  /** Ends a node as a process that closes: what it has not sent goes out, and what it knows goes to disk. */
  async leave({ cache, shared }: EvidenceNode): Promise<void> {
    await this.settled(shared?.close() ?? Promise.resolve());
    await this.settled(cache.close());
  }

  /** Lets everything happen but time, until a promise settles that waits for the disk as well. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = (): void => {
      isSettled = true;
    };
    promise.then(mark, mark);
    while (!isSettled) {
      while (this.clock.step(this.clock.now() + WIRE_MS));
      await microtasks();
    }
    return promise;
  }

  get served(): number {
    return this.nodes.reduce((sum, { served }) => sum + served, 0);
  }

  get wrong(): number {
    return this.nodes.reduce((sum, { wrong }) => sum + wrong, 0);
  }

  pass(ms: number): Promise<void> {
    return passVirtual(this.clock, ms);
  }
}
