import { describe, expect, test } from 'vitest';
import type { PlannerStats } from '../../../src/main/plans/planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { FakeModels } from '../../support/fake-models.ts';
import { request, testDomain } from '../../support/make-planner.ts';

const AGENTS = 80;
const EVERY_MS = 5_000;
/** The two slots can decide some ten plans a round. */
const MODEL_MS = 1_000;
const ROUNDS = 40;

interface Crowd {
  /** Plans that models decided, by agent. */
  readonly shares: readonly number[];
  readonly stats: PlannerStats;
}

/** Agents that ask every five seconds for eight times what the slots can do. */
async function crowd(fairTurns: boolean, priorityOf: (agent: number) => number = () => 0): Promise<Crowd> {
  const clock = new VirtualClock(1_000);
  const models = new FakeModels(clock, () => ({ kind: 'answers', action: 'block', afterMs: MODEL_MS }));
  const opening = createPlanner(
    {
      domain: testDomain,
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 2 } },
      experts: [
        { role: 'one', model: 'e' },
        { role: 'two', model: 'e' },
      ],
      cache: false,
      singleFlight: false,
      features: { fairTurns },
    },
    { clock, random: seededRandom(1), pool: models, client: () => models },
  );
  const planner = await runVirtual(clock, opening);
  const shares = new Array<number>(AGENTS).fill(0);
  const random = seededRandom(2);
  const live = async (agent: number): Promise<void> => {
    const pause = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
    const open: Promise<void>[] = [];
    await pause(random.next() * EVERY_MS);
    for (let round = 0; round < ROUNDS; round++) {
      const asked = request({ agent: `agent ${agent}` });
      const plan = planner.plan(asked, { timeoutMs: 6_000, priority: priorityOf(agent) });
      open.push(
        plan.then(({ source }) => {
          if (source !== 'heuristic' && source !== 'late') shares[agent] = (shares[agent] as number) + 1;
        }),
      );
      await pause(EVERY_MS);
    }
    await Promise.all(open);
  };
  await runVirtual(clock, Promise.all(shares.map((_, agent) => live(agent))));
  const stats = planner.stats();
  await runVirtual(clock, planner.close());
  return { shares, stats };
}

function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, each) => total + each, 0);
  return (sum * sum) / (shares.length * shares.reduce((total, each) => total + each * each, 0));
}

const total = (shares: readonly number[]): number => shares.reduce((sum, each) => sum + each, 0);

describe('where there is eight times as much to do as can be done', () => {
  test('agents take turns: each has its share, and as many plans are decided as without turns', async () => {
    const { shares, stats } = await crowd(true);
    const { shares: without } = await crowd(false);
    expect(jain(shares)).toBeGreaterThanOrEqual(0.95);
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(2);
    expect(Math.max(...without) - Math.min(...without)).toBeGreaterThanOrEqual(4);
    expect(total(shares)).toBeGreaterThanOrEqual(0.97 * total(without));
    expect(stats.turns.movedAhead).toBeGreaterThan(0);
    expect(stats.turns.usualWaitMs).toBeGreaterThan(EVERY_MS);
  });

  test('those in urgent scenes have more turns, and shut nobody out', async () => {
    const { shares } = await crowd(true, (agent) => (agent % 4 === 0 ? 2 : 0));
    const urgent = shares.filter((_, agent) => agent % 4 === 0);
    const calm = shares.filter((_, agent) => agent % 4 !== 0);
    const each = [urgent, calm].map((some) => total(some) / some.length) as [number, number];
    expect(each[0]).toBeGreaterThan(1.3 * each[1]);
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(jain(calm)).toBeGreaterThanOrEqual(0.9);
  });
});
