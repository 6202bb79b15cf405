import { describe, expect, test } from 'vitest';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { PlannerStats } from '../../../src/main/plans/planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import type { ChatCall } from '../../../src/shared/model-client/model-client.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { NO_RATES } from '../../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../sim/virtual-server.ts';

const QUICK = {
  slots: 4,
  promptTokensPerSecond: 8_000,
  overheadSeconds: 0.02,
  models: [{ id: 'm', skill: 0.8, tokensPerSecond: 400 }],
  rates: NO_RATES,
  latencySigma: 0.2,
};

interface Outcome {
  /** Plans a second that models decided. */
  readonly plans: number;
  /** Share of the calls that were made at the second server. */
  readonly atOther: number;
  readonly stats: PlannerStats;
}

/** Six agents that ask again at once. The servers are so many times slower than a quick one; the last may become another at half time. */
async function session(
  slowness: readonly number[],
  { becomes, ...options }: Partial<PlannerOptions> & { becomes?: number } = {},
): Promise<Outcome> {
  const clock = new VirtualClock();
  const make = (times: number) => new VirtualServer({ ...QUICK, seed: 1, speed: 1 / times }, clock);
  const servers = slowness.map(make);
  const made: VirtualServer[] = [...servers];
  const calls = slowness.map(() => 0);
  const endMs = 60_000;
  const startMs = becomes === undefined ? 15_000 : 45_000;
  const callers = new Map(
    slowness.map((_, at) => {
      const client = new VirtualClient({
        get models() {
          return (servers[at] as VirtualServer).models;
        },
        chat: (call: ChatCall, signal?: AbortSignal) => {
          if (clock.now() >= startMs) calls[at] = (calls[at] as number) + 1;
          return (servers[at] as VirtualServer).chat(call, signal);
        },
      } as VirtualServer);
      return [`s${at}`, client];
    }),
  );
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: Object.fromEntries(
        slowness.map((_, at) => [`s${at}`, { baseURL: `http://127.0.0.1:${at + 1}/v1`, slots: 4 }]),
      ),
      experts: skyrim.roles.map(({ name }) => ({ role: name, model: 'm' })),
      synthesis: { models: ['m'] },
      cache: false,
      singleFlight: false,
      ...options,
    },
    {
      clock,
      random: seededRandom(1),
      pool: new VirtualPool(skyrim, callers),
      client: ({ name }) => callers.get(name) as VirtualClient,
    },
  );
  const planner = await runVirtual(clock, opening);
  if (becomes !== undefined) {
    clock.setTimer(30_000, () => {
      servers[1] = make(becomes);
      made.push(servers[1] as VirtualServer);
    });
  }
  let decided = 0;
  const random = seededRandom(3);
  const live = async (agent: string): Promise<void> => {
    while (clock.now() < endMs) {
      const observation = {
        scene: 'combat',
        inCombat: true,
        health: Math.floor(random.next() * 100),
        location: `place ${random.next()}`,
      };
      const plan = await planner.plan({ agent, observation, actions: ['attack', 'block', 'retreat'] });
      if (clock.now() >= startMs && plan.source !== 'heuristic' && plan.source !== 'late') decided++;
    }
  };
  await runVirtual(clock, Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(live)));
  const stats = planner.stats();
  await runVirtual(clock, planner.close());
  for (const server of made) server.close();
  const all = calls.reduce((sum, each) => sum + each, 0);
  return { plans: decided / ((endMs - startMs) / 1_000), atOther: (calls[1] ?? 0) / all, stats };
}

const alone = await session([1]);

// Each lives through minutes of simulated time.
describe('a slower server beside a quick one', { timeout: 60_000 }, () => {
  test.each([10, 100])('%i times slower takes nothing away, and is seldom asked', async (times) => {
    const beside = await session([1, times]);
    expect(beside.plans).toBeGreaterThanOrEqual(0.93 * alone.plans);
    expect(beside.atOther).toBeLessThan(0.06);
    expect(beside.stats.calls.placeChecks).toBeGreaterThan(0);
    // Named first, it is not the one that others are measured by.
    const first = await session([times, 1]);
    expect(first.plans).toBeGreaterThanOrEqual(0.93 * alone.plans);
  });

  test('took much away where only its completed calls count', async () => {
    const beside = await session([1, 10], { features: { bestPlace: false } });
    expect(beside.plans).toBeLessThan(0.85 * alone.plans);
    expect(beside.stats.calls.placeChecks).toBe(0);
  });

  test('half as fast it is of use', async () => {
    const beside = await session([1, 2]);
    expect(beside.plans).toBeGreaterThanOrEqual(0.97 * alone.plans);
    expect(beside.atOther).toBeGreaterThan(0.1);
  });

  test('is left as it becomes slow', async () => {
    const slowed = await session([1, 1], { becomes: 20 });
    expect(slowed.plans).toBeGreaterThanOrEqual(0.9 * alone.plans);
    expect(slowed.atOther).toBeLessThan(0.1);
  });

  test('is used again as it recovers', async () => {
    const recovered = await session([1, 20], { becomes: 1 });
    expect(recovered.atOther).toBeGreaterThan(0.35);
    expect(recovered.plans).toBeGreaterThan(1.2 * alone.plans);
  });
});
