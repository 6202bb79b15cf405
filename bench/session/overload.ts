import { bestByQValue } from '../../src/shared/plan-request.ts';
import { forkRandom } from '../../src/shared/random.ts';
import { runVirtual } from '../../test/sim/virtual-clock.ts';
import { type LiveAgent, liveAgents } from './live-world.ts';
import { openSession } from './run-session.ts';

/** What many agents get of the overloaded machine when they ask at a given rate, whatever they were answered. */
export interface OverloadFigures {
  /** Plans asked for, a second. */
  readonly offered: number;
  /** Plans that a model decided in time, a second. */
  readonly goodput: number;
  readonly onTime: number;
  readonly legal: number;
  /** Of the agents' shares in the goodput: 1 when all are equal, 1/n when one has it all (Jain, Chiu and Hawe 1984). */
  readonly jain: number;
}

export const MODEL_SOURCES: ReadonlySet<string> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);
/** Left out at the start, until times and slots are learned. */
const WARM_SECONDS = 60;

/** Without the cache and without shared flights, which would take the load off the models. */
export async function runOverload(
  plansPerSecond: number,
  agents: number,
  seconds: number,
  seed: number,
): Promise<OverloadFigures> {
  const { clock, planner, server } = await openSession({ profile: 'default', cache: false, singleFlight: false }, seed);
  const decided = new Map<string, number>();
  const counts = { asked: 0, onTime: 0, legal: 0, good: 0 };
  const endMs = (WARM_SECONDS + seconds) * 1_000;
  const live = async (agent: LiveAgent): Promise<void> => {
    const random = forkRandom(seed, `${agent.name}'s arrivals`);
    decided.set(agent.name, 0);
    const open: Promise<void>[] = [];
    for (;;) {
      const waitMs = (-Math.log(1 - random.next()) * 1_000 * agents) / plansPerSecond;
      await new Promise<void>((resolve) => void clock.setTimer(waitMs, resolve));
      if (clock.now() >= endMs) break;
      const isCounted = clock.now() >= WARM_SECONDS * 1_000;
      const request = agent.request(clock.now() / 1_000);
      agent.act(request, bestByQValue(request), clock.now() / 1_000);
      if (isCounted) counts.asked++;
      open.push(
        planner.plan(request).then((plan) => {
          if (!isCounted) return;
          if (plan.latenessMs === 0) counts.onTime++;
          if (request.actions.includes(plan.action)) counts.legal++;
          if (!MODEL_SOURCES.has(plan.source)) return;
          counts.good++;
          decided.set(agent.name, (decided.get(agent.name) as number) + 1);
        }),
      );
    }
    await Promise.all(open);
  };
  await runVirtual(clock, Promise.all(liveAgents(agents, seed).map(live)));
  await runVirtual(clock, planner.close());
  server.close();
  const { asked, onTime, legal, good } = counts;
  return {
    offered: asked / seconds,
    goodput: good / seconds,
    onTime: onTime / asked,
    legal: legal / asked,
    jain: jainIndex([...decided.values()]),
  };
}

export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, each) => total + each, 0);
  const squares = shares.reduce((total, each) => total + each * each, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
