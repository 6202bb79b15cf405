import { bestByQValue } from '../../src/shared/plan-request.ts';
import { forkRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { type LiveAgent, liveAgents } from './live-world.ts';
import { jainIndex, MODEL_SOURCES } from './overload.ts';
import { openServers, QUICK_SERVER } from './quick-server.ts';

/** What a thousand agents get of a server that can decide one plan in eight. */
export interface CrowdFigures {
  readonly offered: number;
  /** Plans that a model decided, a second. */
  readonly goodput: number;
  readonly onTime: number;
  /** Of the agents' shares in the goodput. */
  readonly jain: number;
  /** Share of the agents that never had a decision of a model. */
  readonly without: number;
  /** What the planner refused at its bound. */
  readonly refused: number;
}

const AGENTS = 1_000;
const EVERY_MS = 5_000;

/** Each agent asks every five seconds, whatever it was answered, and begins somewhere in the first five. */
export async function runCrowd(seconds: number, seed: number, timeoutMs?: number): Promise<CrowdFigures> {
  const clock = new VirtualClock();
  const { planner, close } = await openServers(clock, { quick: QUICK_SERVER }, seed, {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const decided = new Map<string, number>();
  const counts = { asked: 0, onTime: 0, refused: 0 };
  const live = async (agent: LiveAgent): Promise<void> => {
    const random = forkRandom(seed, `${agent.name}'s start`);
    decided.set(agent.name, 0);
    const open: Promise<void>[] = [];
    const pause = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
    await pause(random.next() * EVERY_MS);
    while (clock.now() < seconds * 1_000) {
      const request = agent.request(clock.now() / 1_000);
      agent.act(request, bestByQValue(request), clock.now() / 1_000);
      counts.asked++;
      open.push(
        planner.plan(request).then(
          (plan) => {
            if (plan.latenessMs === 0) counts.onTime++;
            if (MODEL_SOURCES.has(plan.source)) decided.set(agent.name, (decided.get(agent.name) as number) + 1);
          },
          () => void counts.refused++,
        ),
      );
      await pause(EVERY_MS);
    }
    await Promise.all(open);
  };
  await runVirtual(clock, Promise.all(liveAgents(AGENTS, seed).map(live)));
  await close();
  const shares = [...decided.values()];
  return {
    offered: counts.asked / seconds,
    goodput: shares.reduce((sum, each) => sum + each, 0) / seconds,
    onTime: counts.onTime / (counts.asked - counts.refused),
    jain: jainIndex(shares),
    without: shares.filter((share) => share === 0).length / AGENTS,
    refused: counts.refused / counts.asked,
  };
}
