import { resolveOptions } from '../../src/main/options/resolve-options.ts';
import type { Planner, PlannerStats } from '../../src/main/plans/planner.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import type { Timer } from '../../src/shared/clock.ts';
import { MODEL_SOURCES } from '../../src/shared/decision.ts';
import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';
import { assertStoreValid } from '../support/assert-store-valid.ts';
import { CallBook } from './call-book.ts';
import { Crowd, crowdDomain } from './crowd.ts';
import { FaultyPool } from './faulty-pool.ts';
import { FaultyServer } from './faulty-server.ts';
import { Findings } from './findings.ts';
import { PlanBook } from './plan-book.ts';
import { type Act, type Scenario, type SimEvent, scenarioOf } from './scenario.ts';
import { microtasks, runVirtual, VirtualClock } from './virtual-clock.ts';
import { VirtualPool } from './virtual-server.ts';

/**
 * The simulator: the real planner with its cache, ladder, limits, breakers and gates on a virtual clock, with servers and
 * workers that fail as those of the field do, agents that ask, leave and ask again, and a clock that stalls. The seed
 * chooses everything. Between any two steps all promises that can be kept then are kept, and the claims are held against
 * what is seen: from outside, where calls leave the planner and plans come back, and in `stats()`.
 */
export interface Outcome {
  /** Equal for two runs of one seed. */
  readonly hash: number;
  readonly steps: number;
  readonly plans: number;
  readonly calls: number;
  readonly sources: Readonly<Record<string, number>>;
}

const DECIDED: ReadonlySet<string> = new Set(MODEL_SOURCES);
/** Flights of the background about what was served, and about states for later. */
const BACKGROUND_MAX = 4;
const LATER_MAX = 64;
const FORESEEN_MAX = 64;
/** After the last plan, states are asked about for this long; then those that have begun end. */
const LATER_MS_MAX = 60_000;
/** How long it may take after an act until nothing of it is left: the longest call, load and deaf work. */
const WELL_MS_MAX = 150_000;
/** Models decide again so soon after their servers are well. */
const RECOVERY_MS = 10_000;
const RECOVERY_PAUSE_MS = 200;
const CLOSE_MS_MAX = 1_000;

export async function simulate(seed: number, steps?: (step: number) => void): Promise<Outcome> {
  const clock = new VirtualClock();
  const findings = new Findings(clock);
  const simulation = await Simulation.open(seed, clock, findings);
  await simulation.run(steps);
  return simulation.outcome;
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #clock: VirtualClock;
  readonly #findings: Findings;
  readonly #servers: readonly FaultyServer[];
  readonly #pool: FaultyPool;
  readonly #calls: CallBook;
  readonly #planner: Planner;
  readonly #plans: PlanBook;
  readonly #oracle: Crowd;
  readonly #foretelling: Random;
  readonly #crowd: Crowd;
  readonly #random: Random;
  readonly #isShared: boolean;
  readonly #timeoutMs: number;
  readonly #lateMs: number;
  /** Calls given up for somebody who waited, by what `stats()` said last. */
  #givenUp = 0;
  #askedBefore = 0;
  /** Of each endpoint, when it was last looked at. */
  readonly #slots = new Map<string, { readonly slots: number; readonly busy: number }>();
  readonly #events: Timer[] = [];
  #seenCalls = -1;
  #steps = 0;
  #closed: Promise<void> | undefined;

  static async open(seed: number, clock: VirtualClock, findings: Findings): Promise<Simulation> {
    const scenario = scenarioOf(seed);
    const servers = new Map(
      scenario.servers.map((setting) => {
        const episodes = scenario.episodes.get(setting.name) ?? [];
        return [setting.name, new FaultyServer(setting, episodes, clock, seed)];
      }),
    );
    const calls = new CallBook(findings, clock);
    const pool = new FaultyPool(new VirtualPool(crowdDomain, servers), scenario.workerEpisodes, {
      clock,
      random: forkRandom(seed, 'workers'),
      graceMs: scenario.graceMs,
    });
    const opening = createPlanner(scenario.options, {
      clock,
      random: forkRandom(seed, 'planner'),
      pool: calls.pool(pool),
      client: ({ name }) => calls.client(name, servers.get(name) as FaultyServer),
    });
    const planner = await runVirtual(clock, opening);
    return new Simulation(seed, { scenario, clock, findings, servers: [...servers.values()], pool, calls, planner });
  }

  private constructor(
    seed: number,
    parts: {
      readonly scenario: Scenario;
      readonly clock: VirtualClock;
      readonly findings: Findings;
      readonly servers: readonly FaultyServer[];
      readonly pool: FaultyPool;
      readonly calls: CallBook;
      readonly planner: Planner;
    },
  ) {
    const { scenario, clock, findings, servers, pool, calls, planner } = parts;
    this.#scenario = scenario;
    this.#clock = clock;
    this.#findings = findings;
    this.#servers = servers;
    this.#pool = pool;
    this.#calls = calls;
    this.#planner = planner;
    const { cache, maxInFlight, singleFlight, timeoutMs, lateMs } = resolveOptions(scenario.options);
    this.#timeoutMs = timeoutMs;
    this.#lateMs = lateMs;
    const ttlMsMax = cache === false ? 0 : cache.ttl === 'adaptive' ? cache.ttlMaxMs : cache.ttlMs;
    const wasVoted = (state: string, action: string): boolean => calls.wasVoted(state, action);
    this.#plans = new PlanBook(planner, {
      clock,
      findings,
      maxInFlight,
      ttlMsMax,
      onTold: () => this.#react(),
      wasVoted,
    });
    this.#isShared = singleFlight;
    this.#crowd = new Crowd(forkRandom(seed, 'crowd'), scenario.agents, scenario.states);
    this.#random = forkRandom(seed, 'events');
    this.#oracle = new Crowd(forkRandom(seed, 'crowd'), scenario.agents, scenario.states);
    this.#foretelling = forkRandom(seed, 'futures');
  }

  get outcome(): Outcome {
    const { counts, sources } = this.#plans;
    return { hash: this.#findings.hash, steps: this.#steps, plans: counts.settled, calls: this.#calls.made, sources };
  }

  async run(onStep: (step: number) => void = () => {}): Promise<void> {
    const { acts, closeAtMs } = this.#scenario;
    for (const act of acts) for (const event of act.events) this.#at(event.atMs, () => this.#happen(event));
    if (closeAtMs !== undefined) this.#at(closeAtMs, () => this.#close());
    const step = async (): Promise<void> => {
      await this.#settle();
      onStep(this.#steps);
    };
    for (const act of acts) {
      // So that time comes to its end, though nothing else may happen.
      this.#at(act.untilMs, () => {});
      await this.#runUntil(act.untilMs, step);
      if (this.#closed === undefined) await this.#recover(act, step);
    }
    await this.#end(step);
  }

  #at(atMs: number, fire: () => void): void {
    this.#events.push(this.#clock.setTimer(atMs - this.#clock.now(), fire));
  }

  /** Lets everything happen until a moment, or until `isOver`. */
  async #runUntil(untilMs: number, step: () => Promise<void>, isOver: () => boolean = () => false): Promise<boolean> {
    while (!isOver()) {
      if (!this.#clock.step(untilMs)) return false;
      await step();
    }
    return true;
  }

  // What happens ----------------------------------------------------------------------------------------------------

  #happen(event: SimEvent): void {
    switch (event.kind) {
      case 'burst':
        for (let plan = 0; plan < event.plans; plan++) this.#ask(event.timeoutMs);
        return;
      case 'stall':
        this.#findings.note(`stall ${event.ms}`);
        this.#clock.stall(event.ms);
        this.#plans.stalledMs += event.ms;
        return;
      case 'wall':
        this.#clock.setWall(event.ms);
        return;
      case 'clear':
        this.#findings.note('clear');
        this.#planner.clearCache();
        return;
      default:
        return event satisfies never;
    }
  }

  /** Hosts tell requests of which some are made. */
  #foretell(): void {
    const random = this.#foretelling;
    if (this.#closed !== undefined || random.next() > 0.4) return;
    const futures = Array.from({ length: 1 + randomIndex(random, 4) }, () => ({
      ...this.#oracle.request(),
      ...(random.next() < 0.5 ? { inMs: random.next() * 5_000 } : {}),
      ...(random.next() < 0.5 ? { likelihood: random.next() } : {}),
    }));
    this.#planner.expect(futures);
  }

  #ask([leastMs, mostMs]: readonly [number, number]): void {
    this.#foretell();
    const random = this.#random;
    const request = this.#crowd.request();
    const luck = random.next();
    if (luck < 0.02) {
      this.#plans.ask({ ...request, actions: [] }, 100);
      return;
    }
    if (luck < 0.2 && this.#closed === undefined) this.#plans.peek(request);
    // As many short as long ones.
    const timeoutMs = leastMs * (mostMs / leastMs) ** random.next();
    const hasSignal = random.next() < 0.3;
    const priority = random.next() < 0.3 ? { priority: pick(random, [-1, 0, 3, 100]) } : {};
    const given = structuredClone(request);
    const { abort } = this.#plans.ask(given, timeoutMs, { hasSignal, ...priority });
    if (hasSignal && random.next() < 0.5) {
      const isAskedAgain = random.next() < 0.5;
      this.#at(this.#clock.now() + random.next() * timeoutMs, () => {
        abort();
        if (isAskedAgain) this.#plans.ask(request, timeoutMs);
      });
    }
    // A host may use its lists again as soon as it has its promise.
    if (random.next() < 0.2) (given.actions as string[]).splice(0, 9, 'what was not offered');
  }

  /** A host that is told of a plan may do anything there and then. */
  #react(): void {
    const luck = this.#random.next();
    if (luck < 0.02) this.#plans.abortOne();
    else if (luck < 0.04) this.#plans.ask(this.#crowd.request(), 1_000);
    else if (luck < 0.042) this.#planner.clearCache();
  }

  #close(): void {
    if (this.#closed !== undefined) return;
    this.#findings.note('close');
    this.#plans.closedAtMs = this.#clock.now();
    this.#closed = this.#planner.close();
  }

  // What must hold --------------------------------------------------------------------------------------------------

  async #settle(): Promise<void> {
    this.#steps++;
    await microtasks();
    this.#plans.check();
    // Whoever was given a slot has begun.
    if (this.#clock.pendingTurns === 0) {
      this.#checkFlights();
      if (this.#calls.version !== this.#seenCalls) {
        this.#seenCalls = this.#calls.version;
        this.#checkStats(this.#planner.stats());
      }
    }
    this.#findings.report();
  }

  #checkStats({ calls, plans, endpoints, background }: PlannerStats): void {
    const { counts, waiting } = this.#plans;
    this.#equal('calls made', calls.made, this.#calls.made);
    this.#equal('calls running', calls.running, this.#calls.running);
    this.#equal('plans settled', plans.settled, counts.settled);
    this.#equal('plans waiting', plans.inFlight, waiting);
    this.#findings.claim(background.running <= BACKGROUND_MAX, `${background.running} flights of the background`);
    this.#checkGivenUp(sum(endpoints.map(({ givenUp }) => givenUp)), plans.inFlight);
    for (const { endpoint, slots, slotsKnown, busy, held } of endpoints) {
      const was = this.#slots.get(endpoint) ?? { slots, busy: 0 };
      this.#slots.set(endpoint, { slots, busy });
      this.#equal(`slots of ${endpoint} at work`, busy - held, this.#calls.runningAt(endpoint));
      // More than there are only where there were more. What is learned may have grown and shrunk since it was looked at.
      const most = slotsKnown ? slots : Math.max(slots, 2 * was.slots + 1, was.busy);
      this.#findings.claim(busy <= most, `${busy} slots of ${endpoint} are taken, ${most} at most`);
    }
  }

  #checkFlights(): void {
    const foreground = new Map<number, string>();
    const background = new Set<number>();
    for (const { flight, state } of this.#calls.wanted()) {
      if (flight < 0) background.add(flight);
      else foreground.set(flight, state);
    }
    const { waiting } = this.#plans;
    const flights = foreground.size;
    const inBackground = background.size;
    const mostInBackground = BACKGROUND_MAX + LATER_MAX + FORESEEN_MAX;
    this.#findings.claim(inBackground <= mostInBackground, `${inBackground} flights of the background`);
    // Flights of plans that have settled have the time of late work, and no more.
    const longestMs = this.#plans.timeoutMsMax + this.#plans.stalledMs + this.#lateMs;
    const overdue = this.#calls.olderThan(this.#clock.now() - longestMs - 1);
    this.#findings.claim(overdue === 0, `${overdue} calls are older than any plan and late work`);
    // What a plan waits for is at work, or stands in the queue of a gate, or before it is a held slot.
    if (waiting > 0 && this.#calls.running === 0) {
      const isQueued = this.#planner.stats().endpoints.some(({ waiting, busy }) => waiting + busy > 0);
      this.#findings.claim(isQueued, `${waiting} plans wait for nothing`);
    }
    // Those that are late are shared no more: for one state there may be one that plans share, and late ones.
    const states = new Set(foreground.values()).size;
    const late = Math.max(0, flights - waiting);
    this.#findings.claim(
      !this.#isShared || flights <= states + late + waiting,
      `${flights} flights for ${states} states`,
    );
  }

  /** No call is given up unless a plan was there that may have needed its slot. */
  #checkGivenUp(givenUp: number, inFlight: number): void {
    const { settled, cancelled } = this.#plans.counts;
    const wasWaiting = inFlight > 0 || settled + cancelled > this.#askedBefore;
    this.#findings.claim(givenUp === this.#givenUp || wasWaiting, 'a call is given up for somebody who waits');
    this.#givenUp = givenUp;
    this.#askedBefore = settled + cancelled;
  }

  /** States are asked about for a minute after the last plan; what has begun then has the time of a plan, and late work. */
  async #idle(step: () => Promise<void>): Promise<void> {
    if (this.#closed !== undefined || this.#plans.waiting > 0) return;
    const asked = (): number => this.#planner.stats().background.later.asked;
    const pass = async (ms: number): Promise<void> => {
      const untilMs = this.#clock.now() + ms;
      this.#at(untilMs, () => {});
      await this.#runUntil(untilMs, step);
    };
    await pass(LATER_MS_MAX);
    const before = asked();
    await pass(this.#timeoutMs + this.#lateMs + this.#plans.stalledMs);
    this.#findings.claim(asked() === before, 'nothing is asked for later a minute after the last plan');
    this.#findings.report();
  }

  /** When all are well and what was asked before is over, so is the planner soon: a model decides. */
  async #recover(act: Act, step: () => Promise<void>): Promise<void> {
    const isWell = (): boolean =>
      this.#plans.waiting === 0 && this.#pool.isWell && this.#servers.every((server) => server.isWell);
    // Looked at once a second, though nothing else may happen.
    const look = (): void => {
      if (!isWell()) this.#at(this.#clock.now() + 1_000, look);
    };
    look();
    const isOver = await this.#runUntil(act.untilMs + this.#plans.stalledMs + WELL_MS_MAX, step, isWell);
    if (this.#closed !== undefined) return;
    this.#findings.claim(isOver, 'a call was never given up');
    if (!this.#scenario.hasModels) return;
    let hasDecided = false;
    const untilMs = this.#clock.now() + RECOVERY_MS;
    const ask = (): void => {
      if (hasDecided || this.#clock.now() > untilMs) return;
      void this.#plans.ask(this.#crowd.fresh(), RECOVERY_MS / 2).plan.then((plan) => {
        if (plan !== undefined && DECIDED.has(plan.source)) hasDecided = true;
        this.#at(this.#clock.now() + RECOVERY_PAUSE_MS, ask);
      });
    };
    ask();
    await this.#runUntil(untilMs, step, () => hasDecided);
    const isAnswered = hasDecided || this.#closed !== undefined;
    this.#findings.claim(isAnswered, `no model has decided for ${RECOVERY_MS} ms after all were well`);
    this.#findings.report();
  }

  #equal(what: string, told: number, seen: number): void {
    this.#findings.claim(told === seen, `${what}: stats tell ${told}, and there are ${seen}`);
  }

  async #end(step: () => Promise<void>): Promise<void> {
    const findings = this.#findings;
    await this.#idle(step);
    this.#close();
    let isClosed = false;
    void this.#closed?.then(() => {
      isClosed = true;
    });
    await step();
    await this.#runUntil(this.#plans.closedAtMs + this.#plans.stalledMs + CLOSE_MS_MAX, step, () => isClosed);
    findings.claim(isClosed, 'close() never came to its end');
    for (const server of this.#servers) server.stop();
    for (const event of this.#events) event.cancel();
    // Nothing of the planner is left to happen.
    await this.#runUntil(this.#clock.now(), step);
    this.#checkEnd(this.#planner.stats());
    findings.claim(this.#clock.pendingTimers === 0, `${this.#clock.pendingTimers} timers are left`);
    this.#plans.checkEnd();
    if (this.#planner.cacheBuffer !== undefined) assertStoreValid(this.#planner.cacheBuffer);
    findings.report();
  }

  #checkFutures({ told, running, waiting, ...ends }: PlannerStats['foresight']): void {
    const { known, used, tooLate, withheld, wrong, dropped } = ends;
    this.#equal('futures that ended', told, known + used + tooLate + withheld + wrong + dropped);
    this.#equal('futures left', running + waiting, 0);
  }

  #checkEnd(stats: PlannerStats): void {
    const { counts, sources } = this.#plans;
    const { plans, calls, cache, models, endpoints, background } = stats;
    this.#checkStats(stats);
    this.#equal('plans cancelled', plans.cancelled, counts.cancelled);
    this.#equal('plans refused', plans.refused, counts.refused);
    this.#equal('plans invalid', plans.invalid, counts.invalid);
    this.#equal('plans waiting', plans.inFlight, 0);
    this.#equal('calls running', calls.running, 0);
    this.#equal('calls ended', calls.useful + calls.timeouts + calls.cancelled + calls.failed, this.#calls.made);
    this.#equal('codes', sum(Object.values(calls.byCode)), this.#calls.made);
    this.#equal('calls of all models', sum(models.map(({ made }) => made)), this.#calls.made);
    for (const [source, count] of Object.entries(stats.sources)) this.#equal(source, count, sources[source] ?? 0);
    if (cache !== false) {
      const { cache: own = 0, similar = 0, habit = 0 } = sources;
      this.#equal('hits', cache.hits + cache.stood, own + similar + habit);
    }
    this.#equal('flights of the background', background.running + background.queued, 0);
    this.#checkFutures(stats.foresight);
    for (const { endpoint, busy, held, waiting } of endpoints) {
      this.#findings.claim(busy + held + waiting === 0, `slots of ${endpoint} at the end: ${busy} busy, ${held} held`);
    }
    this.#findings.claim(hasFiniteNumbers(stats), 'every number of stats() is finite');
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function hasFiniteNumbers(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value !== 'object' || Object.values(value).every(hasFiniteNumbers);
}
