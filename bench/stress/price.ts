import { AsyncLocalStorage } from 'node:async_hooks';
import type { AnswerRule } from '../../src/main/options/planner-options.ts';
import type { Plan } from '../../src/main/plans/plan.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { forkRandom, hashOf, type Random, seededRandom } from '../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { VirtualServer } from '../../test/sim/virtual-server.ts';
import { CHECKS_SERVER, openChecked } from './checks.ts';
import { DueChecks } from './due-checks.ts';
import { KnownAndNew } from './known-and-new.ts';

export interface PricedPlan {
  readonly seconds: number;
  /** Its source and the calls that were made for it. */
  readonly how: string;
}

/** What plans took whose states are new, in a session in which others are served from memory. */
export interface PricedSession {
  /** The plans that models decided, by their number. */
  readonly plans: ReadonlyMap<number, PricedPlan>;
  /** Share of the time of all slots in which they were taken. */
  readonly load: number;
  /** Checks whose two minutes are over by the end, and those that were done in time; none in a session of two minutes or less. */
  readonly checksDue: number;
  readonly checksDone: number;
}

/** `nudged`: without checks, but one more plan is asked for. What differs then differs by chance. */
export type PriceArm = 'without' | 'nudged' | 'with';

export interface PriceSetting {
  /** Plans in new states, a second. */
  readonly fresh: number;
  readonly answers: AnswerRule;
  /** Default: a verdict on reads, which differs between sessions by chance. */
  readonly confidenceMin?: number;
  /** Hits for each plan in a new state. Default: 4, so that the cache answers four in five. */
  readonly hits?: number;
  /** Time in which states, times and reads are learned, before plans count. Default: 50. */
  readonly warmSeconds?: number;
  /** Time in which plans count. Default: 60. */
  readonly countedSeconds?: number;
  readonly seed: number;
}

const STATES = 100;
/** The hits begin this long before plans count, and with them the checks. Until then all arms are the same to the last detail. */
const LEAD_SECONDS = 15;
/** The time that a check has. */
const LIMIT_MS = 120_000;
/** A state in which no other plan is asked for. */
const NUDGE = 1_000_000;
/** So that chance is used up as with checks. */
const CHECK_SHARES: Readonly<Record<PriceArm, number>> = { without: 1e-9, nudged: 1e-9, with: 0.02 };
const NOW: ReadonlySet<Plan['source']> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);

/**
 * Agents ask for plans in new states, and others for plans in states that are known. What models are asked does not depend on what they
 * answered, nor on whether they were in time: so sessions with checks and without differ only by the checks.
 */
export async function runPriced(
  { fresh, hits = 4, answers, confidenceMin, warmSeconds = 50, countedSeconds = 60, seed }: PriceSetting,
  arm: PriceArm,
): Promise<PricedSession> {
  const clock = new VirtualClock();
  const server = new VirtualServer({ ...CHECKS_SERVER, seed }, clock);
  const cache = { similar: false, trust: 'always', ttlMs: 3_600_000, refreshAhead: false, valuesMin: false } as const;
  const random = new ChanceOfPlans(clock, seed);
  const planner = await openChecked(clock, server, {
    random,
    answers,
    confidenceMin,
    cache: { ...cache, checkShare: CHECK_SHARES[arm] },
  });
  const states = new KnownAndNew(seed, STATES);
  const fromMs = 1_000 * warmSeconds;
  const endMs = fromMs + 1_000 * countedSeconds;
  const decided = new Map<number, PricedPlan>();
  const plans: Promise<void>[] = [];
  const askNew = (nth: number): void => {
    const isIn = clock.now() >= fromMs;
    const request = nth < STATES ? states.known(nth) : states.fresh(nth);
    const plan = random.within(`new ${nth}`, () => planner.plan(request));
    plans.push(plan.then((made) => void (isIn && NOW.has(made.source) && decided.set(nth, pricedPlan(made)))));
  };
  const askKnown = (nth: number): void => {
    const plan = random.within(`known ${nth}`, () => planner.plan(states.passing(nth)));
    plans.push(plan.then(() => {}));
  };
  const askForHits = async (): Promise<void> => {
    await pause(clock, fromMs - 1_000 * LEAD_SECONDS);
    if (arm === 'nudged') askNew(NUDGE);
    await arrive(clock, forkRandom(seed, 'hits'), hits * fresh, endMs, askKnown);
  };
  const all = [arrive(clock, forkRandom(seed, 'new'), fresh, endMs, askNew), askForHits()] as const;
  const checks = new DueChecks(() => clock.now());
  const [load] = await runVirtual(clock, Promise.all([meanLoad(clock, planner, fromMs, countedSeconds), ...all]));
  await runVirtual(clock, Promise.all(plans));
  const { due, done } = checks.between(fromMs, endMs - LIMIT_MS, LIMIT_MS);
  checks.close();
  await runVirtual(clock, planner.close());
  server.close();
  return { plans: decided, load, checksDue: due, checksDone: done };
}

function pricedPlan({ source, latencyMs, attempts }: Plan): PricedPlan {
  const calls = attempts.map(({ step, role }) => `${step} ${role}`);
  return { seconds: latencyMs / 1_000, how: `${source}: ${calls}` };
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

async function meanLoad(clock: VirtualClock, planner: Planner, fromMs: number, seconds: number): Promise<number> {
  await pause(clock, fromMs);
  let load = 0;
  for (let second = 0; second < seconds; second++) {
    for (const { busy, slots } of planner.stats().endpoints) load += busy / slots / seconds;
    await pause(clock, 1_000);
  }
  return load;
}

/**
 * Chance that depends on the plan in which it is drawn, and on how often that plan has drawn: whatever other plans, checks among them, have
 * drawn before shifts nothing. Outside of plans it depends on the moment.
 */
class ChanceOfPlans implements Random {
  readonly #clock: VirtualClock;
  readonly #seed: number;
  readonly #plans = new AsyncLocalStorage<Draws>();
  #moment: Draws = { of: '', count: 0 };

  constructor(clock: VirtualClock, seed: number) {
    this.#clock = clock;
    this.#seed = seed;
  }

  /** Asks for a plan; what is drawn meanwhile is its chance. */
  within<T>(plan: string, ask: () => T): T {
    return this.#plans.run({ of: plan, count: 0 }, ask);
  }

  next(): number {
    const draws = this.#plans.getStore() ?? this.#ofMoment();
    return seededRandom(hashOf(`${draws.of}:${draws.count++}`, this.#seed)).next();
  }

  #ofMoment(): Draws {
    const of = `${this.#clock.now()}`;
    if (this.#moment.of !== of) this.#moment = { of, count: 0 };
    return this.#moment;
  }
}

interface Draws {
  readonly of: string;
  count: number;
}
