import { hostname } from 'node:os';
import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Random } from '../../shared/random.ts';
import { renderSystem } from '../../shared/situation.ts';
import { ttlMaxOf } from '../cache/cache-options.ts';
import { Cluster } from '../cluster/cluster.ts';
import { type OwnTimes, SharedTimes } from '../cluster/hints/shared-times.ts';
import { serverKey } from '../cluster/leases/server-key.ts';
import { SlotLeases } from '../cluster/leases/slot-leases.ts';
import { fingerprintOf } from '../cluster/log/fingerprint.ts';
import { SharedDomain } from '../cluster/shared-domain.ts';
import type { ModelEndpoint } from '../models/model-endpoint.ts';
import { LeasedGates } from '../models/slots/leased-gates.ts';
import { CALL_KINDS } from '../models/time/latency-profile.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';
import type { DomainParts } from '../plans/domain-core.ts';

/** Connects to the engine of the cluster, if the options name one. Rejects if that fails, unless a start without it is allowed. */
export async function openCluster(
  { cluster: options, allowOffline, startTimeoutMs }: ResolvedOptions,
  clock: Clock,
  random: Random,
  warn: (message: string) => void,
): Promise<Cluster | undefined> {
  if (options === undefined) return undefined;
  const cluster = new Cluster(options, clock, random, warn);
  try {
    await cluster.start(startTimeoutMs);
  } catch (error) {
    if (!allowOffline) {
      await cluster.close();
      throw error;
    }
    warn(`${messageOf(error)}; this node goes on alone until it is there (allowOffline)`);
  }
  let wasUp = cluster.engine.isUp;
  let joined = wasUp ? 'joined again' : 'joined';
  cluster.engine.onChange((isUp) => {
    if (isUp === wasUp || cluster.isClosed) return;
    wasUp = isUp;
    cluster.notices.changed(isUp ? `the cluster is ${joined}` : awayText(cluster));
    joined = 'joined again';
  });
  return cluster;
}

function poisonedText(domain: string): string {
  return `entries for ${domain} at the engine of the cluster are damaged, or from no node: they are dropped, and counted as poisoned`;
}

function awayText(cluster: Cluster): string {
  const { url, why } = cluster.stats().engine;
  return `the engine of the cluster at ${url} is away (${why}): this node goes on alone, with its share of the slots`;
}

/** From now on the endpoints give out no more slots than this node has leases for. Endpoints of one machine, or one address, share theirs. */
export function shareSlots(
  cluster: Cluster,
  options: ResolvedOptions,
  endpoints: ReadonlyMap<string, ModelEndpoint>,
  clock: Clock,
  random: Random,
): void {
  const byServer = new Map<string, ModelEndpoint[]>();
  for (const endpoint of options.endpoints) {
    const server = serverKey(endpoint, hostname());
    byServer.set(server, [...(byServer.get(server) ?? []), endpoints.get(endpoint.name) as ModelEndpoint]);
  }
  for (const [server, [first, ...others]] of byServer) {
    if (first === undefined) continue;
    const demand = new LeasedGates({
      clock,
      endpoints: [first.shared, ...others.map(({ shared }) => shared)],
      callMs: Math.max(options.timeoutMs, options.visionTimeoutMs),
      lateMs: options.lateMs,
    });
    const leases = new SlotLeases({ engine: cluster.engine, names: cluster.names, server, clock, random, demand });
    demand.share(leases);
    cluster.shareSlots(leases);
  }
}

/** From now on models of which nothing is known start with the times that other nodes have measured at the same servers. */
export function shareTimes(
  cluster: Cluster,
  { endpoints: addresses, experts, synthesis }: ResolvedOptions,
  endpoints: ReadonlyMap<string, ModelEndpoint>,
  clock: Clock,
): void {
  const models = new Set([...experts, ...synthesis.models].map(({ model }) => model));
  const places = addresses.map(({ name, baseURL }) => ({
    server: serverKey({ baseURL }, hostname()),
    profiles: (endpoints.get(name) as ModelEndpoint).profiles,
  }));
  const named = new Map<string, (saved: unknown) => 'adopted' | 'known' | 'poisoned'>();
  for (const { server, profiles } of places) {
    for (const model of models) {
      for (const kind of CALL_KINDS) {
        named.set(JSON.stringify([server, model, kind]), (saved) => profiles.adopt(model, kind, saved));
      }
    }
  }
  const measured = function* (): Generator<OwnTimes> {
    for (const { server, profiles } of places) {
      for (const { model, kind, ...times } of profiles.measured()) {
        const name = JSON.stringify([server, model, kind]);
        if (named.has(name)) yield { name, ...times };
      }
    }
  };
  const memory = { measured, adopt: (name: string, saved: unknown) => named.get(name)?.(saved) ?? 'known' };
  cluster.shareTimes(new SharedTimes({ engine: cluster.engine, names: cluster.names, clock, memory }));
}

/** From now on a domain's decisions, flights and last acts are shared. Returns the domain with what its flights claim states from. */
export function shareDomain(cluster: Cluster, { name, parts, cache }: DomainParts, random: Random): DomainParts {
  const { options, clock } = parts;
  const { domain, experts, synthesis } = options;
  const synthesizers = synthesis.models.map(({ model }) => ({ role: 'synthesis', model }));
  const sharing = { onCleared: () => {} };
  const shared = new SharedDomain({
    engine: cluster.engine,
    names: cluster.names,
    fingerprint: fingerprintOf({ domain, seats: [...experts, ...synthesizers], prompt: renderSystem(domain) }),
    clock,
    random,
    cache,
    ttlMaxMs: options.cache === false ? 0 : ttlMaxOf(options.cache),
    onCleared: () => sharing.onCleared(),
    onPoisoned: () => cluster.notices.once(`poisoned ${name}`, poisonedText(name)),
  });
  cluster.shareDomain(name, shared);
  return { name, cache, sharing, parts: { ...parts, states: shared.states } };
}
