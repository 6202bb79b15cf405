import { describe, expect, test } from 'vitest';
import type { EndpointOptions } from '../../../src/main/options/planner-options.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import type { ChatCall } from '../../../src/shared/model-client/model-client.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { NO_RATES } from '../../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../sim/virtual-server.ts';

const SERVER = {
  slots: 4,
  promptTokensPerSecond: 8_000,
  overheadSeconds: 0.02,
  models: [{ id: 'm', skill: 0.8, tokensPerSecond: 400 }],
  rates: NO_RATES,
  latencySigma: 0.2,
  seed: 1,
};

/** Six agents on one server of four slots that has these names. */
async function session(endpoints: Readonly<Record<string, EndpointOptions>>, oneMachine = true) {
  const clock = new VirtualClock();
  const server = new VirtualServer(SERVER, clock);
  const counts = { working: 0, most: 0, decided: 0 };
  const client = new VirtualClient({
    models: server.models,
    chat: async (call: ChatCall, signal?: AbortSignal) => {
      counts.most = Math.max(counts.most, ++counts.working);
      try {
        return await server.chat(call, signal);
      } finally {
        counts.working--;
      }
    },
  } as unknown as VirtualServer);
  const warnings: string[] = [];
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints,
      experts: skyrim.roles.map(({ name }) => ({ role: name, model: 'm' })),
      synthesis: { models: ['m'] },
      cache: false,
      singleFlight: false,
      features: { oneMachine },
    },
    {
      clock,
      random: seededRandom(1),
      pool: new VirtualPool(skyrim, new Map(Object.keys(endpoints).map((name) => [name, client]))),
      client: () => client,
    },
  );
  const planner = await runVirtual(clock, opening);
  planner.on('warning', (message) => void warnings.push(message));
  const random = seededRandom(3);
  const live = async (agent: string): Promise<void> => {
    while (clock.now() < 30_000) {
      const observation = { scene: 'combat' as const, inCombat: true, health: Math.floor(random.next() * 100) };
      const plan = await planner.plan({ agent, observation, actions: ['attack', 'block', 'retreat'] });
      if (plan.source !== 'heuristic' && plan.source !== 'late') counts.decided++;
    }
  };
  await runVirtual(clock, Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(live)));
  const stats = planner.stats();
  await runVirtual(clock, planner.close());
  server.close();
  return { ...counts, warnings, stats };
}

const at = (host: string, more: Partial<EndpointOptions> = {}) => ({ baseURL: `http://${host}/v1`, slots: 4, ...more });
const one = await session({ a: at('127.0.0.1:9') });

describe('two names of one server', () => {
  test('never give it more calls than it has slots, cost no plan, and are told of', async () => {
    const two = await session({ a: at('127.0.0.1:9'), b: at('localhost:9') });
    expect(two.most).toBeLessThanOrEqual(4);
    expect(two.decided).toBeGreaterThanOrEqual(0.97 * one.decided);
    expect(two.stats.endpoints.map(({ endpoint }) => endpoint)).toEqual(['a']);
    expect(two.warnings).toEqual([expect.stringContaining('are one server')]);
    expect(one.warnings).toEqual([]);
  });

  test('give it twice as many where that is switched off', async () => {
    const two = await session({ a: at('127.0.0.1:9'), b: at('localhost:9') }, false);
    expect(two.most).toBeGreaterThan(4);
  });
});

describe('two servers of one machine', () => {
  test('never have more calls at work than it has slots', async () => {
    const machine = 'gpu0';
    const two = await session({ a: at('127.0.0.1:9', { machine }), b: at('127.0.0.1:8', { machine }) });
    expect(two.most).toBeLessThanOrEqual(4);
    expect(two.decided).toBeGreaterThanOrEqual(0.9 * one.decided);
    expect(two.stats.endpoints.map((endpoint) => endpoint.machine)).toEqual(['gpu0', 'gpu0']);
    expect(two.warnings).toEqual([]);
  });

  test('have twice as many where they are not told to be one', async () => {
    const two = await session({ a: at('127.0.0.1:9'), b: at('127.0.0.1:8') });
    expect(two.most).toBeGreaterThan(4);
  });
});
