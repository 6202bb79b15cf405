import { EventEmitter } from 'node:events';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, imageFeaturesOf, priorityOf } from '../../shared/domain.ts';
import { PlannerError } from '../../shared/errors.ts';
import type { InParts } from '../../shared/in-parts.ts';
import { OwnedRequest, valuesInParts } from '../../shared/owned-request.ts';
import { checkRequest, checkRequestInParts, type PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer, sumOfHashesInParts } from '../../shared/signature.ts';
import type { CacheStats } from '../cache/cache-options.ts';
import type { PlanCache } from '../cache/plan-cache.ts';
import type { Durations } from '../measure/durations.ts';
import type { TryCounts } from '../models/calls/call-ledger.ts';
import type { EndpointStats } from '../models/endpoint-parts.ts';
import type { PoolStats } from '../models/pool/expert-pool.ts';
import type { TurnStats } from '../models/slots/fair-share.ts';
import { SLICE_MS_MIN } from '../models/time/time-budget.ts';
import { Announcements, type PlannerEvents } from './announcements.ts';
import { BackgroundLane, type BackgroundStats } from './background/background-lane.ts';
import { StateBook } from './background/state-book.ts';
import { checkPlanOptions, defaultTimeoutMs } from './check-plan-options.ts';
import type { Companion } from './companion.ts';
import type { CallCounts, ModelStats, PlanCounts, PlannerCounters } from './counters.ts';
import type { Distributions } from './distributions.ts';
import { Foresight, type ForesightStats } from './expectations/foresight.ts';
import { checkedFutures, checkedFuturesInParts, type Future, type Guess } from './expectations/future.ts';
import { type LandingStats, Landings } from './expectations/landings.ts';
import { AskedStates } from './flights/asked-states.ts';
import { FlightBoard, planCancelled } from './flights/flight-board.ts';
import type { FlightParts } from './flights/flight-parts.ts';
import { type Answer, bestInHand } from './ladder/best-in-hand.ts';
import type { LateStats } from './ladder/late-answers.ts';
import { UNDECIDED_SOURCES, type WhyCode } from './ladder/why.ts';
import { whyOf } from './ladder/why-no-model.ts';
import { Lessons } from './lessons.ts';
import { LongWork } from './long-work.ts';
import type { CloseOptions, Plan, PlanOptions } from './plan.ts';
import type { PlanCall } from './plan-call.ts';
import { readPlanOptions } from './plan-options.ts';
import { callerContext } from './plan-spans.ts';
import type { ReadStats } from './reads/reads.ts';
import { Settlements } from './settlements.ts';

/**
 * The planner: one request from observation to plan. It is an anytime algorithm: there is an answer in hand from the start, each
 * rung only replaces it with a better one, and at the deadline the best one is the plan. This file has the branches of a request;
 * the flight board decides which plans wait for which model work. All of it runs on one event loop, and nothing here blocks it.
 */

/** `S`: the figures of the planner's companion. */
export interface PlannerStats<S = unknown> {
  readonly plans: PlanCounts & { readonly inFlight: number };
  readonly sources: Readonly<Record<Plan['source'], number>>;
  /** Plans that no model decided, by the code of their `why`. */
  readonly why: Readonly<Record<WhyCode, number>>;
  /** How agents take turns while plans wait for slots. */
  readonly turns: TurnStats;
  /** Decisions that were read from probabilities; false if models are only asked in words. */
  readonly reads: ReadStats | false;
  readonly planningMs: Durations;
  readonly latenessMs: Durations;
  /** False if the cache is off. */
  readonly cache: CacheStats | false;
  /** Figures of background work. */
  readonly background: BackgroundStats;
  /** What became of the states that agents were expected to be in. */
  readonly foresight: ForesightStats;
  /** How plans fitted the newest states of their agents, as far as those are known. */
  readonly landing: LandingStats;
  /** How stand-ins compare with the next rung, by kind, age and distance, and which of them serve. */
  readonly late: readonly LateStats[];
  readonly calls: CallCounts &
    Readonly<TryCounts> & {
      /** Votes that counted before their answers had ended. */
      readonly earlyChoices: number;
      readonly byCode: Readonly<Record<string, number>>;
    };
  /** Flights in which model A was asked and gave no decision, so that a lower rung was needed. */
  readonly fallbacks: number;
  readonly models: readonly ModelStats[];
  readonly workers: PoolStats;
  /** Figures of the chat gateway. Its calls are not included above. */
  readonly chats: S;
  /** The current state of each model server: slots, health, times and timeouts. */
  readonly endpoints: readonly EndpointStats[];
}

export class Planner<C extends Companion = Companion> extends EventEmitter<PlannerEvents> implements AsyncDisposable {
  /** Serves chats of OpenAI clients on the endpoints of the planner. */
  readonly chats: C;
  /** Reads and checks long messages from every way in. */
  readonly longWork: LongWork;
  readonly #parts: FlightParts;
  readonly #counters: PlannerCounters;
  readonly #signer: Signer;
  readonly #imageNames: readonly string[];
  readonly #signature: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #cache: PlanCache | undefined;
  readonly #board: FlightBoard;
  readonly #lane: BackgroundLane;
  readonly #settlements: Settlements;
  readonly #landings: Landings;
  readonly #foresight: Foresight;
  readonly #announcements: Announcements = new Announcements(this);
  readonly #release: () => Promise<void>;
  #closed: Promise<void> | undefined;
  /** Ends the draining immediately. */
  #hurry: () => void = () => {};

  /** Use `createPlanner`, which also starts threads and checks models. `release` frees what the parts opened. */
  constructor(
    parts: FlightParts,
    cache: PlanCache | undefined,
    chats: C,
    random: Random,
    release: () => Promise<void>,
  ) {
    super();
    this.chats = chats;
    this.longWork = new LongWork(parts.clock);
    this.#parts = parts;
    this.#counters = parts.counters;
    this.#signer = new Signer(parts.options.domain);
    this.#imageNames = imageFeaturesOf(parts.options.domain);
    this.#cache = cache;
    const book = new StateBook(random);
    const asked = new AskedStates();
    const lessons = new Lessons(cache, book, parts.late);
    this.#lane = new BackgroundLane(parts, book, lessons, asked, this.#announcements);
    this.#landings = new Landings(parts.options.domain, cache);
    this.#settlements = new Settlements(parts, cache, this.#lane, this.#landings, this.#announcements);
    this.#board = new FlightBoard(parts, this.#settlements, lessons, asked, this.#announcements);
    this.#foresight = new Foresight({ parts, cache, board: this.#board, asked, wake: () => this.#lane.wakeSoon() });
    this.#lane.ahead = this.#foresight;
    this.#settlements.experience = this.#foresight.experience;
    for (const { name, gate, breaker } of parts.endpoints.values()) {
      breaker.onOpened = (opened) => this.#announcements.tell('resting', name, opened);
      gate.onIdle = () => this.#lane.wakeSoon();
    }
    this.#release = release;
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
    const { clock } = this.#parts;
    const startedAtMs = (OwnedRequest.is(request) ? request.askedAtMs : undefined) ?? clock.now();
    const options = this.#optionsOf(given);
    const deadlineMs = startedAtMs + this.#admit(request, options);
    const signature = this.#sign(request);
    const look = this.#cache?.look(request, signature, startedAtMs);
    this.#foresight.came(request, signature, look?.kind === 'hit');
    const trace = callerContext();
    if (look?.kind === 'hit') {
      return this.#settlements.served({ request, signature, startedAtMs, deadlineMs, trace }, look);
    }
    const priority = options.priority ?? priorityOf(this.#parts.options.domain, request.observation);
    const call: PlanCall = { request, signature, look, priority, startedAtMs, deadlineMs, trace };
    if (deadlineMs - clock.now() < SLICE_MS_MIN) {
      this.#settlements.waits(call);
      return this.#settlements.landed(call, this.#atOnce(call), [], false);
    }
    return this.#board.wait(call, options);
  }

  /**
   * Takes over a long request of plain data, which its caller must no longer change. It is checked and read in parts, while the
   * event loop turns, and planned without another pass over it. Its time starts now. Rejects as `plan` does.
   */
  async own(request: PlanRequest): Promise<OwnedRequest> {
    const askedAtMs = this.#parts.clock.now();
    this.#refuseIfClosed();
    try {
      return await this.longWork.run(this.#ownInParts(request, askedAtMs));
    } catch (error) {
      this.#counters.plans.invalid++;
      throw error;
    }
  }

  *#ownInParts(request: PlanRequest, askedAtMs: number): InParts<OwnedRequest> {
    yield* checkRequestInParts(this.#parts.options.domain, request);
    const actionsSum = yield* sumOfHashesInParts(request.actions);
    const values = yield* valuesInParts(request);
    return new OwnedRequest(request, { askedAtMs, actionsSum, values });
  }

  #sign(request: PlanRequest): Signature {
    const { observation, actions } = request;
    const sum = OwnedRequest.is(request) ? request.actionsSum : undefined;
    return this.#signer.sign(observation, actions, this.#signature, sum);
  }

  /** Checks a request, unless it is owned and thus already checked. */
  #check(request: PlanRequest): void {
    if (OwnedRequest.is(request) && request.askedAtMs !== undefined) return;
    checkRequest(this.#parts.options.domain, request);
  }

  #refuseIfClosed(): void {
    if (this.#closed !== undefined) throw new PlannerError('ERR_PLANNER_CLOSED', 'the planner is closed');
  }

  /** The answer to a call that has too little time for any model. */
  #atOnce({ request, look, startedAtMs, deadlineMs }: PlanCall): Answer {
    const { standing, stale } = look ?? { standing: undefined, stale: undefined };
    const answer = bestInHand(request, { decision: undefined, votes: [], standing, stale });
    if (!UNDECIDED_SOURCES.has(answer.source)) return answer;
    const hasModels = this.#parts.options.experts.length + this.#parts.options.synthesis.models.length > 0;
    return { ...answer, why: whyOf(hasModels ? 'no-time' : 'no-models', deadlineMs - startedAtMs) };
  }

  /** Returns a fresh cached decision for the request's state, or undefined. Synchronous; counts nothing. */
  peek(request: PlanRequest): Decision | undefined {
    this.#check(request);
    return this.#cache?.peek(request, this.#sign(request));
  }

  /**
   * Tells requests that agents are expected to make soon. Models are asked about them while their servers are idle, the likeliest
   * first, so that the answers are there when they are asked for. Cheap, and bounded for each agent: what is useless or too much
   * is dropped and counted in `stats().foresight`. Throws ERR_REQUEST_INVALID, or ERR_PLANNER_CLOSED.
   */
  expect(futures: readonly Future[]): void {
    this.#refuseIfClosed();
    this.take(checkedFutures(this.#parts.options.domain, futures));
  }

  /** As `expect`, for futures of plain data that their caller must no longer change: they are read while the event loop turns. */
  async expectInParts(futures: readonly Future[]): Promise<void> {
    this.#refuseIfClosed();
    await this.longWork.run(this.#expectInParts(futures));
  }

  *#expectInParts(futures: readonly Future[]): InParts<void> {
    for (const guess of yield* checkedFuturesInParts(this.#parts.options.domain, futures)) {
      this.take([guess]);
      yield;
    }
  }

  /** Takes futures from any source. Their requests are valid, and the planner copies them. */
  take(guesses: readonly Guess[]): void {
    this.#foresight.take(guesses, (guess) => this.#sign(guess));
  }

  /**
   * Tells the state that an agent is in now, without asking for a plan: a request without options. From then on, each plan of this
   * agent that settles has an action that is possible in the newest state told, and `plan.landing` says how the plan fits it.
   * Throws ERR_REQUEST_INVALID, or ERR_PLANNER_CLOSED.
   */
  observe(state: PlanRequest): void {
    this.#refuseIfClosed();
    this.#check(state);
    const signature = this.#sign(state);
    this.#landings.observe(state, signature);
    this.#foresight.observed(state, signature);
  }

  /** Clears every cached decision and every cached answer to a chat. */
  clearCache(): void {
    this.#cache?.clear();
    this.#board.forget();
    this.#foresight.clear();
    this.#lane.clear();
    this.#parts.late?.clear();
    this.chats.clearCache();
  }

  /** The cache's memory: any thread of the process can read it with a `StoreReader`, without a message. */
  get cacheBuffer(): SharedArrayBuffer | undefined {
    return this.#cache?.buffer;
  }

  stats(): PlannerStats<ReturnType<C['stats']>> {
    const counters = this.#counters;
    const { settled, ...plans } = counters.plans;
    return {
      plans: { settled, inFlight: this.#board.waiting, ...plans },
      sources: { ...counters.sources },
      why: { ...counters.why },
      turns: this.#parts.shares.stats(),
      reads: this.#parts.reads?.stats() ?? false,
      planningMs: counters.planning.summary(),
      latenessMs: counters.lateness.summary(),
      cache: this.#cache?.stats() ?? false,
      background: this.#lane.stats(),
      foresight: this.#foresight.stats(),
      landing: this.#landings.stats(),
      late: this.#parts.late?.stats() ?? [],
      calls: {
        ...counters.calls(),
        ...counters.tries,
        earlyChoices: counters.earlyChoices,
        byCode: Object.fromEntries([...counters.codes].sort()),
      },
      fallbacks: counters.fallbacks,
      models: counters.models(),
      workers: this.#parts.pool.stats(),
      chats: this.chats.stats() as ReturnType<C['stats']>,
      endpoints: [...this.#parts.endpoints.values()].map((at) => at.stats()),
    };
  }

  /** Times and tokens since the start, in buckets for monitoring systems. */
  distributions(): Distributions {
    return this.#counters.distributions();
  }

  get domain(): Domain {
    return this.#parts.options.domain;
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
      this.#foresight.shut();
      this.#lane.shut();
      this.#close(drainMs).then(closed.resolve, closed.reject);
    } else if (drainMs <= 0) this.#hurry();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    if (drainMs > 0) await this.#drain(drainMs);
    const landed = Promise.all([this.#board.close(), this.#lane.close(), this.chats.close()]);
    for (const endpoint of this.#parts.endpoints.values()) endpoint.close();
    await this.#release();
    await landed;
    await this.#cache?.close();
  }

  async #drain(drainMs: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#hurry = over.resolve;
    const timer = this.#parts.clock.setTimer(drainMs, over.resolve);
    await Promise.race([Promise.all([this.#board.idle(), this.chats.idle()]), over.promise]);
    timer.cancel();
  }

  #optionsOf(given: PlanOptions | undefined): PlanOptions {
    try {
      return readPlanOptions(given);
    } catch (error) {
      this.#counters.plans.invalid++;
      throw error;
    }
  }

  /** Checks everything that can be wrong with a call. Returns the plan's time in milliseconds. */
  #admit(request: PlanRequest, options: PlanOptions): number {
    const { signal } = options;
    let { timeoutMs } = options;
    this.#refuseIfClosed();
    try {
      this.#check(request);
      if (timeoutMs === undefined) timeoutMs = defaultTimeoutMs(this.#parts.options, this.#imageNames, request);
      checkPlanOptions(timeoutMs, options.priority);
    } catch (error) {
      this.#counters.plans.invalid++;
      throw error;
    }
    if (signal?.aborted) {
      this.#counters.plans.cancelled++;
      throw planCancelled(signal);
    }
    const { maxInFlight } = this.#parts.options;
    if (this.#board.waiting >= maxInFlight) {
      this.#counters.plans.refused++;
      throw new PlannerError('ERR_PLANNER_OVERLOADED', `${maxInFlight} plans are in flight (maxInFlight)`, {
        retryable: true,
      });
    }
    return timeoutMs;
  }

  /** Emits the event `warning`. */
  warn(message: string): void {
    this.#announcements.warn(message);
  }
}
