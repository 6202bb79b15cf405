import { expect, test } from 'vitest';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { crowdDomain } from './crowd.ts';
import { runVirtual, VirtualClock } from './virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from './virtual-server.ts';

/** Agents that ask every so often, and wait so long for a plan. */
interface Callers {
  readonly count: number;
  readonly plans: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

const HASTY: Callers = { count: 6, plans: 60, everyMs: 150, timeoutMs: 50 };
const PATIENT: Callers = { count: 2, plans: 10, everyMs: 500, timeoutMs: 10_000 };

/** One healthy server that takes some 300 ms for a call, has 8 slots, and does not tell how many. */
class Session {
  readonly clock = new VirtualClock();
  readonly server: VirtualServer;
  readonly planner: Planner;
  #asked = 0;

  private constructor(clock: VirtualClock, server: VirtualServer, planner: Planner) {
    this.clock = clock;
    this.server = server;
    this.planner = planner;
  }

  static async open(seed: number): Promise<Session> {
    const clock = new VirtualClock();
    const options = { slots: 8, models: [{ id: 'm', tokensPerSecond: 100 }], promptTokensPerSecond: 4_000 };
    const server = new VirtualServer({ ...options, slotSlowdown: 0, rates: NO_RATES, seed }, clock);
    const opening = createPlanner(
      {
        domain: crowdDomain,
        endpoints: { machine: { baseURL: 'http://127.0.0.1:9/v1' } },
        experts: ['risk', 'gain', 'space'].map((role) => ({ role, model: 'm' })),
        synthesis: { models: ['m'] },
        cache: false,
      },
      {
        clock,
        random: seededRandom(seed),
        pool: new VirtualPool(crowdDomain, new Map([['machine', server]])),
        client: () => new VirtualClient(server),
      },
    );
    return new Session(clock, server, await runVirtual(clock, opening));
  }

  /** How many of their plans a model decided. */
  async serve({ count, plans, everyMs, timeoutMs }: Callers): Promise<number> {
    let decided = 0;
    const live = async (agent: number): Promise<void> => {
      await this.#pass((everyMs * agent) / count);
      for (let nth = 0; nth < plans; nth++) {
        const beganAtMs = this.clock.now();
        const { attempts, source } = await this.planner.plan(this.#request(agent), { timeoutMs });
        if (source !== 'heuristic' && attempts.length > 0) decided++;
        await this.#pass(everyMs - (this.clock.now() - beganAtMs));
      }
    };
    await runVirtual(this.clock, Promise.all(Array.from({ length: count }, (_, agent) => live(agent))));
    return decided;
  }

  async close(): Promise<void> {
    await runVirtual(this.clock, this.planner.close());
    this.server.close();
  }

  #request(agent: number): PlanRequest {
    return {
      agent: `agent ${agent}`,
      observation: { scene: 'peace', place: `place ${this.#asked++}`, health: 50, mood: 'calm' },
      actions: ['attack', 'block', 'wait'],
    };
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(ms, resolve));
  }
}

test.each([1, 2, 3])(
  'callers who wait 50 ms neither close a healthy server to others nor take its slots: seed %i',
  async (seed) => {
    const session = await Session.open(seed);
    try {
      await session.serve(HASTY);
      const [machine] = session.planner.stats().endpoints;
      expect(session.planner.stats().calls.made).toBeGreaterThan(20);
      expect(machine?.breaker).toEqual({ state: 'closed', opened: 0 });
      expect(machine?.slots).toBeGreaterThanOrEqual(4);
      expect(await session.serve(PATIENT)).toBe(PATIENT.count * PATIENT.plans);
      expect(session.planner.stats().endpoints[0]?.breaker.opened).toBe(0);
    } finally {
      await session.close();
    }
  },
);
