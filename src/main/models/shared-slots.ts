import type { Clock } from '../../shared/clock.ts';
import type { Random } from '../../shared/random.ts';
import type { ClusterNames, Engine } from '../cluster/engine/engine.ts';
import { serverKey } from '../cluster/leases/server-key.ts';
import { type LeaseStats, SlotLeases } from '../cluster/leases/slot-leases.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';
import type { ModelEndpoint } from './model-endpoint.ts';
import { LeasedGates, type SharedEndpoint } from './slots/leased-gates.ts';

export interface SharedSlotsParts {
  readonly engine: Engine;
  readonly names: ClusterNames;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: Pick<ResolvedOptions, 'endpoints' | 'features' | 'timeoutMs' | 'visionTimeoutMs'> &
    Pick<ResolvedOptions, 'keepsLate' | 'lateMs'>;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  /** The name of this host: a loopback address is another server on each. */
  readonly host: string;
}

/** The budgets of slots that this planner shares with the other nodes of its cluster, one for each model server or machine. */
export class SharedSlots {
  readonly #leases: readonly SlotLeases[];

  constructor(parts: SharedSlotsParts) {
    this.#leases = [...byServer(parts)].map(([server, endpoints]) => leasesFor(parts, server, endpoints));
  }

  stats(): LeaseStats[] {
    return this.#leases.map((leases) => leases.stats());
  }

  /** Gives all leases back. Call before the engine is closed. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#leases.map((leases) => leases.close()));
  }
}

type Endpoints = [SharedEndpoint, ...SharedEndpoint[]];

function byServer({ options, endpoints, host }: SharedSlotsParts): Map<string, Endpoints> {
  const servers = new Map<string, Endpoints>();
  for (const { name, baseURL, machine } of options.endpoints) {
    const at = endpoints.get(name)?.shared;
    if (at === undefined) continue;
    const key = serverKey({ baseURL, machine: options.features.oneMachine ? machine : undefined }, host);
    const known = servers.get(key);
    if (known === undefined) servers.set(key, [at]);
    else known.push(at);
  }
  return servers;
}

function leasesFor(parts: SharedSlotsParts, server: string, endpoints: Endpoints): SlotLeases {
  const { engine, names, clock, random, options } = parts;
  const callMs = Math.max(options.timeoutMs, options.visionTimeoutMs);
  const demand = new LeasedGates({ clock, endpoints, callMs, lateMs: options.keepsLate ? options.lateMs : 0 });
  const leases = new SlotLeases({ engine, names, server, clock, random, demand });
  demand.share(leases);
  return leases;
}
