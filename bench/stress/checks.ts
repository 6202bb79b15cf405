import type { Rate } from '../../src/main/cache/false-hits.ts';
import type { AnswerRule, CacheOptions } from '../../src/main/options/planner-options.ts';
import type { BackgroundStats } from '../../src/main/plans/background/background-lane.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { bestByQValue } from '../../src/shared/plan-request.ts';
import { forkRandom, seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualClient, VirtualPool, VirtualServer } from '../../test/sim/virtual-server.ts';
import { quantile } from '../figures.ts';
import { type LiveAgent, liveAgents } from '../session/live-world.ts';
import { QUICK_MODELS, QUICK_SERVER } from '../session/quick-server.ts';

/** What becomes of the checks of the cache while servers are as busy as a load makes them, and what they cost. */
export interface ChecksFigures {
  readonly checksDue: number;
  /** Those that were done within two minutes. */
  readonly checksDone: number;
  readonly checksLost: number;
  /** All that is lost, by reason. */
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
  readonly cache?: CacheOptions;
  readonly answers?: AnswerRule;
  readonly seconds?: number;
}

const AGENTS = 64;
/** Until times, slots and the cache are learned. */
const WARM_SECONDS = 60;
const SECONDS = 120;
/** The time that a check has. */
const LIMIT_SECONDS = 120;
const TIMEOUT_MS = 3_000;
/** A stock server that also tells probabilities. */
const SERVER = { ...QUICK_SERVER, reads: ['systemone', 'logprobs'] as const };
const NOW: ReadonlySet<string> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);
const BEFORE: ReadonlySet<string> = new Set(['cache', 'similar', 'habit']);

function openPlanner(
  clock: VirtualClock,
  server: VirtualServer,
  { seed, cache = {}, answers = 'auto' }: ChecksSetting,
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
    },
    {
      clock,
      random: seededRandom(seed),
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
  const server = new VirtualServer({ ...SERVER, seed }, clock);
  const planner = await openPlanner(clock, server, setting);
  // Checks that become due until then are watched for as long again as they have time.
  const endMs = 1_000 * (WARM_SECONDS + seconds + LIMIT_SECONDS);
  const isCounted = (): boolean => clock.now() >= WARM_SECONDS * 1_000;
  const watch = new Watch(planner);
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
  await runVirtual(clock, planner.close());
  server.close();
  const goodput = (times.length + remembered) / (seconds + LIMIT_SECONDS);
  return { ...watch.figures(seconds), lostBy, goodput, p90Seconds: quantile(times, 0.9) };
}

/** What was due, done and lost each second, and how busy the servers were. */
class Watch {
  readonly #planner: Planner;
  readonly #seen: Pick<Rate, 'due' | 'checked' | 'lost'>[] = [];
  readonly #slots = { busy: 0, all: 0 };

  constructor(planner: Planner) {
    this.#planner = planner;
  }

  look(): void {
    const { cache, endpoints } = this.#planner.stats();
    if (cache === false) throw new Error('there is no cache');
    this.#seen.push(cache.falseHits.all);
    for (const { busy, slots } of endpoints) {
      this.#slots.busy += busy;
      this.#slots.all += slots;
    }
  }

  /** Checks are made in order, more or less: one has its answer when as many have ended as were due before it. */
  figures(seconds: number): Pick<ChecksFigures, 'checksDue' | 'checksDone' | 'checksLost' | 'load'> {
    const at = (second: number) => this.#seen[second] as Pick<Rate, 'due' | 'checked' | 'lost'>;
    let timely = 0;
    for (let second = 1; second <= seconds; second++) {
      const { checked, lost } = at(second + LIMIT_SECONDS - 1);
      timely += Math.max(0, Math.min(at(second).due, checked + lost) - at(second - 1).due);
    }
    const [first, last] = [at(0), at(seconds + LIMIT_SECONDS - 1)];
    const checksDue = at(seconds).due - first.due;
    // Which ones are lost is not known: the same share of those that are watched as of all.
    const checksLost = Math.ceil((last.lost - first.lost) * (checksDue / Math.max(1, last.due - first.due)));
    return {
      checksDue,
      checksDone: Math.max(0, timely - checksLost),
      checksLost,
      load: this.#slots.busy / this.#slots.all,
    };
  }
}
