import { randomBytes } from 'node:crypto';
import type { Clock } from '../../shared/clock.ts';
import type { Random } from '../../shared/random.ts';
import { ClusterNotices } from './cluster-notices.ts';
import { databaseOf, type ResolvedCluster } from './cluster-options.ts';
import { type ClusterNames, clusterNames, type Engine } from './engine/engine.ts';
import { type EngineStats, RedisEngine } from './engine/redis-engine.ts';
import type { SharedTimes, TimesStats } from './hints/shared-times.ts';
import type { LeaseStats, SlotLeases } from './leases/slot-leases.ts';
import { CLUSTER_LIBRARY } from './library.ts';
import type { SharedDomain, SharedDomainStats } from './shared-domain.ts';

/** What `stats()` reports about the cluster. */
export interface ClusterStats {
  readonly name: string;
  /** A random name of this run of the node. */
  readonly node: string;
  readonly engine: EngineStats;
  /** The slots of each model server that nodes share. */
  readonly leases: readonly LeaseStats[];
  /** What is shared of the times of models; undefined if nothing is. */
  readonly times: TimesStats | undefined;
  /** What is shared of each domain. */
  readonly shared: readonly (SharedDomainStats & { readonly domain: string })[];
}

/** This node's part in a cluster: its way to the engine, and the rooms that use it. */
export class Cluster {
  readonly names: ClusterNames;
  readonly notices: ClusterNotices;
  readonly #name: string;
  readonly #engine: RedisEngine;
  readonly #domains = new Map<string, SharedDomain>();
  readonly #leases: SlotLeases[] = [];
  #times: SharedTimes | undefined;
  #isClosed = false;

  constructor(
    { url, name }: ResolvedCluster,
    clock: Clock,
    random: Random,
    warn: (message: string) => void = () => {},
  ) {
    this.#name = name;
    this.notices = new ClusterNotices(clock, warn);
    this.names = clusterNames(name, databaseOf(url));
    const node = randomBytes(6).toString('hex');
    const onRefused = (fn: string, why: string): void => {
      this.notices.once(
        `refused ${fn}`,
        `the engine of the cluster refuses ${fn} (${why}): this node does without it as long as that lasts`,
      );
    };
    this.#engine = new RedisEngine({
      url,
      node,
      names: this.names,
      library: CLUSTER_LIBRARY,
      clock,
      random,
      onRefused,
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get engine(): Engine {
    return this.#engine;
  }

  /** Connects within `timeoutMs`. Rejects with ERR_CLUSTER_AWAY or ERR_CLUSTER_REFUSED, and goes on trying all the same until it is closed. */
  start(timeoutMs: number): Promise<void> {
    return this.#engine.start(timeoutMs);
  }

  shareDomain(name: string, domain: SharedDomain): void {
    this.#domains.set(name, domain);
  }

  shareSlots(leases: SlotLeases): void {
    this.#leases.push(leases);
  }

  shareTimes(times: SharedTimes): void {
    this.#times = times;
  }

  stats(): ClusterStats {
    return {
      name: this.#name,
      node: this.#engine.node,
      engine: this.#engine.stats(),
      leases: this.#leases.map((each) => each.stats()),
      times: this.#times?.stats(),
      shared: [...this.#domains].map(([domain, shared]) => ({ domain, ...shared.stats() })),
    };
  }

  /** Sends what waits, gives back all leases, and ends the connections: within half a second, also if the engine does not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#times?.close();
    this.notices.close();
    await Promise.all([...this.#domains.values(), ...this.#leases].map((each) => each.close()));
    this.#engine.close();
  }
}
