import { ttlMaxOf } from '../../../src/main/cache/cache-options.ts';
import { openPlanCache } from '../../../src/main/cache/open-plan-cache.ts';
import { clusterNames } from '../../../src/main/cluster/engine/engine.ts';
import { fingerprintOf } from '../../../src/main/cluster/log/fingerprint.ts';
import { SharedDomain } from '../../../src/main/cluster/shared-domain.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { Planner } from '../../../src/main/plans/planner.ts';
import { makeParts } from '../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { passVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { type Behaviour, FakeModels } from '../fake-models.ts';
import { testDomain, testOptions } from '../make-planner.ts';
import { EngineModel } from './engine-model.ts';
import { modelSharedDomain } from './shared-domain-model.ts';

export interface PlannerNode {
  readonly id: string;
  readonly planner: Planner;
  readonly models: FakeModels;
  readonly shared: SharedDomain;
}

/** Planners over scripted models, at one modelled engine, in virtual time. */
export class PlannerNodes implements AsyncDisposable {
  readonly clock = new VirtualClock(5_000);
  readonly model: EngineModel;
  readonly nodes: PlannerNode[] = [];
  fingerprint = '';

  static async open(
    count: number,
    script: (call: { role: string | undefined; model: string; nth: number; node: string }) => Behaviour,
    options: Partial<PlannerOptions> = {},
    seed = 1,
  ): Promise<PlannerNodes> {
    const cluster = new PlannerNodes(seed);
    for (let i = 0; i < count; i++) {
      const id = `n${i}`;
      cluster.nodes.push(await cluster.#join(id, (call) => script({ ...call, node: id }), options, seed));
    }
    await cluster.pass(100);
    return cluster;
  }

  private constructor(seed: number) {
    this.model = new EngineModel({ clock: this.clock, random: seededRandom(seed), names: clusterNames('sim') });
    this.model.skewMs = 1e9;
    modelSharedDomain(this.model);
  }

  async #join(
    id: string,
    script: ConstructorParameters<typeof FakeModels>[1],
    given: Partial<PlannerOptions>,
    seed: number,
  ): Promise<PlannerNode> {
    const cached = { ...testOptions, cache: { checkShare: 0, refreshAhead: false }, ...given };
    const options = resolveOptions(cached);
    const clock = this.model.clockOf(id, 1_000 * this.nodes.length);
    const random = seededRandom(seed + this.nodes.length);
    const models = new FakeModels(clock, script);
    const cache = await openPlanCache(options, clock, random, () => {});
    const seats = options.experts.map(({ role, model }) => ({ role, model }));
    this.fingerprint = fingerprintOf({ domain: testDomain, seats, prompt: '' });
    const sharing = { onCleared: () => {} };
    const shared = new SharedDomain({
      engine: this.model.node(id),
      names: this.model.names,
      fingerprint: this.fingerprint,
      clock,
      random,
      cache,
      ttlMaxMs: options.cache === false ? 0 : ttlMaxOf(options.cache),
      onCleared: () => sharing.onCleared(),
    });
    const callers = new Map(options.endpoints.map(({ name }) => [name, models]));
    const parts = { ...makeParts(options, { clock, random, pool: models, callers }), states: shared.states };
    const domain = { name: 'test', parts, cache, sharing };
    const planner = new Planner([domain], NO_CHATS, undefined, random, async () => shared.close());
    return { id, planner, models, shared };
  }

  /** Experts and syntheses that were asked, at all nodes. */
  get asked(): number {
    return this.nodes.reduce((sum, { models }) => sum + models.calls.length, 0);
  }

  pass(ms: number): Promise<void> {
    return passVirtual(this.clock, ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.all(this.nodes.map(({ planner }) => planner.close()));
    await this.pass(100);
    await closed;
  }
}

export const NO_CHATS = {
  stats: () => undefined,
  clearCache: () => {},
  shut: () => {},
  idle: async () => {},
  close: async () => {},
};
