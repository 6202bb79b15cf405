import { createPlanner, type Plan, type Planner, type PlanRequest, skyrim } from '../../src/main/index.ts';
import { type Faults, machineNowMs } from '../../test/faults/fault-server.ts';
import { JumpingClock } from '../../test/faults/server/jumping-clock.ts';
import { inFlight } from '../figures.ts';
import { requestOf } from '../requests.ts';
import { PlanTally } from './plan-tally.ts';
import { RemoteServer } from './remote-server.ts';

/** A plan that has not settled so long after its deadline counts as unsettled. */
const PATIENCE_MS = 5_000;
/** Models decide again when they decide so many of one round of plans. */
const ROUND_PLANS = 20;
const ROUND_DECIDED = 19;
const ROUND_MS_MIN = 20;
/** What is not well by then is told as not well after this long. */
const RECOVERY_MS_MAX = 60_000;
/** A request so far ahead is not made. */
const NEVER = 5_000_000;

export interface LaneOptions {
  readonly seed: number;
  readonly scale: number;
  readonly timeoutMs: number;
  readonly plansInFlight: number;
  /** Every plan tells what comes after it, half of which is true, and where its agent is. */
  readonly foresight: boolean;
}

/** How models came to decide again when the server was well. */
export interface Recovery {
  /** From that moment until the first round of plans that they decide, milliseconds. */
  readonly afterMs: number;
  readonly tally: PlanTally;
}

/** A planner with real threads, its fault server, and what came of its plans. Several lanes run side by side. */
export class Lane {
  readonly server: RemoteServer;
  readonly planner: Planner;
  readonly #options: LaneOptions;
  #asked: number;

  private constructor(server: RemoteServer, planner: Planner, options: LaneOptions) {
    this.server = server;
    this.planner = planner;
    this.#options = options;
    // No two lanes share a state.
    this.#asked = options.seed * 10_000_000;
  }

  static async start(options: LaneOptions): Promise<Lane> {
    const clock = new JumpingClock(options.seed);
    const server = await RemoteServer.start(options.seed, options.scale, () => clock.jump());
    const planner = await createPlanner(
      {
        domain: skyrim,
        endpoints: { faults: { baseURL: server.baseURL } },
        experts: skyrim.roles.map(({ name }) => ({ role: name, model: 'm' })),
        synthesis: { models: ['m-a', 'm-b'] },
        cache: options.foresight ? { similar: false, checkShare: 0 } : false,
        singleFlight: options.foresight,
      },
      { clock },
    );
    return new Lane(server, planner, options);
  }

  async close(): Promise<void> {
    await this.planner.close();
    this.server.close();
  }

  /** So many plans, a number of them in flight. */
  async plans(count: number, given: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<PlanTally> {
    const tally = new PlanTally();
    await inFlight(count, this.#options.plansInFlight, async () => {
      await this.#plan(tally, given.timeoutMs ?? this.#options.timeoutMs, given.signal);
    });
    return tally;
  }

  /** Plans while `faults` are played; then more, until models decide again. */
  async underFaults(faults: Faults, count: number): Promise<{ during: PlanTally; after: Recovery }> {
    await this.server.play(faults);
    const during = await this.plans(count);
    await this.server.heal();
    return { during, after: await this.#recovery() };
  }

  /**
   * Milliseconds from a plan's cancellation until the server saw the connection of each of its calls close. `open` are
   * calls of theirs that it never saw close. Calls of plans whose deadline came earlier may be at work still: they go on late.
   */
  async cancellations(faults: Faults, count: number, afterMs: number): Promise<{ closedMs: number[]; open: number }> {
    await this.server.play(faults);
    await this.server.takeCancelled();
    const cancelledAt = new Map<string, number>();
    await inFlight(count, this.#options.plansInFlight, async () => {
      const request = requestOf(this.#asked++);
      const controller = new AbortController();
      const timer = setTimeout(() => {
        cancelledAt.set(String(request.observation.location), machineNowMs());
        controller.abort();
      }, afterMs);
      await this.planner.plan(request, { timeoutMs: 10_000, signal: controller.signal }).catch(() => {});
      clearTimeout(timer);
    });
    let open = 0;
    for (let tries = 0; tries < 40; tries++) {
      const { openLabels } = await this.server.stats();
      open = openLabels.filter((label) => cancelledAt.has(label)).length;
      if (open === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const closedMs: number[] = [];
    for (const { label, arrivedAtMs, closedAtMs } of await this.server.takeCancelled()) {
      const atMs = cancelledAt.get(label);
      // A call that arrives after its plan was cancelled was on its way; from its arrival on it is closed.
      if (atMs !== undefined && closedAtMs >= atMs) closedMs.push(closedAtMs - Math.max(atMs, arrivedAtMs));
    }
    await this.server.heal();
    await this.#recovery();
    return { closedMs, open };
  }

  async #recovery(): Promise<Recovery> {
    const tally = new PlanTally();
    const healedAt = performance.now();
    for (;;) {
      const startedAt = performance.now();
      const afterMs = startedAt - healedAt;
      if (afterMs > RECOVERY_MS_MAX) return { tally, afterMs };
      const round = await this.plans(ROUND_PLANS);
      tally.add(round);
      if (round.decided >= ROUND_DECIDED) return { tally, afterMs };
      // An endpoint that is given a rest answers nobody: such rounds end at once.
      const restMs = startedAt + ROUND_MS_MIN - performance.now();
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  /** Of the futures, every second one comes within the next few plans. */
  #tell(request: PlanRequest): void {
    const ahead = this.#options.plansInFlight;
    const comes = requestOf(this.#asked + ahead + (this.#asked % ahead));
    this.planner.expect([comes, requestOf(this.#asked + NEVER)]);
    this.planner.observe(request);
  }

  async #plan(tally: PlanTally, timeoutMs: number, signal: AbortSignal | undefined): Promise<Plan | undefined> {
    const request = requestOf(this.#asked++);
    if (this.#options.foresight) this.#tell(request);
    const patience = Promise.withResolvers<undefined>();
    const timer = setTimeout(patience.resolve, timeoutMs + PATIENCE_MS, undefined);
    const calledAt = performance.now();
    try {
      const planned = this.planner.plan(request, signal ? { timeoutMs, signal } : { timeoutMs });
      const plan = await Promise.race([planned, patience.promise]);
      if (plan === undefined) tally.failed('unsettled');
      else tally.settled(plan, request, performance.now() - calledAt - timeoutMs);
      return plan;
    } catch (error) {
      tally.failed('rejected');
      console.error('a plan was rejected:', error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
