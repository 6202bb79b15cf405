import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { createPlanner } from '../../../../src/main/service/create-planner.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { NO_RATES } from '../../../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../../sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../../sim/virtual-server.ts';

/** vLLM takes at most 26 options, and refuses more. */
const SERVER = {
  flavour: 'vllm',
  slots: 1,
  promptTokensPerSecond: 4_000,
  overheadSeconds: 0.02,
  models: [{ id: 'm', skill: 0.95, tokensPerSecond: 50 }],
  rates: NO_RATES,
  latencySigma: 0.1,
  seed: 1,
} as const;

const SAVING = 'drink healing potion';

/** An agent that is about to die, and could do something about it: one of many things that it could do. */
async function plans(form: 'logprobs' | 'systemone', count: number, timeoutMs: number, times: number): Promise<Plan[]> {
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...SERVER, reads: [form] }, clock);
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: { only: { baseURL: 'http://127.0.0.1:9/v1' } },
      experts: skyrim.roles.map(({ name }) => ({ role: name, model: 'm' })),
      synthesis: { models: [] },
      cache: false,
      answers: 'read',
      promptActionsMax: 300,
    },
    {
      clock,
      random: seededRandom(1),
      pool: new VirtualPool(skyrim, new Map([['only', server]])),
      client: () => new VirtualClient(server),
    },
  );
  const planner = await runVirtual(clock, opening);
  const actions = Array.from({ length: count }, (_, nth) => `inspect flower ${nth}`);
  actions[count - 5] = SAVING;
  const made: Plan[] = [];
  for (let nth = 0; nth < times; nth++) {
    const observation = { scene: 'combat' as const, inCombat: true, health: 2 + nth, enemiesNearby: 3 };
    made.push(await runVirtual(clock, planner.plan({ agent: 'lydia', observation, actions }, { timeoutMs })));
  }
  await runVirtual(clock, planner.close());
  server.close();
  for (const { action, latencyMs } of made) {
    expect(actions).toContain(action);
    expect(latencyMs).toBeLessThanOrEqual(timeoutMs);
  }
  return made;
}

describe.each([60, 300])('%i actions', (count) => {
  test.each(['logprobs', 'systemone'] as const)('are all read in the form %s if there is time', async (form) => {
    const made = await plans(form, count, 10_000, 3);
    // The groups, the likeliest of all, and in a chat the other roles.
    const requests = Math.ceil(count / 26) + (form === 'logprobs' ? 4 : 1);
    for (const { attempts } of made) expect(attempts).toMatchObject([{ step: 'read', form, code: 'OK', requests }]);
    expect(made.filter(({ action }) => action === SAVING).length).toBeGreaterThanOrEqual(2);
  });

  test.each([
    ['logprobs', 300],
    ['systemone', 650],
  ] as const)('are read as far as there is time in the form %s', async (form, timeoutMs) => {
    const made = await plans(form, count, timeoutMs, 6);
    const reads = made.map(({ attempts }) => attempts[0]).filter((attempt) => attempt?.code === 'OK');
    expect(reads.length).toBeGreaterThan(0);
    for (const attempt of reads) expect(attempt?.requests ?? 1).toBeLessThan(count / 26 + 2);
  });
});
