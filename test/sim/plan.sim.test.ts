import { expect, test } from 'vitest';
import { simulate } from './simulator.ts';

/** `SIM_SEED` runs one seed; `SIM_SEEDS` so many, from `SIM_FROM` on. */
const one = process.env.SIM_SEED;
const from = Number(one ?? process.env.SIM_FROM ?? 1);
const count = one === undefined ? Number(process.env.SIM_SEEDS ?? 200) : 1;

test('whatever fails, every plan is legal, on time and honest, and nothing is left behind', async () => {
  for (let seed = from; seed < from + count; seed++) await simulated(seed);
}, 3_600_000);

test('a seed replays to the last detail', async () => {
  for (const seed of [from, from + 1, from + 2]) {
    const first = await simulated(seed);
    expect(await simulated(seed)).toEqual(first);
  }
});

async function simulated(seed: number): ReturnType<typeof simulate> {
  try {
    return await simulate(seed);
  } catch (error) {
    throw new Error(`SIM_SEED=${seed} npm run test:slow -- test/sim\n${String(error)}`, { cause: error });
  }
}
