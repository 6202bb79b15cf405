import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { defineDomain } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, pick, type Random } from '../../src/shared/random.ts';
import { NO_RATES } from '../../src/workers/simulator/options.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { quantile } from '../figures.ts';
import { MODEL_SOURCES } from './overload.ts';

/**
 * What the futures of some agents cost the others, in virtual time: paired seeds, foresight on and off. The futures are told by the
 * hosts of these agents, or guessed from experience.
 */
export interface ToldFigures {
  /** Of the agents without futures: plans that models decided in time, a second, and how long these took. */
  readonly goodput: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  /** Of the agents with futures: share of their plans that were there within 5 ms. */
  readonly readyShare: number;
  readonly callsPerPlan: number;
}

/** Turns that an agent may count, each a state of its own. */
const TURNS_MAX = 2_000;

const domain = defineDomain({
  name: 'told',
  features: {
    place: { kind: 'category' },
    turn: {
      kind: 'number',
      range: [0, TURNS_MAX],
      edges: Array.from({ length: TURNS_MAX - 1 }, (_, turn) => turn + 1),
    },
    note: { kind: 'text', optional: true },
  },
  roles: ['risk', 'gain', 'space'].map((name) => ({ name, prompt: `Judge ${name}.` })),
});
const ACTIONS = ['attack', 'block', 'flee', 'hide', 'talk', 'wait'];
const WARM_MS = 60_000;
const COMES = 0.8;
/** Plans take so long as a rule. */
const USUAL_MS = 1_000;

export interface ToldSetting {
  readonly seed: number;
  readonly foresight: boolean;
  /** Futures told after each plan; one of them comes in four cases of five. 0: none is told, and what comes can be learned. */
  readonly told: number;
  readonly experts: number;
  readonly slotSlowdown: number;
  readonly agents: number;
  /** Agents act so long after a plan of usual length. */
  readonly actMs: readonly [least: number, most: number];
  readonly seconds: number;
}

export async function runTold(setting: ToldSetting): Promise<ToldFigures> {
  const { seed, experts, slotSlowdown, seconds } = setting;
  const clock = new VirtualClock();
  const options = { slots: 4, models: [{ id: 'm', tokensPerSecond: 40 }], promptTokensPerSecond: 800, slotSlowdown };
  const server = new VirtualServer({ ...options, rates: NO_RATES, seed }, clock);
  const planner = await runVirtual(
    clock,
    createPlanner(
      {
        domain,
        endpoints: { machine: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } },
        experts: domain.roles.slice(0, experts).map(({ name }) => ({ role: name, model: 'm' })),
        foresight: { experience: setting.told === 0 },
        ...(setting.foresight ? {} : { features: { foresight: false } }),
      },
      {
        clock,
        random: forkRandom(seed, 'planner'),
        pool: new VirtualPool(domain, new Map([['machine', server]])),
        client: () => new VirtualClient(server),
      },
    ),
  );
  const crowd = new ToldCrowd(clock, planner, setting);
  await runVirtual(clock, crowd.run());
  const made = planner.stats().calls.made;
  await runVirtual(clock, planner.close());
  server.close();
  return crowd.figures(made, seconds);
}

/** 70 % of what the machine can do, then twice of it. */
export const TOLD = [
  { name: 'a third busy, 4 told', agents: 5, told: 4, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
  { name: '70 % busy, 1 told', agents: 12, told: 1, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
  { name: '70 % busy, 4 told', agents: 12, told: 4, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
  { name: 'a third busy, experience', agents: 5, told: 0, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
  { name: '70 % busy, experience', agents: 12, told: 0, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
  { name: 'saturated, experience', agents: 30, told: 0, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
  { name: 'saturated, 1 told', agents: 30, told: 1, experts: 1, slotSlowdown: 0, actMs: [1_000, 4_000] },
] as const;

/** Foresight on by off, of the agents that tell nothing, mean of the seeds; and of those that tell, what was ready. */
export interface ToldChange extends Pick<ToldFigures, 'goodput' | 'p90Ms' | 'readyShare' | 'callsPerPlan'> {
  /** Standard error of the change of the p90. */
  readonly p90Error: number;
}

export async function runToldPairs(
  setting: Omit<ToldSetting, 'seed' | 'foresight' | 'seconds'>,
  seconds: number,
  seed: number,
  seeds: number,
): Promise<ToldChange> {
  const on: ToldFigures[] = [];
  const off: ToldFigures[] = [];
  for (let nth = 0; nth < seeds; nth++) {
    on.push(await runTold({ ...setting, seconds, seed: seed + nth, foresight: true }));
    off.push(await runTold({ ...setting, seconds, seed: seed + nth, foresight: false }));
  }
  const mean = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0) / of.length;
  const meanOf = (runs: readonly ToldFigures[], key: keyof ToldFigures): number => mean(runs.map((run) => run[key]));
  const change = (key: keyof ToldFigures): number => meanOf(on, key) / meanOf(off, key);
  const changes = on.map((run, nth) => run.p90Ms / (off[nth] as ToldFigures).p90Ms);
  const squares = mean(changes.map((each) => (each - mean(changes)) ** 2));
  return {
    goodput: change('goodput'),
    p90Ms: change('p90Ms'),
    p90Error: Math.sqrt(squares / Math.max(1, seeds - 1)),
    readyShare: meanOf(on, 'readyShare'),
    callsPerPlan: change('callsPerPlan'),
  };
}

class ToldCrowd {
  readonly #clock: VirtualClock;
  readonly #planner: Planner;
  readonly #setting: ToldSetting;
  readonly #endMs: number;
  readonly #times: number[] = [];
  readonly #tellers = { plans: 0, ready: 0 };
  #plans = 0;
  #nth = 0;

  constructor(clock: VirtualClock, planner: Planner, setting: ToldSetting) {
    this.#clock = clock;
    this.#planner = planner;
    this.#setting = setting;
    this.#endMs = WARM_MS + setting.seconds * 1_000;
  }

  async run(): Promise<void> {
    const lives = Array.from({ length: this.#setting.agents }, (_, nth) => this.#live(nth));
    await Promise.all(lives);
  }

  figures(made: number, seconds: number): ToldFigures {
    return {
      goodput: this.#times.length / seconds,
      p50Ms: quantile(this.#times, 0.5),
      p90Ms: quantile(this.#times, 0.9),
      readyShare: this.#tellers.ready / this.#tellers.plans,
      callsPerPlan: made / this.#plans,
    };
  }

  async #live(nth: number): Promise<void> {
    const random = forkRandom(this.#setting.seed, `agent ${nth}`);
    const tells = nth % 2 === 0;
    const [least, most] = this.#setting.actMs;
    let state = this.#state(nth, random);
    await this.#pass(random.next() * most);
    while (this.#clock.now() < this.#endMs) {
      const askedAtMs = this.#clock.now();
      const plan = await this.#planner.plan(state, { timeoutMs: 8_000 });
      this.#plans++;
      const isCounted = this.#clock.now() >= WARM_MS;
      if (isCounted && tells) {
        this.#tellers.plans++;
        if (plan.latencyMs <= 5) this.#tellers.ready++;
      } else if (isCounted && MODEL_SOURCES.has(plan.source)) this.#times.push(plan.latencyMs);
      const actMs = least + random.next() * (most - least);
      const futures = Array.from({ length: this.#setting.told }, () => this.#state(nth, random));
      if (tells) this.#planner.expect(futures.map((future) => ({ ...future, inMs: actMs })));
      if (tells && futures.length === 0)
        futures.push(later(state, random.next() < COMES ? 1 : 2 + Math.floor(random.next() * 20)));
      // Whoever is answered sooner does not ask sooner: the load stays the same.
      await this.#pass(Math.max(actMs, askedAtMs + USUAL_MS + actMs - this.#clock.now()));
      const isForeseen = futures.length > 0 && (this.#setting.told === 0 || random.next() < COMES);
      state = isForeseen ? pick(random, futures) : this.#state(nth, random);
    }
  }

  /** No state comes back. */
  #state(nth: number, random: Random): PlanRequest {
    const from = Math.floor(random.next() * 3);
    return {
      agent: `agent ${nth}`,
      observation: { place: `place ${this.#nth++}`, turn: 0, note: 'It is dark. '.repeat(5) },
      actions: ACTIONS.slice(from, from + 3),
    };
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.setTimer(ms, resolve));
  }
}

function later({ observation, ...rest }: PlanRequest, turns: number): PlanRequest {
  return { ...rest, observation: { ...observation, turn: Number(observation.turn) + turns } };
}
