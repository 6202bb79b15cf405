import type { Clock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import { PlannerError } from '../../shared/errors.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { LATENESS_MS_MAX, type Plan, type PlanOptions } from '../plans/plan.ts';
import { AgentLanes } from './agent-lanes.ts';
import { isTraceFault } from './file-lines.ts';
import type { TraceRecord } from './trace-reader.ts';
import type { TraceWriter } from './trace-writer.ts';

/** The part of a planner that a session needs. */
interface SessionPlanner {
  plan(request: PlanRequest, options?: PlanOptions): Promise<Plan>;
}

/** Number of plans of the first lap after which a planner has warmed up: it has met the frequent states. */
export const WARM_UP_PLANS = 100;

interface LapOptions {
  /** Duration in milliseconds of the session's clock. After it nothing more starts, and running work finishes. */
  readonly forMs: number;
  /** The records again, from the first one. */
  again(): AsyncIterable<TraceRecord>;
}

export interface SessionOptions {
  /** Number of agents planned for at once. */
  readonly concurrency: number;
  /** Maximum number of requests in each lap. Default: all. */
  readonly limit?: number;
  /** Repeats the records until the time is over. A lap starts when the previous one has ended. Default: one lap. */
  readonly laps?: LapOptions;
  readonly clock: Clock;
  /** Ends the session: running work is cancelled, and the results so far are reported. */
  readonly signal?: AbortSignal;
  /** Records the first lap. */
  readonly writer?: TraceWriter;
  readonly onPlan?: (plan: Plan, counts: SessionCounts) => void;
  /** Called once, after the last plan of the warm-up, if the first lap has that many plans. */
  readonly onWarmUp?: (outcome: SessionOutcome) => void;
  /** Called once, when the first lap is over, complete or not. */
  readonly onFirstLap?: (outcome: SessionOutcome) => void;
}

/** Counts of the session itself, independent of the planner. */
export interface SessionCounts {
  readonly plans: number;
  /** Plans whose action is one of the request's. */
  readonly legal: number;
  /** Plans that settled at most LATENESS_MS_MAX after their deadline. */
  readonly onTime: number;
  /** Requests cancelled by the interrupt while they ran. */
  readonly cancelled: number;
  /** Plans for a record with the agent's real action, and those of them that chose the same. */
  readonly compared: number;
  readonly agreed: number;
  readonly agents: number;
  /** How often the records were started. Figures of a report cover all laps; those of `expect` cover the first one. */
  readonly laps: number;
}

export interface SessionOutcome extends SessionCounts {
  readonly seconds: number;
  readonly interrupted: boolean;
  /** The error that ended the session early: a trace that could not be read to its end, or the rejection of a plan. */
  readonly fault?: Error;
}

const NO_COUNTS = { plans: 0, legal: 0, onTime: 0, cancelled: 0, compared: 0, agreed: 0, laps: 0 };

/** The outcome of a session before its first plan. */
export const NOTHING_DONE: SessionOutcome = { ...NO_COUNTS, agents: 0, seconds: 0, interrupted: false };

/** Records read ahead for each agent at once, so that a busy agent does not hold up the others. */
const READ_AHEAD = 32;
const READ_AHEAD_MIN = 256;

/**
 * Runs a planner over a stream of requests: those of one agent in order, several agents at once. A broken trace ends the reading; earlier records run
 * to their end. A rejected plan ends the session like an interrupt, and running plans still end on their own. Never rejects: in either case the
 * results so far are worth reporting.
 */
export async function runSession(
  planner: SessionPlanner,
  records: AsyncIterable<TraceRecord>,
  options: SessionOptions,
): Promise<SessionOutcome> {
  return new Session(planner, options).run(records);
}

interface Job {
  /** Index in the recording; undefined if it is not recorded. */
  readonly index: number | undefined;
  readonly record: TraceRecord;
}

class Session {
  readonly #planner: SessionPlanner;
  readonly #options: SessionOptions;
  readonly #lanes = new AgentLanes<Job>();
  readonly #agents = new Set<string>();
  readonly #openMax: number;
  readonly #startedAtMs: number;
  readonly #counts = { ...NO_COUNTS };
  /** Number of records read and not settled. */
  #open = 0;
  #running = 0;
  /** The first thing that went wrong. */
  #fault: Error | undefined;
  /** True after a fault other than a broken trace, or when the time is over: nothing more is started. */
  #isStopped = false;
  #wake: (() => void) | undefined;

  constructor(planner: SessionPlanner, options: SessionOptions) {
    this.#planner = planner;
    this.#options = options;
    this.#startedAtMs = options.clock.now();
    this.#openMax = Math.max(READ_AHEAD_MIN, READ_AHEAD * options.concurrency);
  }

  async run(records: AsyncIterable<TraceRecord>): Promise<SessionOutcome> {
    const { clock, signal, laps, onFirstLap } = this.#options;
    const drop = (): void => this.#drop();
    signal?.addEventListener('abort', drop, { once: true });
    const timer = laps && clock.setTimer(laps.forMs, () => this.#stop());
    let read = await this.#lap(records);
    onFirstLap?.(this.#outcome());
    // Laps without a record would repeat indefinitely.
    while (laps !== undefined && read > 0 && this.#fault === undefined && !this.#isOver()) {
      read = await this.#lap(laps.again());
    }
    timer?.cancel();
    signal?.removeEventListener('abort', drop);
    return this.#outcome();
  }

  /** Runs the records to their end. Resolves to how many were read. */
  async #lap(records: AsyncIterable<TraceRecord>): Promise<number> {
    this.#counts.laps++;
    let read = 0;
    try {
      read = await this.#read(records);
    } catch (error) {
      if (isTraceFault(error)) this.#fault ??= error;
      else this.#failed(error);
    }
    while (this.#open > 0) await this.#change();
    return read;
  }

  async #read(records: AsyncIterable<TraceRecord>): Promise<number> {
    const { limit = Number.POSITIVE_INFINITY, writer } = this.#options;
    const isFirst = this.#counts.laps === 1;
    let read = 0;
    if (limit <= 0) return read;
    for await (const record of records) {
      if (this.#isOver()) return read;
      this.#open++;
      const agent = agentOf(record);
      this.#agents.add(agent);
      this.#lanes.push(agent, { index: isFirst ? read : undefined, record });
      read++;
      this.#start();
      if (read >= limit) return read;
      if (isFirst) await writer?.ready();
      while (this.#open >= this.#openMax && !this.#isOver()) await this.#change();
    }
    return read;
  }

  #isOver(): boolean {
    return this.#isStopped || this.#options.signal?.aborted === true;
  }

  #start(): void {
    while (this.#running < this.#options.concurrency) {
      const job = this.#lanes.take();
      if (job === undefined) return;
      this.#running++;
      void this.#run(job);
    }
  }

  async #run({ index, record }: Job): Promise<void> {
    const { signal, writer } = this.#options;
    try {
      const plan = await this.#planner.plan(record.request, signal ? { signal } : {});
      this.#count(record, plan);
      if (index !== undefined) writer?.add(index, record, plan.action);
      this.#options.onPlan?.(plan, this.#seen());
      const { plans, laps } = this.#counts;
      if (plans === WARM_UP_PLANS && laps === 1) this.#options.onWarmUp?.(this.#outcome());
    } catch (error) {
      if (index !== undefined) writer?.skip(index);
      this.#failed(error);
    } finally {
      this.#running--;
      this.#settled(1);
      this.#lanes.finish(agentOf(record));
      if (!this.#isOver()) this.#start();
    }
  }

  #count({ request, chosen }: TraceRecord, plan: Plan): void {
    const counts = this.#counts;
    counts.plans++;
    if (request.actions.includes(plan.action)) counts.legal++;
    if (plan.latenessMs <= LATENESS_MS_MAX) counts.onTime++;
    if (chosen === undefined) return;
    counts.compared++;
    if (plan.action === chosen) counts.agreed++;
  }

  #failed(error: unknown): void {
    if (error instanceof PlannerError && error.code === 'ERR_PLAN_CANCELLED') this.#counts.cancelled++;
    else {
      this.#fault ??= error instanceof Error ? error : new PlannerError('ERR_INTERNAL', String(error));
      this.#stop();
    }
  }

  #stop(): void {
    this.#isStopped = true;
    this.#drop();
  }

  #drop(): void {
    const dropped = this.#lanes.clear();
    for (const { index } of dropped) if (index !== undefined) this.#options.writer?.skip(index);
    this.#settled(dropped.length);
  }

  #settled(jobs: number): void {
    this.#open -= jobs;
    this.#wake?.();
  }

  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #outcome(): SessionOutcome {
    const { clock, signal } = this.#options;
    return {
      ...this.#seen(),
      seconds: (clock.now() - this.#startedAtMs) / 1_000,
      interrupted: signal?.aborted ?? false,
      ...defined({ fault: this.#fault }),
    };
  }

  #seen(): SessionCounts {
    return { ...this.#counts, agents: this.#agents.size };
  }
}

/** Agents of equal names in two domains are two agents. */
function agentOf({ request: { agent, domain } }: TraceRecord): string {
  return domain === undefined ? agent : `${domain}\n${agent}`;
}
