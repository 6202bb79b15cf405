import type { CacheOptions } from '../../src/main/options/planner-options.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { bestByQValue } from '../../src/shared/plan-request.ts';
import { forkRandom, seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from '../session/live-world.ts';
import { QUICK_MODELS, QUICK_SERVER } from '../session/quick-server.ts';

/** What becomes of the checks of the cache while servers are as busy as a load makes them, and what they cost. */
export interface ChecksFigures {
  readonly checksDue: number;
  readonly checksDone: number;
  readonly checksLost: number;
  /** Share of the time of all slots in which they were taken. */
  readonly load: number;
  /** Plans that models decided, without those from the cache, a second, and the 90th percentile of their times. */
  readonly goodput: number;
  readonly p90Seconds: number;
}

export interface ChecksSetting {
  /** Plans asked for, a second. */
  readonly offered: number;
  readonly seed: number;
  readonly cache?: CacheOptions;
  readonly seconds?: number;
}

const AGENTS = 64;
/** Until times, slots and the cache are learned. */
const WARM_SECONDS = 60;
const SECONDS = 120;
const TIMEOUT_MS = 3_000;
/** A stock server that also tells probabilities. */
const SERVER = { ...QUICK_SERVER, reads: ['systemone', 'logprobs'] as const };
const MODEL_SOURCES: ReadonlySet<string> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);

function openPlanner(clock: VirtualClock, server: VirtualServer, seed: number, cache: CacheOptions): Promise<Planner> {
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: { one: { baseURL: 'http://127.0.0.1:1/v1', slots: 4 } },
      experts: skyrim.roles.map(({ name }, index) => ({ role: name, model: QUICK_MODELS[index % 2] as string })),
      synthesis: { models: [...QUICK_MODELS] },
      timeoutMs: TIMEOUT_MS,
      cache,
    },
    {
      clock,
      random: seededRandom(seed),
      pool: new VirtualPool(skyrim, new Map([['one', server]])),
      client: () => new VirtualClient(server),
    },
  );
  return runVirtual(clock, opening);
}

/** Agents that ask at a given rate, whatever they were answered, in virtual time. */
export async function runChecks({ offered, seed, cache = {}, seconds = SECONDS }: ChecksSetting): Promise<ChecksFigures> {
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...SERVER, seed }, clock);
  const planner = await openPlanner(clock, server, seed, cache);
  const startMs = WARM_SECONDS * 1_000;
  const endMs = startMs + seconds * 1_000;
  const times: number[] = [];
  const checks = () => {
    const { cache: stats } = planner.stats();
    if (stats === false) throw new Error('there is no cache');
    return stats.falseHits.all;
  };
  const busy = { taken: 0, slots: 0 };
  const watch = (): void => {
    for (const { busy: taken, slots } of planner.stats().endpoints) {
      busy.taken += taken;
      busy.slots += slots;
    }
    if (clock.now() < endMs) clock.setTimer(250, watch);
  };
  clock.setTimer(startMs, watch);
  const live = async (agent: LiveAgent): Promise<void> => {
    const random = forkRandom(seed, `${agent.name}'s arrivals`);
    const open: Promise<void>[] = [];
    for (;;) {
      const waitMs = (-Math.log(1 - random.next()) * 1_000 * AGENTS) / offered;
      await new Promise<void>((resolve) => void clock.setTimer(waitMs, resolve));
      if (clock.now() >= endMs) break;
      const isCounted = clock.now() >= startMs;
      const request = agent.request(clock.now() / 1_000, true);
      agent.act(request, bestByQValue(request), clock.now() / 1_000);
      open.push(
        planner.plan(request).then(({ source, latencyMs }) => {
          if (isCounted && MODEL_SOURCES.has(source)) times.push(latencyMs / 1_000);
        }),
      );
    }
    await Promise.all(open);
  };
  const before = new Promise<ReturnType<typeof checks>>((resolve) => clock.setTimer(startMs, () => resolve(checks())));
  const after = new Promise<ReturnType<typeof checks>>((resolve) => clock.setTimer(endMs, () => resolve(checks())));
  await runVirtual(clock, Promise.all(liveAgents(AGENTS, seed).map(live)));
  const [then, now] = await runVirtual(clock, Promise.all([before, after]));
  if (process.env['TELL']) console.error(JSON.stringify({...planner.stats().background, then, now, sources: planner.stats().sources, reads: {...planner.stats().reads as object, calibration: 0}, why: planner.stats().why}));
  await runVirtual(clock, planner.close());
  server.close();
  return {
    checksDue: now.due - then.due,
    checksDone: now.checked - then.checked,
    checksLost: now.lost - then.lost,
    load: busy.taken / busy.slots,
    goodput: times.length / seconds,
    p90Seconds: quantile(times, 0.9),
  };
}
