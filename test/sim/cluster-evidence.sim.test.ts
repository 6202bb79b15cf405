import { expect, test } from 'vitest';
import { chanceOfAtLeast } from '../../bench/budget/judge.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { type Random, randomIndex, seededRandom } from '../../src/shared/random.ts';
import { EvidenceNodes } from '../support/cluster/evidence-nodes.ts';
import { cacheDomain, PLAIN_CACHE, seen } from '../support/make-cache.ts';

/**
 * One stream of requests, answered by one planner, by four nodes that share their evidence, and by four that do not. `SIM_SEED` plays one
 * seed.
 */
const seeds = process.env.SIM_SEED === undefined ? [1, 2, 3, 4] : [Number(process.env.SIM_SEED)];
const BUDGET = 0.05;
const REQUESTS = 5_000;
/** Requests that come at once, and the time between them and the next ones. */
const TOGETHER = 4;
const EVERY_MS = 120;
const SCENES = 40;
const AGENTS = 20;
const ACTIONS = ['attack', 'block', 'flee'];
const OPTIONS = {
  ...PLAIN_CACHE,
  ...{ errorBudget: BUDGET, ttlMs: 1e8, ttlMaxMs: 1e9, entries: 2_048, loopGuard: true, checkShare: 0.02 },
};

interface Asked {
  readonly request: PlanRequest;
  readonly chosen: string;
}

/** Models decide by the state, and by chance: never in a third of all scenes, half of the time in another third. */
function* stream(random: Random): Generator<Asked> {
  const noises = Array.from({ length: SCENES }, (_, i) => [0.01, 0.1, 0.5][i % 3] as number);
  for (let i = 0; i < REQUESTS; i++) {
    const scene = randomIndex(random, SCENES);
    const isOdd = random.next() < (noises[scene] as number);
    const chosen = ACTIONS[isOdd ? randomIndex(random, 3) : scene % 3] as string;
    yield { request: seen({ scene: `scene ${scene}` }, { agent: `agent ${randomIndex(random, AGENTS)}` }), chosen };
  }
}

async function played(seed: number, count: number, isAlone: boolean): Promise<EvidenceNodes> {
  const cluster = new EvidenceNodes(OPTIONS, cacheDomain, seed);
  for (let i = 0; i < count; i++) await cluster.join(`n${i}`, { isAlone });
  await cluster.pass(500);
  const random = seededRandom(seed);
  const balancer = seededRandom(seed + 1_000);
  let asked = 0;
  for (const { request, chosen } of stream(random)) {
    cluster.nodes[randomIndex(balancer, count)]?.ask(request, chosen);
    if (++asked % TOGETHER !== 0) continue;
    if (isAlone) cluster.clock.stall(EVERY_MS);
    else await cluster.pass(EVERY_MS);
  }
  return cluster;
}

const sums = { one: 0, separate: 0, shared: 0, wrong: 0 };

test.each(seeds)(
  'seed %i: four nodes keep one budget, and each counts what the others found out',
  async (seed) => {
    const one = await played(seed, 1, true);
    const separate = await played(seed, 4, true);
    const shared = await played(seed, 4, false);
    const figures = [one, separate, shared].map(({ served, wrong }) => [served, wrong / served]);
    console.info(`seed ${seed}: one, separate, shared: served and wrong`, JSON.stringify(figures));
    sums.one += one.served;
    sums.separate += separate.served;
    sums.shared += shared.served;
    sums.wrong += shared.wrong;
    // Judged as `bench:budget` judges a stream.
    expect(chanceOfAtLeast(shared.wrong, shared.served, BUDGET)).toBeGreaterThanOrEqual(0.01);
    for (const { shared: domain } of shared.nodes) {
      expect(domain?.stats().evidence).toMatchObject({ nodes: 3, failed: 0, dropped: { poisoned: 0, full: 0 } });
    }
  },
  60_000,
);

test.runIf(seeds.length > 1)('four nodes serve what one planner serves, and more than four that share nothing', () => {
  expect(sums.shared).toBeGreaterThan(0.85 * sums.one);
  expect(sums.separate).toBeLessThan(0.65 * sums.shared);
  expect(sums.wrong).toBeLessThan(BUDGET * sums.shared);
});
