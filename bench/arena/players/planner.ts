import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import type { Planner } from '../../../src/main/plans/planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { VirtualPool, type VirtualServer } from '../../../test/sim/virtual-server.ts';
import { ArenaClient } from '../model-server.ts';
import { fallback, type Player, type PlayerReport, type Sight, type Table } from '../player.ts';
import { MODEL_ID } from '../policy.ts';
import type { World } from '../world.ts';

const ENDPOINT = 'machine';
const AGENT = 'agent';
/** How likely the agent does what is in hand before anything was decided. */
const UNSURE = 0.5;

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

function requestOf({ observation, actions, qValues }: Sight): PlanRequest {
  return { agent: AGENT, observation, actions, ...(qValues === undefined ? {} : { qValues }) };
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

  /** The plan of the present step. */
  get plan(): Promise<Plan> | undefined {
    return this.#plan;
  }

  begin(sight: Sight, _expect?: (action: string) => Sight): void {
    this.#plan = this.#planner.plan(requestOf(sight), { timeoutMs: this.#stepMs });
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

/** As its host knows what the agent will do, it tells the state that this leads to. */
export class ToldPlayer extends PlannerPlayer {
  readonly #told: Planner;
  readonly #table: Table;
  #step = 0;

  constructor(planner: Planner, table: Table) {
    super(planner, table.stepMs);
    this.#told = planner;
    this.#table = table;
  }

  override begin(sight: Sight, expect: (action: string) => Sight): void {
    const step = ++this.#step;
    const endMs = this.#table.clock.now() + this.#table.stepMs;
    const tell = (action: string, likelihood: number): void => {
      if (step !== this.#step) return;
      const inMs = Math.max(0, endMs - this.#table.clock.now());
      this.#told.expect([{ ...requestOf(expect(action)), inMs, likelihood }]);
    };
    super.begin(sight);
    const known = this.#told.peek(requestOf(sight))?.action;
    tell(known ?? fallback(sight), known === undefined ? UNSURE : 1);
    void this.plan?.then(({ action }) => tell(action, 1));
  }
}
