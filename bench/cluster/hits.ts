import { createPlanner, type PlannerOptions, skyrim } from '../../src/main/index.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import { median } from '../figures.ts';
import { requestOf } from '../requests.ts';
import { startServer } from '../start-server.ts';

const STATES = 500;
const ROUNDS = 30;
const HITS = 20_000;
/** Decisions a second that the other node makes meanwhile. */
const WRITES_PER_SECOND = 1_000;

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
        entries: 50_000,
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
  await using writer = await createPlanner(options({ url: redis.url }));
  for (let index = 0; index < STATES; index++) {
    for (const planner of [alone, joined]) await planner.plan(requestOf(index) as never, { timeoutMs: 5_000 });
  }
  const beganMs = performance.now();
  let isWriting = true;
  let next = STATES;
  const writing = (async () => {
    while (isWriting) {
      const batch = Array.from({ length: WRITES_PER_SECOND / 50 }, () =>
        writer.plan(requestOf(next++) as never, { timeoutMs: 5_000 }),
      );
      await Promise.allSettled([...batch, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  })();
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
  isWriting = false;
  await writing;
  const writesPerSecond = (next - STATES) / ((performance.now() - beganMs) / 1_000);
  server.close();
  return { ratio: median(ratios), writesPerSecond };
}
