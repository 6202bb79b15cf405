import type { AnswerRule } from '../../src/main/options/planner-options.ts';
import type { Plan } from '../../src/main/plans/plan.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { forkRandom, hashOf, type Random, seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualServer } from '../../test/sim/virtual-server.ts';
import { CHECKS_SERVER, openChecked } from './checks.ts';
import { KnownAndNew } from './known-and-new.ts';

/** What plans took whose states are new, in a session in which others are served from memory. */
export interface PricedSession {
  /** Times of the plans that models decided, in seconds. */
  readonly seconds: readonly number[];
  /** Share of the time of all slots in which they were taken. */
  readonly load: number;
}

/** `nudged`: without checks, but one more plan is asked for. What differs then differs by chance. */
export type PriceArm = 'without' | 'nudged' | 'with';

export interface PriceSetting {
  /** Plans in new states, a second. */
  readonly fresh: number;
  readonly answers: AnswerRule;
  readonly seed: number;
}

/** Hits for each plan in a new state: the cache answers four in five. */
const HITS = 4;
const STATES = 100;
const WARM_SECONDS = 50;
/** The hits begin this long before plans count, and with them the checks. Until then all arms are the same to the last detail. */
const LEAD_SECONDS = 15;
const SECONDS = 60;
/** So that chance is used up as with checks. */
const CHECK_SHARES: Readonly<Record<PriceArm, number>> = { without: 1e-9, nudged: 1e-9, with: 0.02 };
const NOW: ReadonlySet<Plan['source']> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);

/**
 * Agents ask for plans in new states, and others for plans in states that are known. What models are asked does not depend on what they
 * answered, nor on whether they were in time: so sessions with checks and without differ only by the checks.
 */
export async function runPriced({ fresh, answers, seed }: PriceSetting, arm: PriceArm): Promise<PricedSession> {
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...CHECKS_SERVER, seed }, clock);
  const cache = { similar: false, trust: 'always', ttlMs: 3_600_000, refreshAhead: false, valuesMin: false } as const;
  const planner = await openChecked(clock, server, {
    random: randomOfMoments(clock, seed),
    answers,
    cache: { ...cache, checkShare: CHECK_SHARES[arm] },
  });
  const states = new KnownAndNew(seed, STATES);
  const fromMs = 1_000 * WARM_SECONDS;
  const endMs = fromMs + 1_000 * SECONDS;
  const seconds: number[] = [];
  const plans: Promise<void>[] = [];
  const askNew = (nth: number): void => {
    const isIn = clock.now() >= fromMs;
    const plan = planner.plan(nth < STATES ? states.known(nth) : states.fresh(nth));
    plans.push(plan.then(({ source, latencyMs }) => void (isIn && NOW.has(source) && seconds.push(latencyMs / 1_000))));
  };
  const askKnown = (nth: number): void => void plans.push(planner.plan(states.passing(nth)).then(() => {}));
  const hits = async (): Promise<void> => {
    await pause(clock, fromMs - 1_000 * LEAD_SECONDS);
    if (arm === 'nudged') askNew(-1);
    await arrive(clock, forkRandom(seed, 'hits'), HITS * fresh, endMs, askKnown);
  };
  const all = [arrive(clock, forkRandom(seed, 'new'), fresh, endMs, askNew), hits()] as const;
  const [load] = await runVirtual(clock, Promise.all([meanLoad(clock, planner, fromMs), ...all]));
  await runVirtual(clock, Promise.all(plans));
  await runVirtual(clock, planner.close());
  server.close();
  return { seconds, load };
}

function pause(clock: VirtualClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(ms, resolve));
}

async function arrive(
  clock: VirtualClock,
  random: Random,
  perSecond: number,
  endMs: number,
  ask: (nth: number) => void,
): Promise<void> {
  for (let nth = 0; ; nth++) {
    await pause(clock, (-Math.log(1 - random.next()) * 1_000) / perSecond);
    if (clock.now() >= endMs) return;
    ask(nth);
  }
}

async function meanLoad(clock: VirtualClock, planner: Planner, fromMs: number): Promise<number> {
  await pause(clock, fromMs);
  let load = 0;
  for (let second = 0; second < SECONDS; second++) {
    for (const { busy, slots } of planner.stats().endpoints) load += busy / slots / SECONDS;
    await pause(clock, 1_000);
  }
  return load;
}

/** Chance that depends on the moment alone: whatever else has been drawn before shifts nothing. */
function randomOfMoments(clock: VirtualClock, seed: number): Random {
  let atMs = Number.NaN;
  let nth = 0;
  return {
    next: () => {
      nth = clock.now() === atMs ? nth + 1 : 0;
      atMs = clock.now();
      return seededRandom(hashOf(`${atMs}:${nth}`, seed)).next();
    },
  };
}
