import { expect, test } from 'vitest';
import { duel, play, type Score } from '../../examples/turn-based/duel.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { forkRandom } from '../../src/shared/random.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from './virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from './virtual-server.ts';

/** The example of a game in turns: moves of 2 s, a model that takes about a second, four slots. */
async function game(seed: number, turns: number, slotSlowdown: number): Promise<Score & { readonly callMs: number }> {
  const clock = new VirtualClock();
  const models = [{ id: 'm', tokensPerSecond: 40 }];
  const options = { slots: 4, models, promptTokensPerSecond: 800, slotSlowdown, latencySigma: 0.1, rates: NO_RATES };
  const server = new VirtualServer({ ...options, seed }, clock);
  const opening = createPlanner(
    {
      domain: duel,
      endpoints: { machine: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } },
      experts: [{ role: 'tactics', model: 'm' }],
    },
    {
      clock,
      random: forkRandom(seed, 'planner'),
      pool: new VirtualPool(duel, new Map([['machine', server]])),
      client: () => new VirtualClient(server),
    },
  );
  const planner = await runVirtual(clock, opening);
  const dice = forkRandom(seed, 'dice');
  const pass = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
  const score = await runVirtual(
    clock,
    play(planner, { turns, moveMs: 2_000, pass, random: () => dice.next(), log: () => {} }),
  );
  if (process.env.SIM_SEEDS !== undefined) console.info(seed, score, planner.stats().foresight, planner.stats().cache);
  const callMs = planner.stats().models[0]?.latencyMs.p50 ?? 0;
  await runVirtual(clock, planner.close());
  server.close();
  return { ...score, callMs };
}

test.each([1, 2, 3])('nine of ten told states are answered within 5 ms: seed %i', async (seed) => {
  const { told, ready, callMs } = await game(seed, 60, 0);
  expect(callMs).toBeGreaterThan(700);
  expect(callMs).toBeLessThan(1_400);
  expect(told).toBe(59);
  expect(ready / told).toBeGreaterThanOrEqual(0.9);
});
