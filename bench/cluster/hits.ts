import { createPlanner, type PlannerOptions, skyrim } from '../../src/main/index.ts';
import { FaultyProxy } from '../../test/support/faulty-proxy.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import { median } from '../figures.ts';
import { requestOf } from '../requests.ts';
import { startServer } from '../start-server.ts';
import { after, FleetNode } from './fleet.ts';

const STATES = 500;
/** The default of the cache. Both are full from the start, since more memory is slower by itself. */
const ENTRIES = 2_000;
const ROUNDS = 60;
const HITS = 20_000;
/** Agents of the other node and the mean of their pauses, in milliseconds: some 1,000 decisions a second where there is a core for it. */
const WRITERS = 64;
const THINK_MS = 20;

/**
 * Hits of a planner in a cluster, while another node writes 1,000 decisions a second, against those of one alone: in turns in one
 * process, the median of the pairs. Above 1: the cluster's is faster.
 */
export async function hitsAgainstAlone(): Promise<{ ratio: number; writesPerSecond: number }> {
  await using redis = await startRedis();
  const server = await startServer('answer', 'm');
  const options = (cluster?: { readonly url: string }): PlannerOptions =>
    ({
      domain: skyrim,
      endpoints: { gpu: { baseURL: server.baseURL, slots: 64 } },
      experts: [{ role: 'visual_perception', model: 'm' }],
      answers: 'write',
      // The same agents ask the same for ever.
      cache: {
        entries: ENTRIES,
        checkShare: 0,
        refreshAhead: false,
        similar: false,
        loopGuard: false,
        cycleGuard: false,
        ttlMs: 3_600_000,
        valuesMin: false,
      },
      ...(cluster && { cluster }),
    }) as PlannerOptions;
  await using alone = await createPlanner(options());
  await using joined = await createPlanner(options({ url: redis.url }));
  // In a process of its own, since the hits leave this one's event loop no time.
  await using proxy = await FaultyProxy.open(redis.port);
  const { domain: _, ...written } = options({ url: `redis://127.0.0.1:${proxy.port}` });
  const writer = new FleetNode('writer', proxy, {
    ...written,
    cache: { entries: ENTRIES, checkShare: 0, refreshAhead: false },
  });
  await writer.start();
  for (let index = ENTRIES - 1; index >= 0; index--) {
    for (const planner of [alone, joined]) await planner.plan(requestOf(index) as never, { timeoutMs: 5_000 });
  }
  writer.tell({ kind: 'load', agents: WRITERS, thinkMs: THINK_MS, timeoutMs: 5_000, states: 0, seed: 1 });
  await after(1_000);
  await writer.tally();
  const beganMs = performance.now();
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const both = round % 2 === 0 ? ([joined, alone] as const) : ([alone, joined] as const);
    const times = new Map<unknown, number>();
    for (const planner of both) {
      const startMs = performance.now();
      for (let hit = 0; hit < HITS; hit++) {
        const plan = planner.planNow(requestOf(hit % STATES) as never);
        if (plan instanceof Promise)
          throw new Error(
            `${planner === joined ? 'joined' : 'alone'}: a hit was expected, got ${JSON.stringify(await plan)}`,
          );
        // Messages of the other node arrive between hits.
        if (hit % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
      }
      times.set(planner, performance.now() - startMs);
    }
    ratios.push((times.get(alone) as number) / (times.get(joined) as number));
  }
  const decided = (await writer.tally())?.byModels ?? 0;
  const writesPerSecond = decided / ((performance.now() - beganMs) / 1_000);
  await writer.close();
  server.close();
  return { ratio: median(ratios), writesPerSecond };
}
