import type { AnswerRule, CacheOptions } from '../../src/main/options/planner-options.ts';
import type { BackgroundStats } from '../../src/main/plans/background/background-lane.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { defined } from '../../src/shared/defined.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { bestByQValue } from '../../src/shared/plan-request.ts';
import { forkRandom, type Random, seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from '../session/live-world.ts';
import { QUICK_MODELS, QUICK_SERVER } from '../session/quick-server.ts';
import { DueChecks } from './due-checks.ts';

/** What becomes of the checks of the cache while servers are as busy as a load makes them, and what they cost. */
export interface ChecksFigures {
  readonly checksDue: number;
  /** Those that were done within two minutes. */
  readonly checksDone: number;
  /** Those that were done later. */
  readonly checksLate: number;
  readonly checksLost: number;
  /** All that is lost in the whole session, by reason. */
  readonly lostBy: BackgroundStats['lost'];
  /** Share of the time of all slots in which they were taken. */
  readonly load: number;
  /** Plans a second that models decided, now or before. */
  readonly goodput: number;
  /** 90th percentile of the times of those that they decided now. */
  readonly p90Seconds: number;
}

export interface ChecksSetting {
  /** Plans asked for, a second. */
  readonly offered: number;
  readonly seed: number;
  readonly seconds?: number;
}

export interface CheckedOptions {
  readonly random: Random;
  readonly cache?: CacheOptions;
  readonly answers?: AnswerRule;
  readonly confidenceMin?: number | undefined;
}

const AGENTS = 64;
/** Until times, slots and the cache are learned. */
const WARM_SECONDS = 60;
const SECONDS = 120;
/** The time that a check has. */
const LIMIT_SECONDS = 120;
const TIMEOUT_MS = 3_000;
/** A stock server that also tells probabilities. */
export const CHECKS_SERVER = { ...QUICK_SERVER, reads: ['systemone', 'logprobs'] as const };
const NOW: ReadonlySet<string> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);
const BEFORE: ReadonlySet<string> = new Set(['cache', 'similar', 'habit']);

/** A planner over one server whose times are virtual. */
export function openChecked(
  clock: VirtualClock,
  server: VirtualServer,
  { random, cache = {}, answers = 'auto', confidenceMin }: CheckedOptions,
): Promise<Planner> {
  const opening = createPlanner(
    {
      domain: skyrim,
      endpoints: { one: { baseURL: 'http://127.0.0.1:1/v1', slots: 4 } },
      experts: skyrim.roles.map(({ name }, index) => ({ role: name, model: QUICK_MODELS[index % 2] as string })),
      synthesis: { models: [...QUICK_MODELS] },
      timeoutMs: TIMEOUT_MS,
      cache,
      answers,
      ...defined({ confidenceMin }),
    },
    {
      clock,
      random,
      pool: new VirtualPool(skyrim, new Map([['one', server]])),
      client: () => new VirtualClient(server),
    },
  );
  return runVirtual(clock, opening);
}

/** Agents that ask at a given rate, whatever they were answered, in virtual time. */
export async function runChecks(setting: ChecksSetting): Promise<ChecksFigures> {
  const { offered, seed, seconds = SECONDS } = setting;
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...CHECKS_SERVER, seed }, clock);
  const planner = await openChecked(clock, server, { random: seededRandom(seed) });
  // Checks that become due until then are watched for as long again as they have time.
  const endMs = 1_000 * (WARM_SECONDS + seconds + LIMIT_SECONDS);
  const isCounted = (): boolean => clock.now() >= WARM_SECONDS * 1_000;
  const watch = new SlotWatch(planner);
  const checks = new DueChecks(() => clock.now());
  const look = (): void => {
    if (isCounted()) watch.look();
    if (clock.now() < endMs) clock.setTimer(1_000, look);
  };
  look();
  const times: number[] = [];
  let remembered = 0;
  const live = async (agent: LiveAgent): Promise<void> => {
    const random = forkRandom(seed, `${agent.name}'s arrivals`);
    const open: Promise<void>[] = [];
    for (;;) {
      const waitMs = (-Math.log(1 - random.next()) * 1_000 * AGENTS) / offered;
      await new Promise<void>((resolve) => void clock.setTimer(waitMs, resolve));
      if (clock.now() >= endMs) break;
      const isIn = isCounted();
      const request = agent.request(clock.now() / 1_000, true);
      agent.act(request, bestByQValue(request), clock.now() / 1_000);
      open.push(
        planner.plan(request).then(({ source, latencyMs }) => {
          if (isIn && NOW.has(source)) times.push(latencyMs / 1_000);
          if (isIn && BEFORE.has(source)) remembered++;
        }),
      );
    }
    await Promise.all(open);
  };
  await runVirtual(clock, Promise.all(liveAgents(AGENTS, seed).map(live)));
  const { lost: lostBy } = planner.stats().background;
  const fromMs = 1_000 * WARM_SECONDS;
  const { due, done, late, lost } = checks.between(fromMs, fromMs + 1_000 * seconds, 1_000 * LIMIT_SECONDS);
  await runVirtual(clock, planner.close());
  checks.close();
  server.close();
  return {
    checksDue: due,
    checksDone: done,
    checksLate: late,
    checksLost: lost,
    lostBy,
    load: watch.load,
    goodput: (times.length + remembered) / (seconds + LIMIT_SECONDS),
    p90Seconds: quantile(times, 0.9),
  };
}

/** How busy the servers were, looked at each second. */
class SlotWatch {
  readonly #planner: Planner;
  #busy = 0;
  #all = 0;

  constructor(planner: Planner) {
    this.#planner = planner;
  }

  look(): void {
    for (const { busy, slots } of this.#planner.stats().endpoints) {
      this.#busy += busy;
      this.#all += slots;
    }
  }

  get load(): number {
    return this.#busy / this.#all;
  }
}
