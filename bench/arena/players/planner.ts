import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import type { Planner } from '../../../src/main/plans/planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { VirtualPool, type VirtualServer } from '../../../test/sim/virtual-server.ts';
import { ArenaClient } from '../model-server.ts';
import type { Player, PlayerReport, Sight, Table } from '../player.ts';
import { MODEL_ID } from '../policy.ts';
import type { World } from '../world.ts';

const ENDPOINT = 'machine';
const AGENT = 'agent';

/** The options of a user who has one model server, one model, and reads no further. */
export function plannerOptions(world: World, baseURL: string, options: Partial<PlannerOptions>): PlannerOptions {
  return {
    domain: world.domain,
    endpoints: { [ENDPOINT]: { baseURL } },
    experts: world.domain.roles.map(({ name }) => ({ role: name, model: MODEL_ID })),
    synthesis: { models: [MODEL_ID] },
    ...options,
  };
}

export function openPlanner(
  table: Table & { server: VirtualServer },
  options: Partial<PlannerOptions>,
): Promise<Planner> {
  const { world, clock, seed, server } = table;
  return createPlanner(plannerOptions(world, 'http://127.0.0.1:9/v1', options), {
    clock,
    random: seededRandom(seed),
    pool: new VirtualPool(world.domain, new Map([[ENDPOINT, server]])),
    client: () => new ArenaClient(server),
  });
}

/** Asks a planner at the beginning of each step, with the whole step for it. */
export class PlannerPlayer implements Player {
  readonly #planner: Planner;
  readonly #stepMs: number;
  #plan: Promise<Plan> | undefined;
  #lateMax = 0;

  constructor(planner: Planner, stepMs: number) {
    this.#planner = planner;
    this.#stepMs = stepMs;
  }

  begin({ observation, actions, qValues }: Sight): void {
    const request = { agent: AGENT, observation, actions, ...(qValues === undefined ? {} : { qValues }) };
    this.#plan = this.#planner.plan(request, { timeoutMs: this.#stepMs });
  }

  async act(): Promise<string> {
    const { action, latenessMs } = await (this.#plan as Promise<Plan>);
    this.#lateMax = Math.max(this.#lateMax, latenessMs);
    return action;
  }

  async close(): Promise<PlayerReport> {
    const { calls, sources } = this.#planner.stats();
    await this.#planner.close();
    return { calls: calls.made, sources, lateMax: this.#lateMax };
  }
}
