import { describe, expect, test } from 'vitest';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import type { PlannerStats } from '../../../src/main/plans/planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import type { MachineStats } from '../../../src/workers/simulator/machine.ts';
import { NO_RATES } from '../../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { TellingClient, VirtualClient, VirtualPool, VirtualServer } from '../../sim/virtual-server.ts';

const MODELS = ['a', 'b', 'c', 'd'];
const SERVER = {
  slots: 4,
  evictionCuts: true,
  models: MODELS.map((id) => ({ id, skill: 0.8, loadSeconds: 4, vision: true })),
  rates: NO_RATES,
};

interface Setting {
  readonly fits: number;
  readonly tells?: boolean;
  readonly agents?: number;
  readonly plans?: number;
  readonly options?: Partial<PlannerOptions>;
  /** Between the plans of an agent, milliseconds. */
  readonly pauseMs?: number;
  /** Called before each plan with its number. */
  readonly before?: (nth: number, server: VirtualServer) => Promise<void> | undefined;
}

interface Outcome {
  readonly plans: readonly Plan[];
  readonly stats: PlannerStats;
  readonly machine: MachineStats;
}

/** Experts on three models and a fallback on a fourth. */
async function session({
  fits,
  tells = true,
  agents = 1,
  plans = 120,
  options = {},
  pauseMs = 0,
  before,
}: Setting): Promise<Outcome> {
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...SERVER, loadedModelsMax: fits, seed: 1 }, clock);
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: { machine: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } },
      experts: skyrim.roles.map(({ name }, index) => ({ role: name, model: ['a', 'b', 'c', 'a'][index] as string })),
      synthesis: { models: ['a', 'd'] },
      cache: false,
      singleFlight: false,
      ...options,
    },
    {
      clock,
      random: seededRandom(1),
      pool: new VirtualPool(skyrim, new Map([['machine', server]])),
      client: () => (tells ? new TellingClient(server) : new VirtualClient(server)),
    },
  );
  const planner = await runVirtual(clock, opening);
  const made: Plan[] = [];
  const random = seededRandom(3);
  const live = async (agent: string): Promise<void> => {
    for (let nth = 0; nth < plans / agents; nth++) {
      await before?.(nth, server);
      const observation = { scene: 'combat', inCombat: true, health: Math.floor(random.next() * 100) };
      made.push(await planner.plan({ agent, observation, actions: ['attack', 'block', 'retreat'] }));
      if (pauseMs > 0) await new Promise<void>((resolve) => void clock.setTimer(pauseMs, resolve));
    }
  };
  const names = Array.from({ length: agents }, (_, nth) => `agent ${nth}`);
  await runVirtual(clock, Promise.all(names.map(live)));
  const outcome = { plans: made, stats: planner.stats(), machine: server.stats() };
  await runVirtual(clock, planner.close());
  server.close();
  return outcome;
}

function heuristics({ plans }: Outcome): number {
  return plans.filter(({ source }) => source === 'heuristic').length;
}

function memoryOf({ stats }: Outcome) {
  return stats.endpoints[0]?.memory;
}

// Each lives through minutes of simulated time.
describe('a server that holds one model at a time', { timeout: 60_000 }, () => {
  test.each([1, 4])('is asked for what is there: hardly a load, no plan without a model, %i agents', async (agents) => {
    const one = await session({ fits: 1, agents });
    expect(one.machine.loads).toBeLessThanOrEqual(2);
    expect(heuristics(one)).toBe(0);
    expect(one.stats.calls.seatsMoved).toBeGreaterThan(50);
    expect(memoryOf(one)).toMatchObject({ isTold: true, loads: one.machine.loads });
  });

  test('names in each attempt the model that was really asked', async () => {
    const { plans, stats } = await session({ fits: 1 });
    const [there] = stats.endpoints[0]?.memory.loaded ?? [];
    const last = plans.at(-1) as Plan;
    expect(last.attempts.map(({ model }) => model)).toEqual(last.attempts.map(() => there));
    expect(last.model).toBe(there);
  });

  test('loads without end where that is switched off', async () => {
    const off = await session({ fits: 1, options: { features: { residency: false } } });
    expect(off.machine.loads).toBeGreaterThan(120);
    expect([off.stats.calls.seatsMoved, memoryOf(off)?.isShort]).toEqual([0, false]);
  });

  test('with fixed seats cuts nobody short, and goes together by models', async () => {
    const off = await session({ fits: 1, options: { features: { residency: false } } });
    const fixed = await session({ fits: 1, options: { seats: 'fixed' } });
    expect(fixed.stats.calls.seatsMoved).toBe(0);
    expect(fixed.machine.loads).toBeLessThan(off.machine.loads);
    expect(off.machine.cutByEviction).toBeGreaterThan(20);
    expect(fixed.machine.cutByEviction).toBeLessThanOrEqual(2);
  });

  test('is found out from the times of its calls where it does not tell', async () => {
    const learned = await session({ fits: 1, tells: false, plans: 200 });
    expect(memoryOf(learned)).toMatchObject({ isShort: true, isTold: false });
    expect(learned.machine.loads).toBeLessThan(40);
    // While it learns, one plan or two may go without.
    expect(heuristics(learned)).toBeLessThanOrEqual(2);
  });

  test('forgets no model: with time to spare, another one is loaded now and then', async () => {
    const rested = await session({ fits: 1, plans: 100, pauseMs: 60_000 });
    expect(rested.machine.loads).toBeGreaterThan(4);
    expect(rested.machine.loads).toBeLessThan(20);
    const asked = new Set(rested.plans.flatMap(({ attempts }) => attempts.map(({ model }) => model)));
    expect([...asked].sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a chat of somebody else that loads another model is noticed, and that model is asked then', async () => {
    const chat = (nth: number, server: VirtualServer): Promise<void> | undefined => {
      if (nth !== 60) return undefined;
      const messages = [{ role: 'user', content: 'Hello' }] as const;
      const asked = server.chat({
        model: 'c',
        messages: [...messages],
        maxTokens: 8,
        temperature: 0,
        timeoutMs: 20_000,
      });
      return asked.then(() => {});
    };
    const disturbed = await session({ fits: 1, before: chat, pauseMs: 6_000 });
    const calm = await session({ fits: 1, pauseMs: 6_000 });
    expect(disturbed.machine.loads - calm.machine.loads).toBeLessThanOrEqual(2);
    expect(heuristics(disturbed)).toBe(0);
  });
});

test.each([true, false])('nothing changes where all models are in memory, told: %s', async (tells) => {
  const on = await session({ fits: 4, tells });
  const off = await session({ fits: 4, tells, options: { features: { residency: false } } });
  const seen = ({ plans }: Outcome) =>
    plans.map(({ action, source, latencyMs, attempts }) => [action, source, latencyMs, attempts.length]);
  expect(seen(on)).toEqual(seen(off));
  expect([on.stats.calls.seatsMoved, memoryOf(on)?.isShort, memoryOf(on)?.loads]).toEqual([0, false, 0]);
});

test('of three models that fit, the fourth is asked nowhere but on the last rung', { timeout: 60_000 }, async () => {
  const three = await session({ fits: 3, plans: 200 });
  expect(three.machine.loads).toBeLessThanOrEqual(3);
  expect(heuristics(three)).toBe(0);
});
