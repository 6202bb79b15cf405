import { EventEmitter } from 'node:events';
import type { Decision } from '../../shared/decision.ts';
import type { Domain } from '../../shared/domain.ts';
import type { InParts } from '../../shared/in-parts.ts';
import { NamedDomains } from '../../shared/named-domain.ts';
import type { OwnedRequest } from '../../shared/owned-request.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import type { ClusterStats } from '../cluster/cluster.ts';
import type { EndpointStats } from '../models/endpoint-parts.ts';
import type { PoolStats } from '../models/pool/expert-pool.ts';
import type { TurnStats } from '../models/slots/fair-share.ts';
import { Announcements, type PlannerEvents } from './announcements.ts';
import { sharedLanes } from './background/background-lane.ts';
import type { Companion } from './companion.ts';
import type { Distributions } from './distributions.ts';
import { DomainCore, type DomainParts, type DomainStats, plannerClosed, type SharedCore } from './domain-core.ts';
import { checkedFutures, checkedFuturesInParts, type Future, type Guess } from './expectations/future.ts';
import type { FlightParts } from './flights/flight-parts.ts';
import { LongWork } from './long-work.ts';
import { mergedDistributions, mergedStats } from './merged-stats.ts';
import type { CloseOptions, Plan, PlanOptions } from './plan.ts';

/**
 * The planner: one request from observation to plan. It is an anytime algorithm: there is an answer in hand from the start, each
 * rung only replaces it with a better one, and at the deadline the best one is the plan. Each domain has a core that plans for its
 * agents; this file finds the core of a request, and has what all domains share. All of it runs on one event loop, and nothing here
 * blocks it.
 */

/** `S`: the figures of the planner's companion. With several domains, the counts of all of them together. */
export interface PlannerStats<S = unknown> extends DomainStats {
  /** How agents take turns while plans wait for slots. */
  readonly turns: TurnStats;
  readonly workers: PoolStats;
  /** Figures of the chat gateway. Its calls are not included above. */
  readonly chats: S;
  /** The current state of each model server: slots, health, times and timeouts. */
  readonly endpoints: readonly EndpointStats[];
  /** This node's part in a cluster; absent if the planner works alone. */
  readonly cluster?: ClusterStats;
}

/** The figures by domain, if there are several. */
export interface StatsByDomain {
  readonly domains?: Readonly<Record<string, DomainStats>>;
}

export class Planner<C extends Companion = Companion> extends EventEmitter<PlannerEvents> implements AsyncDisposable {
  /** Serves chats of OpenAI clients on the endpoints of the planner. */
  readonly chats: C;
  /** Reads and checks long messages from every way in. */
  readonly longWork: LongWork;
  readonly #parts: FlightParts;
  readonly #domains: NamedDomains<DomainCore>;
  readonly #cores: readonly DomainCore[];
  readonly #announcements: Announcements = new Announcements(this);
  /** Undefined if the planner works alone. */
  readonly #cluster: { stats(): ClusterStats } | undefined;
  readonly #release: () => Promise<void>;
  /** Requests that were refused because they name no domain of the planner. */
  #unknown = 0;
  #closed: Promise<void> | undefined;
  /** Ends the draining immediately. */
  #hurry: () => void = () => {};

  /** Use `createPlanner`, which also starts threads and checks models. `release` frees what the parts opened. */
  constructor(
    domains: readonly [DomainParts, ...DomainParts[]],
    chats: C,
    cluster: { stats(): ClusterStats } | undefined,
    random: Random,
    release: () => Promise<void>,
  ) {
    super();
    this.chats = chats;
    this.#parts = domains[0].parts;
    this.longWork = new LongWork(this.#parts.clock);
    const shared = this.#sharedCore(domains, random);
    this.#cores = domains.map((domain) => new DomainCore(domain, shared));
    this.#domains = new NamedDomains(new Map(this.#cores.map((core) => [core.name, core])));
    for (const { name, gate, breaker } of this.#parts.endpoints.values()) {
      breaker.onOpened = (opened) => this.#announcements.tell('resting', name, opened);
      gate.onIdle = () => {
        for (const core of this.#cores) core.wake();
      };
    }
    this.#cluster = cluster;
    this.#release = release;
  }

  #sharedCore(domains: readonly [DomainParts, ...DomainParts[]], random: Random): SharedCore {
    const remembering = domains.find(({ cache }) => cache !== undefined) ?? domains[0];
    return {
      random,
      announcements: this.#announcements,
      lanes: sharedLanes(remembering.parts),
      isOneOfSeveral: domains.length > 1,
      ids: { next: 1 },
      waiting: () => this.#waiting(),
      isClosed: () => this.#closed !== undefined,
    };
  }

  #waiting(): number {
    let waiting = 0;
    for (let i = 0; i < this.#cores.length; i++) waiting += (this.#cores[i] as DomainCore).waiting;
    return waiting;
  }

  /**
   * Returns a plan with exactly one of `request.actions`, by the deadline. Rejects only with ERR_REQUEST_INVALID,
   * ERR_PLANNER_OVERLOADED, ERR_PLANNER_CLOSED, or ERR_PLAN_CANCELLED when the caller's signal aborts.
   */
  async plan(request: PlanRequest, options?: PlanOptions): Promise<Plan> {
    return this.planNow(request, options);
  }

  /**
   * As `plan`, but returns answers from the cache directly, without a promise: for callers with many plans a second. Throws the
   * errors with which `plan` rejects immediately.
   */
  planNow(request: PlanRequest, given?: PlanOptions): Plan | Promise<Plan> {
    return this.#countedCoreOf(request).planNow(request, given);
  }

  /**
   * Takes over a long request of plain data, which its caller must no longer change. It is checked and read in parts, while the
   * event loop turns, and planned without another pass over it. Its time starts now. Rejects as `plan` does.
   */
  async own(request: PlanRequest): Promise<OwnedRequest> {
    const askedAtMs = this.#parts.clock.now();
    this.#refuseIfClosed();
    const core = this.#countedCoreOf(request);
    try {
      return await this.longWork.run(core.ownInParts(request, askedAtMs));
    } catch (error) {
      core.counters.plans.invalid++;
      throw error;
    }
  }

  #refuseIfClosed(): void {
    if (this.#closed !== undefined) throw plannerClosed();
  }

  /** The core of the request's domain. A request without one is counted as invalid. */
  #countedCoreOf(request: PlanRequest): DomainCore {
    try {
      return this.#domains.of(request);
    } catch (error) {
      if (this.#domains.only === undefined) this.#unknown++;
      else this.#domains.only.counters.plans.invalid++;
      throw error;
    }
  }

  /** Returns a fresh cached decision for the request's state, or undefined. Synchronous; counts nothing. */
  peek(request: PlanRequest): Decision | undefined {
    return this.#domains.of(request).peek(request);
  }

  /**
   * Tells requests that agents are expected to make soon. Models are asked about them while their servers are idle, the likeliest
   * first, so that the answers are there when they are asked for. Cheap, and bounded for each agent: what is useless or too much
   * is dropped and counted in `stats().foresight`. Throws ERR_REQUEST_INVALID, or ERR_PLANNER_CLOSED.
   */
  expect(futures: readonly Future[]): void {
    this.#refuseIfClosed();
    this.take(checkedFutures(this.#domainOf, futures));
  }

  /** As `expect`, for futures of plain data that their caller must no longer change: they are read while the event loop turns. */
  async expectInParts(futures: readonly Future[]): Promise<void> {
    this.#refuseIfClosed();
    await this.longWork.run(this.#expectInParts(futures));
  }

  *#expectInParts(futures: readonly Future[]): InParts<void> {
    for (const guess of yield* checkedFuturesInParts(this.#domainOf, futures)) {
      this.take([guess]);
      yield;
    }
  }

  readonly #domainOf = (request: PlanRequest): Domain => this.#domains.of(request).domain;

  /** Takes futures from any source. Their requests are valid, and the planner copies them. */
  take(guesses: readonly Guess[]): void {
    const { only } = this.#domains;
    if (only !== undefined) return only.take(guesses);
    for (const [core, own] of Map.groupBy(guesses, (guess) => this.#domains.of(guess))) core.take(own);
  }

  /**
   * Tells the state that an agent is in now, without asking for a plan: a request without options. From then on, each plan of this
   * agent that settles has an action that is possible in the newest state told, and `plan.landing` says how the plan fits it.
   * Throws ERR_REQUEST_INVALID, or ERR_PLANNER_CLOSED.
   */
  observe(state: PlanRequest): void {
    this.#refuseIfClosed();
    this.#domains.of(state).observe(state);
  }

  /** Clears every cached decision and every cached answer to a chat. */
  clearCache(): void {
    for (const core of this.#cores) core.clearCache();
    this.chats.clearCache();
  }

  /** The cache's memory: any thread of the process can read it with a `StoreReader`, without a message. */
  get cacheBuffer(): SharedArrayBuffer | undefined {
    return this.#cores.find(({ cache }) => cache !== undefined)?.cache?.buffer;
  }

  stats(): PlannerStats<ReturnType<C['stats']>> & StatsByDomain {
    const byDomain = this.#cores.map((core) => [core.name, core.stats()] as const);
    return {
      ...mergedStats(this.#cores, byDomain, this.#unknown),
      turns: this.#parts.shares.stats(),
      workers: this.#parts.pool.stats(),
      chats: this.chats.stats() as ReturnType<C['stats']>,
      endpoints: [...this.#parts.endpoints.values()].map((at) => at.stats()),
      ...(this.#cluster && { cluster: this.#cluster.stats() }),
      ...(byDomain.length === 1 ? {} : { domains: Object.fromEntries(byDomain) }),
    };
  }

  /** Times and tokens since the start, in buckets for monitoring systems. */
  distributions(): Distributions {
    return mergedDistributions(this.#cores);
  }

  /** As `distributions`, by domain. */
  distributionsByDomain(): Readonly<Record<string, Distributions>> {
    return Object.fromEntries(this.#cores.map(({ name, counters }) => [name, counters.distributions()]));
  }

  /** The only domain, or the first of several. */
  get domain(): Domain {
    return this.#parts.options.domain;
  }

  /** All domains by name. */
  get domains(): Readonly<Record<string, Domain>> {
    return Object.fromEntries(this.#cores.map(({ name, domain }) => [name, domain]));
  }

  /** Maximum plans in flight; further ones are rejected. */
  get maxInFlight(): number {
    return this.#parts.options.maxInFlight;
  }

  /** False from the start of closing: new plans are rejected. */
  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /**
   * Rejects new plans and chats, lets those in flight continue for `drainMs`, settles the remaining plans with their best answer
   * in hand, cancels the chats and all model work, and ends the threads. Closing again without `drainMs` ends the draining.
   */
  close({ drainMs = 0 }: CloseOptions = {}): Promise<void> {
    if (this.#closed === undefined) {
      // First, so that a listener that plans while the last plans settle is rejected.
      const closed = Promise.withResolvers<void>();
      this.#closed = closed.promise;
      this.chats.shut();
      for (const core of this.#cores) core.shut();
      this.#close(drainMs).then(closed.resolve, closed.reject);
    } else if (drainMs <= 0) this.#hurry();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    if (drainMs > 0) await this.#drain(drainMs);
    const landed = Promise.all([...this.#cores.map((core) => core.close()), this.chats.close()]);
    for (const endpoint of this.#parts.endpoints.values()) endpoint.close();
    await this.#release();
    await landed;
    await Promise.all(this.#cores.map(({ cache }) => cache?.close()));
  }

  async #drain(drainMs: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#hurry = over.resolve;
    const timer = this.#parts.clock.setTimer(drainMs, over.resolve);
    const idle = [...this.#cores.map((core) => core.idle()), this.chats.idle()];
    await Promise.race([Promise.all(idle), over.promise]);
    timer.cancel();
  }

  /** Emits the event `warning`. */
  warn(message: string): void {
    this.#announcements.warn(message);
  }
}
