import { EventEmitter } from 'node:events';
import type { Context } from '@opentelemetry/api';
import { stampOffsetMs } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, imageFeaturesOf, priorityOf } from '../../shared/domain.ts';
import { PlannerError } from '../../shared/errors.ts';
import type { InParts } from '../../shared/in-parts.ts';
import { OwnedRequest, valuesInParts } from '../../shared/owned-request.ts';
import { checkRequest, checkRequestInParts, type PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer, sumOfHashesInParts } from '../../shared/signature.ts';
import type { CacheStats } from '../cache/cache-options.ts';
import type { Hit } from '../cache/look.ts';
import type { PlanCache } from '../cache/plan-cache.ts';
import { isWellKnown } from '../cache/tally-change.ts';
import type { Durations } from '../measure/durations.ts';
import type { Attempt } from '../models/calls/attempt.ts';
import type { EndpointStats } from '../models/model-endpoint.ts';
import type { PoolStats } from '../models/pool/expert-pool.ts';
import type { TurnStats } from '../models/slots/fair-share.ts';
import { SLICE_MS_MIN } from '../models/time/time-budget.ts';
import { BackgroundLane, type BackgroundStats } from './background/background-lane.ts';
import { checkPlanOptions, defaultTimeoutMs } from './check-plan-options.ts';
import type { Companion } from './companion.ts';
import type { CallCounts, ModelStats, PlannerCounters } from './counters.ts';
import type { Distributions } from './distributions.ts';
import { FlightBoard, type PlanCall, planCancelled } from './flights/flight-board.ts';
import type { FlightParts } from './flights/flight-parts.ts';
import { keptRequest } from './kept-request.ts';
import { type Answer, answerFromHit, bestInHand } from './ladder/best-in-hand.ts';
import type { LateStats } from './ladder/late-answers.ts';
import { UNDECIDED_SOURCES, type WhyCode } from './ladder/why.ts';
import { whyOf } from './ladder/why-no-model.ts';
import { LongWork } from './long-work.ts';
import { type CloseOptions, LATENESS_MS_MAX, type Plan, type PlanOptions } from './plan.ts';
import { readPlanOptions } from './plan-options.ts';
import { callerContext, PlanSpans } from './plan-spans.ts';

/**
 * The planner: one request from observation to plan. Anytime: from the start there is an answer in hand, each rung only
 * replaces it with a better one, and when the deadline strikes, the best one in hand is the plan. Here are the branches of
 * a request; who waits for which model work is the flight board's. All of it runs on one event loop and nothing here
 * blocks it.
 */
export interface PlannerEvents {
  plan: [plan: Plan, request: PlanRequest];
  /** A plan that settled more than 15 ms after its deadline; beside `plan`. */
  late: [plan: Plan];
  /** An endpoint has failed so often that it is not asked for a while. `opened`: how often that has happened. */
  resting: [endpoint: string, opened: number];
  warning: [message: string];
}

/** `S`: what the companion of the planner tells of itself. */
export interface PlannerStats<S = unknown> {
  readonly plans: {
    readonly settled: number;
    readonly inFlight: number;
    /** Plans that shared the model work of another one. */
    readonly coalesced: number;
    /** Answered from what was in hand because their agent asked for a newer one. */
    readonly superseded: number;
    /** Ended by their caller's signal. */
    readonly cancelled: number;
    /** Refused at the bound of plans in flight. */
    readonly refused: number;
    /** Refused because the request broke a rule. */
    readonly invalid: number;
  };
  readonly sources: Readonly<Record<Plan['source'], number>>;
  /** Plans that no model decided, by why. */
  readonly why: Readonly<Record<WhyCode, number>>;
  /** Whose turn it is where plans wait for slots. */
  readonly turns: TurnStats;
  readonly planningMs: Durations;
  readonly latenessMs: Durations;
  /** False when the cache is off. */
  readonly cache: CacheStats | false;
  /** Models asked about what nobody waits for. */
  readonly background: BackgroundStats;
  /** How what may stand in where no model is in time compares with the next rung, by kind, age and distance; what serves. */
  readonly late: readonly LateStats[];
  readonly calls: CallCounts & {
    readonly retries: number;
    readonly hedges: number;
    /** Second tries at a place that was slow, to see whether it still is. */
    readonly placeChecks: number;
    /** Calls made to another model than the one configured, since that one was not in memory. */
    readonly seatsMoved: number;
    /** Votes that counted before their answers had ended. */
    readonly earlyChoices: number;
    readonly byCode: Readonly<Record<string, number>>;
  };
  /** Flights in which model A was asked and gave no decision, so that a lower rung had to. */
  readonly fallbacks: number;
  readonly models: readonly ModelStats[];
  readonly workers: PoolStats;
  /** What the chat gateway did. Its calls are not among those above. */
  readonly chats: S;
  /** Each model server as it is known now: slots, health, times and timeouts. */
  readonly endpoints: readonly EndpointStats[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Whether an answer was remembered: an agent may go round in a cycle with it. */
function isFromMemory(source: Plan['source']): boolean {
  return source === 'cache' || source === 'similar' || source === 'stale';
}

/** A call that is settled now, by whatever rung. */
interface Settling {
  readonly request: PlanRequest;
  readonly signature: Signature;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** Where its spans belong; undefined where nobody takes them. */
  readonly trace: Context | undefined;
}

export class Planner<C extends Companion = Companion> extends EventEmitter<PlannerEvents> implements AsyncDisposable {
  /** Chats of any OpenAI client on the endpoints of the planner. */
  readonly chats: C;
  /** What is long to read or to check, of every way in. */
  readonly longWork: LongWork;
  readonly #parts: FlightParts;
  readonly #counters: PlannerCounters;
  readonly #signer: Signer;
  readonly #imageNames: readonly string[];
  /** From the steady clock to the stamps of decisions. */
  readonly #stampOffsetMs: number;
  readonly #signature: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #cache: PlanCache | undefined;
  readonly #board: FlightBoard;
  readonly #lane: BackgroundLane;
  readonly #spans: PlanSpans;
  readonly #release: () => Promise<void>;
  #nextPlanId = 1;
  #closed: Promise<void> | undefined;
  /** Ends the draining at once. */
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
    this.#stampOffsetMs = stampOffsetMs(parts.clock);
    this.#cache = cache;
    this.#spans = new PlanSpans(parts);
    this.#board = new FlightBoard(parts, {
      onShared: ({ request, signature, look }, decision) => {
        if (look !== undefined) this.#cache?.learnOutcome(request, signature, look, decision);
      },
      onDecided: ({ request, signature, look }, decision) => {
        if (look !== undefined) this.#cache?.learn(request, signature, look, decision);
        this.#lane.decided(signature, decision);
      },
      settle: (call, answer, attempts, coalesced) => this.#landed(call, answer, attempts, coalesced),
      onAbandoned: (call, attempts, coalesced) => this.#traceAbandoned(call, attempts, coalesced),
      warn: (message) => this.warn(message),
    });
    this.#lane = new BackgroundLane(parts, random, {
      onDecided: ({ request, signature, hit }, decision, others) => {
        this.#cache?.checked(request, signature, hit, decision);
        for (const other of others) this.#cache?.counted(other, decision);
        this.#lane.decided(signature, decision);
      },
      onVoted: ({ request, signature }, decision) => {
        parts.late?.decided(signature, decision.action);
        return this.#cache?.addVotes(request, signature, decision) ?? decision;
      },
      isAskedAbout: (state) => this.#board.isAskedAbout(state),
      warn: (message) => this.warn(message),
    });
    for (const { name, gate, breaker } of parts.endpoints.values()) {
      breaker.onOpened = (opened) => this.#tell('resting', name, opened);
      gate.onIdle = () => this.#lane.wakeSoon();
    }
    this.#release = release;
  }

  /**
   * Exactly one of `request.actions`, by the deadline. Rejects only with ERR_REQUEST_INVALID, ERR_PLANNER_OVERLOADED,
   * ERR_PLANNER_CLOSED, or ERR_PLAN_CANCELLED when the caller's signal aborts.
   */
  async plan(request: PlanRequest, options?: PlanOptions): Promise<Plan> {
    return this.planNow(request, options);
  }

  /**
   * As `plan`, without a promise for what is answered at once, from the cache: for those who carry many plans a second. What
   * `plan` rejects with at once is thrown.
   */
  planNow(request: PlanRequest, given?: PlanOptions): Plan | Promise<Plan> {
    const { clock } = this.#parts;
    const startedAtMs = (OwnedRequest.is(request) ? request.askedAtMs : undefined) ?? clock.now();
    const options = this.#optionsOf(given);
    const deadlineMs = startedAtMs + this.#admit(request, options);
    const signature = this.#sign(request);
    const look = this.#cache?.look(request, signature, startedAtMs);
    const trace = callerContext();
    if (look?.kind === 'hit') return this.#serve({ request, signature, startedAtMs, deadlineMs, trace }, look);
    const priority = options.priority ?? priorityOf(this.#parts.options.domain, request.observation);
    const call: PlanCall = { request, signature, look, priority, startedAtMs, deadlineMs, trace };
    if (deadlineMs - clock.now() < SLICE_MS_MIN) {
      return this.#landed(call, this.#atOnce(call), [], false);
    }
    return this.#board.wait(call, options);
  }

  /**
   * Takes over a long request of plain data, which its caller changes no more: it is checked and read in parts, while the event loop
   * turns, and planned without another pass over it. Its time runs from now on. Rejects as `plan` does.
   */
  async own(request: PlanRequest): Promise<OwnedRequest> {
    const askedAtMs = this.#parts.clock.now();
    this.#refuseIfClosed();
    try {
      return await this.longWork.run(this.#ownInParts(request, askedAtMs));
    } catch (error) {
      this.#counters.invalid++;
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

  /** An owned request has been checked. */
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

  /** A fresh cached decision for the request's state, or undefined. Synchronous; counts nothing. */
  peek(request: PlanRequest): Decision | undefined {
    this.#check(request);
    return this.#cache?.peek(request, this.#sign(request));
  }

  /** Too little is known of a state, `known` being all that is: models are asked about it when there is room. */
  #askLater({ request, signature }: Settling, known: Decision | undefined, isUrgent = false): void {
    if (this.#cache === undefined || !this.#parts.options.features.askLater) return;
    // What is seen is of one moment, and would be gone.
    if (this.#imageNames.some((name) => request.observation[name] !== undefined)) return;
    this.#lane.askLater(request, signature, known, isUrgent);
  }

  #serve(call: Settling, hit: Hit): Plan {
    const { request, signature } = call;
    // Copied before anyone is told: a listener may plan, which signs into the same words, and the host may change its lists.
    const errand = hit.again && { request: keptRequest(request), signature: signature.slice(), hit };
    if (hit.tier === 'exact' && !isWellKnown(hit.decision)) this.#askLater(call, hit.decision);
    const plan = this.#settled(call, answerFromHit(hit), [], false);
    if (errand !== undefined) this.#lane.add(errand);
    return plan;
  }

  /** Forgets every cached decision, and every answer to a chat. */
  clearCache(): void {
    this.#cache?.clear();
    this.#board.forget();
    this.#lane.clear();
    this.#parts.late?.clear();
    this.chats.clearCache();
  }

  /** The cache's memory: any thread of the process reads it with a `StoreReader`, without a message. */
  get cacheBuffer(): SharedArrayBuffer | undefined {
    return this.#cache?.buffer;
  }

  stats(): PlannerStats<ReturnType<C['stats']>> {
    const counters = this.#counters;
    return {
      plans: {
        settled: counters.plans,
        inFlight: this.#board.waiting,
        coalesced: counters.coalesced,
        superseded: counters.superseded,
        cancelled: counters.cancelled,
        refused: counters.refused,
        invalid: counters.invalid,
      },
      sources: { ...counters.sources },
      why: { ...counters.why },
      turns: this.#parts.shares.stats(),
      planningMs: counters.planning.summary(),
      latenessMs: counters.lateness.summary(),
      cache: this.#cache?.stats() ?? false,
      background: this.#lane.stats(),
      late: this.#parts.late?.stats() ?? [],
      calls: {
        ...counters.calls(),
        retries: counters.callRetries,
        hedges: counters.hedges,
        placeChecks: counters.placeChecks,
        seatsMoved: counters.seatsMoved,
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

  /** Times and tokens in buckets, for monitoring systems; since the start. */
  distributions(): Distributions {
    return this.#counters.distributions();
  }

  get domain(): Domain {
    return this.#parts.options.domain;
  }

  /** Plans it takes at once; one more is refused. */
  get maxInFlight(): number {
    return this.#parts.options.maxInFlight;
  }

  /** False from the moment that it is told to close: new plans are refused. */
  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /**
   * Refuses new plans and chats, lets those in flight go on for `drainMs`, settles the plans that are left with their best
   * answer in hand, cancels the chats and all model work, and ends the threads. Closing again with no `drainMs` ends the draining.
   */
  close({ drainMs = 0 }: CloseOptions = {}): Promise<void> {
    if (this.#closed === undefined) {
      // First, so that a listener that plans while the last plans settle is refused.
      const closed = Promise.withResolvers<void>();
      this.#closed = closed.promise;
      this.chats.shut();
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
      this.#counters.invalid++;
      throw error;
    }
  }

  /** Checks everything that can be wrong with a call. The plan's time in milliseconds. */
  #admit(request: PlanRequest, options: PlanOptions): number {
    const { signal } = options;
    let { timeoutMs } = options;
    this.#refuseIfClosed();
    try {
      this.#check(request);
      if (timeoutMs === undefined) timeoutMs = defaultTimeoutMs(this.#parts.options, this.#imageNames, request);
      checkPlanOptions(timeoutMs, options.priority);
    } catch (error) {
      this.#counters.invalid++;
      throw error;
    }
    if (signal?.aborted) {
      this.#counters.cancelled++;
      throw planCancelled(signal);
    }
    const { maxInFlight } = this.#parts.options;
    if (this.#board.waiting >= maxInFlight) {
      this.#counters.refused++;
      throw new PlannerError('ERR_PLANNER_OVERLOADED', `${maxInFlight} plans are in flight (maxInFlight)`, {
        retryable: true,
      });
    }
    return timeoutMs;
  }

  /** A plan that memory did not answer at once. It may stand all the same. */
  #landed(call: PlanCall, answer: Answer, attempts: readonly Attempt[], coalesced: boolean): Plan {
    const isAnswered = !UNDECIDED_SOURCES.has(answer.source);
    if (isAnswered) this.#parts.shares.decided(call.request.agent);
    if (!isAnswered) this.#askLater(call, undefined);
    else if (answer.source === 'cache' || answer.source === 'similar') {
      this.#cache?.stood();
      const { standing, isCycle } = call.look ?? {};
      const known = standing?.tier === 'exact' ? standing.decision : undefined;
      this.#askLater(call, known, isCycle);
    }
    return this.#settled(call, answer, attempts, coalesced);
  }

  #settled(call: Settling, answer: Answer, attempts: readonly Attempt[], coalesced: boolean): Plan {
    const { request, signature, startedAtMs, deadlineMs } = call;
    const counters = this.#counters;
    const nowMs = this.#parts.clock.now();
    const { action, source, reason, model, decidedAtMs, why } = answer;
    // Member by member: on the way of a cached plan, spreads would be a tenth of its time.
    const plan: Writable<Plan> = {
      id: this.#nextPlanId++,
      agent: request.agent,
      action,
      source,
      reason,
      attempts,
      coalesced,
      latencyMs: nowMs - startedAtMs,
      latenessMs: Math.max(0, nowMs - deadlineMs),
    };
    if (model !== undefined) plan.model = model;
    if (why !== undefined) {
      plan.why = why;
      counters.why[why.code]++;
    }
    if (decidedAtMs !== undefined) plan.ageMs = Math.max(0, nowMs + this.#stampOffsetMs - decidedAtMs);
    this.#cache?.took(request, signature, plan.action, nowMs, isFromMemory(source));
    counters.plans++;
    counters.sources[plan.source]++;
    counters.planning.record(plan.latencyMs);
    counters.planTimes[plan.source].observe(plan.latencyMs / 1000);
    counters.lateness.record(plan.latenessMs);
    this.#lane.planSettled();
    if (call.trace !== undefined) this.#trace(() => this.#spans.settled(call.trace as Context, plan));
    if (plan.latenessMs > LATENESS_MS_MAX) this.#tell('late', plan);
    if (this.listenerCount('plan') > 0) this.#tell('plan', plan, request);
    return plan;
  }

  #traceAbandoned(call: PlanCall, attempts: readonly Attempt[], coalesced: boolean): void {
    const { trace, request, startedAtMs } = call;
    if (trace === undefined) return;
    const latencyMs = this.#parts.clock.now() - startedAtMs;
    const ended = { agent: request.agent, attempts, coalesced, latencyMs, code: 'ERR_PLAN_CANCELLED' };
    this.#trace(() => this.#spans.ended(trace, ended));
  }

  /** What an exporter throws has no say in the plan. */
  #trace(record: () => void): void {
    try {
      record();
    } catch (error) {
      this.warn(`the spans of a plan could not be recorded: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** A listener that throws has no say in the plan. */
  #tell<K extends keyof PlannerEvents>(event: K, ...values: PlannerEvents[K]): void {
    try {
      // The compiler cannot tell that the values are those of the event.
      (this.emit as (event: string, ...values: unknown[]) => boolean).call(this, event, ...values);
    } catch (error) {
      this.warn(`a listener of "${event}" threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Tells a warning on the `warning` event. */
  warn(message: string): void {
    try {
      this.emit('warning', message);
    } catch {
      // Told to nobody: the listener for warnings is itself broken.
    }
  }
}
