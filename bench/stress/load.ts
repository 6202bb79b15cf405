import type { Plan, Planner, PlanRequest } from '../../src/main/index.ts';
import { forkRandom, pick, type Random } from '../../src/shared/random.ts';
import type { State, States } from './states.ts';

/** Deadlines, and how often each is drawn. */
const TIMEOUTS_MS = [50, 50, 300, 300, 300, 1_000, 1_000, 3_000] as const;
/** Plans that their callers end. */
const CANCELLED_SHARE = 0.1;
/** An agent that asks again while its plan is still out. */
const HASTY_SHARE = 0.1;
const THINK_MS_MEAN = 400;
const THINK_MS_MAX = 2_000;
/** Between two bursts, on average. */
const BURST_MS = 5_000;
/** Of the agents, those that ask at the same moment. */
const BURST_AGENTS_SHARE = 0.5;
/** Of those, the ones in one and the same state. */
const BURST_SAME_SHARE = 0.4;
/** A plan that has not settled so long after its deadline counts as unsettled. */
const PATIENCE_MS = 5_000;
const DRAIN_TURN_MS = 20;

/** What becomes of the plans. Times are milliseconds of `performance.now()`. */
export interface LoadWatcher {
  settled(plan: Plan, request: PlanRequest, asked: Asked, nowMs: number): void;
  /** As its caller wanted. */
  cancelled(): void;
  rejected(asked: Asked, error: unknown): void;
  unsettled(asked: Asked): void;
}

export interface Asked {
  readonly atMs: number;
  readonly timeoutMs: number;
}

export interface LoadOptions {
  readonly seed: number;
  readonly agents: number;
}

/** Many agents that think, ask, and ask again, each in a state of its own; now and then many of them at once. */
export class Load {
  readonly #planner: Planner;
  readonly #states: States;
  readonly #watcher: LoadWatcher;
  readonly #random: Random;
  readonly #agents: readonly string[];
  readonly #open = new Set<Asked>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isOver = false;

  constructor(planner: Planner, states: States, watcher: LoadWatcher, { seed, agents }: LoadOptions) {
    this.#planner = planner;
    this.#states = states;
    this.#watcher = watcher;
    this.#random = forkRandom(seed, 'load');
    this.#agents = Array.from({ length: agents }, (_, index) => `agent-${index}`);
  }

  get inFlight(): number {
    return this.#open.size;
  }

  start(): void {
    for (const agent of this.#agents) this.#live(agent);
    this.#later(this.#random.next() * BURST_MS, () => this.#burst());
  }

  /** Tells of those that are given up. */
  lookForUnsettled(): void {
    const nowMs = performance.now();
    for (const asked of this.#open) {
      if (nowMs < asked.atMs + asked.timeoutMs + PATIENCE_MS) continue;
      this.#open.delete(asked);
      this.#watcher.unsettled(asked);
    }
  }

  /** No more plans; resolves when every one in flight has settled, or was given up. */
  async end(): Promise<void> {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    while (this.#open.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_TURN_MS));
      this.lookForUnsettled();
    }
  }

  #live(agent: string): void {
    const thinkMs = Math.min(THINK_MS_MAX, -THINK_MS_MEAN * Math.log(1 - this.#random.next()));
    this.#later(thinkMs, async () => {
      const plan = this.#ask(agent, this.#states.draw(this.#random));
      if (this.#random.next() >= HASTY_SHARE) await plan;
      this.#live(agent);
    });
  }

  #burst(): void {
    const same = this.#states.draw(this.#random);
    for (const agent of this.#agents) {
      if (this.#random.next() >= BURST_AGENTS_SHARE) continue;
      const isSame = this.#random.next() < BURST_SAME_SHARE;
      void this.#ask(agent, isSame ? same : this.#states.draw(this.#random));
    }
    this.#later(BURST_MS * (0.5 + this.#random.next()), () => this.#burst());
  }

  async #ask(agent: string, state: State): Promise<void> {
    const request = { agent, ...state };
    const timeoutMs = pick(this.#random, TIMEOUTS_MS);
    const asked: Asked = { atMs: performance.now(), timeoutMs };
    const controller = this.#random.next() < CANCELLED_SHARE ? new AbortController() : undefined;
    const timer = controller && setTimeout(() => controller.abort(), this.#random.next() * timeoutMs);
    this.#open.add(asked);
    try {
      const plan = await this.#planner.plan(request, { timeoutMs, ...(controller && { signal: controller.signal }) });
      if (this.#open.delete(asked)) this.#watcher.settled(plan, request, asked, performance.now());
    } catch (error) {
      if (!this.#open.delete(asked)) return;
      if (controller?.signal.aborted && isCancelled(error)) this.#watcher.cancelled();
      else this.#watcher.rejected(asked, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #later(ms: number, run: () => void): void {
    if (this.#isOver) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }
}

function isCancelled(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_PLAN_CANCELLED';
}
