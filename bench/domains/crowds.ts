import type { AnyPlannerOptions } from '../../src/main/options/planner-options.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import { bestByQValue } from '../../src/shared/plan-request.ts';
import { forkRandom, seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { type LiveAgent, liveAgents } from '../session/live-world.ts';
import { jainIndex, MODEL_SOURCES } from '../session/overload.ts';
import { QUICK_MODELS, QUICK_SERVER } from '../session/quick-server.ts';

export const DOMAINS = ['rover', 'guard', 'trader', 'hunter', 'healer'] as const;

/** What a crowd gets of one server of four slots that can decide a part of its plans. */
export interface CrowdFigures {
  /** Most calls that the server had at once, and with those whose clients had gone. */
  readonly mostAtWork: number;
  readonly mostWithGhosts: number;
  /** Plans that models decided, by the fifth of the agents that is, or would be, a domain. */
  readonly decided: readonly number[];
  readonly jain: number;
  readonly goodput: number;
  readonly onTime: number;
}

const EVERY_MS = 5_000;
const ENDPOINTS = { quick: { baseURL: 'http://127.0.0.1:1/v1', slots: 4 } };
const EXPERTS = skyrim.roles.map(({ name }, index) => ({ role: name, model: QUICK_MODELS[index % 2] as string }));
const COMMON = {
  endpoints: ENDPOINTS,
  experts: EXPERTS,
  synthesis: { models: [...QUICK_MODELS] },
  cache: false,
  singleFlight: false,
} as const;

/** Counts the calls whose clients are still there, and those whose clients have gone while it worked on. */
class CountedServer extends VirtualServer {
  mostAtWork = 0;
  mostWithGhosts = 0;
  #open = 0;

  override async chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    this.mostAtWork = Math.max(this.mostAtWork, ++this.#open);
    try {
      const outcome = super.chat(call, signal);
      const { active, queued } = this.stats();
      this.mostWithGhosts = Math.max(this.mostWithGhosts, active + queued);
      return await outcome;
    } finally {
      this.#open--;
    }
  }
}

interface Opened {
  readonly planner: Planner;
  readonly server: CountedServer;
}

async function open(clock: VirtualClock, seed: number, isSplit: boolean): Promise<Opened> {
  const server = new CountedServer({ ...QUICK_SERVER, seed }, clock);
  const domains = Object.fromEntries(DOMAINS.map((name) => [name, skyrim]));
  const options: AnyPlannerOptions = isSplit ? { ...COMMON, domains } : { ...COMMON, domain: skyrim };
  const opening: Promise<Planner> = createPlanner(options, {
    clock,
    random: seededRandom(seed),
    pool: new VirtualPool(skyrim, new Map([['quick', server]])),
    client: () => new VirtualClient(server),
  });
  return { planner: await runVirtual(clock, opening), server };
}

/** Every agent asks every five seconds. With `isSplit`, each fifth of them is a domain. */
export async function runDomains(
  agents: number,
  seconds: number,
  seed: number,
  isSplit: boolean,
): Promise<CrowdFigures> {
  const clock = new VirtualClock();
  const { planner, server } = await open(clock, seed, isSplit);
  const decided = DOMAINS.map(() => 0);
  const counts = { asked: 0, onTime: 0 };
  const pause = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
  const live = async (agent: LiveAgent, index: number): Promise<void> => {
    const plans: Promise<void>[] = [];
    const fifth = index % DOMAINS.length;
    const named = isSplit ? { domain: DOMAINS[fifth] as string } : {};
    await pause(forkRandom(seed, `${agent.name}'s start`).next() * EVERY_MS);
    while (clock.now() < seconds * 1_000) {
      const request = { ...agent.request(clock.now() / 1_000), ...named };
      agent.act(request, bestByQValue(request), clock.now() / 1_000);
      counts.asked++;
      const plan = planner.plan(request).then(({ source, latenessMs }) => {
        if (latenessMs === 0) counts.onTime++;
        if (MODEL_SOURCES.has(source)) decided[fifth] = (decided[fifth] as number) + 1;
      });
      plans.push(plan);
      await pause(EVERY_MS);
    }
    await Promise.all(plans);
  };
  await runVirtual(clock, Promise.all(liveAgents(agents, seed).map(live)));
  await runVirtual(clock, planner.close());
  server.close();
  const goodput = decided.reduce((sum, each) => sum + each, 0) / seconds;
  const { mostAtWork, mostWithGhosts } = server;
  return {
    mostAtWork,
    mostWithGhosts,
    decided,
    jain: jainIndex(decided),
    goodput,
    onTime: counts.onTime / counts.asked,
  };
}
