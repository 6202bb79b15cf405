import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import { seededRandom } from '../../src/shared/random.ts';
import type { ChatCaller } from '../../src/shared/vote-answer.ts';
import { NO_RATES, type SimulatorOptions } from '../../src/workers/simulator/options.ts';
import { runVirtual, type VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';

export const QUICK_MODELS = ['quick/one', 'quick/two'] as const;

/** A server of four slots that decides some twenty plans a second: a small model on a good graphics card. */
export const QUICK_SERVER = {
  slots: 4,
  queueMax: 10_000,
  promptTokensPerSecond: 8_000,
  overheadSeconds: 0.02,
  imageSeconds: 0.05,
  rates: NO_RATES,
  models: QUICK_MODELS.map((id) => ({ id, skill: 0.8, tokensPerSecond: 400, vision: true })),
} as const satisfies SimulatorOptions;

/** The same server, so many times slower in all it does. */
export function slower(times: number, server: SimulatorOptions = QUICK_SERVER): SimulatorOptions {
  return { ...server, speed: 1 / times };
}

/** A server that may be replaced by a slower or quicker one at any moment; what it works on then is worked to its end. */
export class ChangingServer implements ChatCaller {
  readonly #clock: VirtualClock;
  readonly #past: VirtualServer[] = [];
  #now: VirtualServer;

  constructor(clock: VirtualClock, options: SimulatorOptions) {
    this.#clock = clock;
    this.#now = new VirtualServer(options, clock);
  }

  become(options: SimulatorOptions): void {
    this.#past.push(this.#now);
    this.#now = new VirtualServer(options, this.#clock);
  }

  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    return this.#now.chat(call, signal);
  }

  listModels(): Promise<readonly string[]> {
    return Promise.resolve(this.#now.models);
  }

  async close(): Promise<void> {}

  end(): void {
    for (const server of [...this.#past, this.#now]) server.close();
  }
}

export interface ServedPlanner {
  readonly planner: Planner;
  readonly servers: ReadonlyMap<string, ChangingServer>;
  close(): Promise<void>;
}

/** A planner over simulated servers by name, without a cache. Each expert may be asked at every server. */
export async function openServers(
  clock: VirtualClock,
  given: Readonly<Record<string, SimulatorOptions>>,
  seed: number,
  options: Partial<PlannerOptions> = {},
): Promise<ServedPlanner> {
  const servers = new Map(
    Object.entries(given).map(([name, server]) => [name, new ChangingServer(clock, { ...server, seed })]),
  );
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: Object.fromEntries(
        [...servers.keys()].map((name, at) => [name, { baseURL: `http://127.0.0.1:${at + 1}/v1`, slots: 4 }]),
      ),
      experts: skyrim.roles.map(({ name }, index) => ({ role: name, model: QUICK_MODELS[index % 2] as string })),
      synthesis: { models: [...QUICK_MODELS] },
      cache: false,
      singleFlight: false,
      ...options,
    },
    {
      clock,
      random: seededRandom(seed),
      pool: new VirtualPool(skyrim, servers),
      client: ({ name }) => servers.get(name) as ChangingServer,
    },
  );
  const planner = await runVirtual(clock, opening);
  const close = async (): Promise<void> => {
    await runVirtual(clock, planner.close());
    for (const server of servers.values()) server.end();
  };
  return { planner, servers, close };
}
