import { expect, test } from 'vitest';
import { LEASE } from '../../src/main/cluster/leases/lease-terms.ts';
import type { SlotBudget } from '../../src/main/models/slots/slot-budget.ts';
import type { ModelContext, ModelFunction } from '../support/cluster/engine-model.ts';
import { type FaultFigures, runFaults } from '../support/cluster/lease-faults.ts';
import type { BrokenProtocol } from '../support/cluster/lease-sim.ts';
import { syncSlots } from '../support/cluster/slots-model.ts';

/** `SIM_SEED` runs one seed; `SIM_SEEDS` so many, from `SIM_FROM` on. */
const one = process.env.SIM_SEED;
const from = Number(one ?? process.env.SIM_FROM ?? 1);
const count = one === undefined ? Number(process.env.SIM_SEEDS ?? 100) : 1;
const FAULTS = 12;

test('whatever fails, a shared server gets no more calls than it has slots, and all of its slots are used', async () => {
  for (let seed = from; seed < from + count; seed++) await simulated(seed);
}, 3_600_000);

test('a seed replays to the last detail', async () => {
  expect(await simulated(from)).toEqual(await simulated(from));
});

/** The engine's function with another view of the engine. */
function withContext(change: (context: ModelContext) => Partial<ModelContext>): ModelFunction {
  return (keys, args, context) => syncSlots(keys, args, { ...context, ...change(context) });
}

const age = (state: unknown): unknown =>
  state === undefined ? { frozen: 0, heard: 0, nodes: {} } : { ...(state as object), frozen: 0 };

const MISTAKES: Readonly<Record<string, BrokenProtocol>> = {
  'an engine that has lost its memory grants at once': {
    sync: withContext(({ get }) => ({ get: <T>(key: string) => age(get(key)) as T })),
  },
  'leases of a paused node are freed when they lapse': { sync: withContext(() => ({ isPresent: () => false })) },
  'leases of a killed node are kept': {
    sync: withContext(({ nowMs, get }) => ({
      isPresent: () => true,
      get: <T>(key: string) => {
        const state = get<{ nodes: Record<string, { endsMs: number; lease: number }> }>(key);
        for (const held of Object.values(state?.nodes ?? {})) held.endsMs = nowMs + LEASE.lifeMs;
        return state as T;
      },
    })),
  },
  'a call starts on a lapsed lease': {
    budget: (leases) => {
      let last = 0;
      return {
        ...budgetOf(leases),
        get held() {
          last = leases.stats().leases || last;
          return last;
        },
      };
    },
  },
  'calls go on when their leases have lapsed': { keepsLapsed: true },
  'each node has all slots': { budget: (leases) => ({ ...budgetOf(leases), held: 6 }) },
};

/** Without the getters, which would be read once. */
function budgetOf(leases: SlotBudget): SlotBudget {
  return { held: 0, reach: 6, share: 6, othersBusy: 0, changed: () => leases.changed() };
}

test.each(Object.entries(MISTAKES))('the simulation finds it if %s', async (_name, broken) => {
  const failed = async (): Promise<string | undefined> => {
    for (let seed = 1; seed <= 40; seed++) {
      try {
        await runFaults({ seed, faults: FAULTS, broken });
      } catch (error) {
        return String(error);
      }
    }
    return undefined;
  };
  expect(await failed()).toMatch(/at work|a slot is free/);
});

async function simulated(seed: number): Promise<FaultFigures> {
  try {
    return await runFaults({ seed, faults: FAULTS });
  } catch (error) {
    throw new Error(`SIM_SEED=${seed} npm run test:slow -- test/sim/leases\n${String(error)}`, { cause: error });
  }
}
