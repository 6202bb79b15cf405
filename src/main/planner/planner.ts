import { EventEmitter } from 'node:events';
import type { Timer } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import { checkRequest, type PlanRequest } from '../../shared/plan-request.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../shared/signature.ts';
import { type CacheStats, PlanCache } from '../cache/plan-cache.ts';
import type { PoolStats } from '../experts/expert-pool.ts';
import type { Attempt, Plan, PlanOptions } from '../plan.ts';
import { type Answer, answerFromMemory, bestInHand } from './best-in-hand.ts';
import type { CallCounts, Durations, ModelStats, PlannerCounters } from './counters.ts';
import { DeadlineGuard } from './deadline-guard.ts';
import { Flight, type FlightParts } from './flight.ts';
import { SLICE_MS_MIN } from './time-budget.ts';

/**
 * The planner: one request from observation to plan. Anytime: from the start there is an answer in hand, each rung only
 * replaces it with a better one, and when the deadline strikes, the best one in hand is the plan. All of it runs on one
 * event loop and nothing here blocks it.
 */
export interface PlannerEvents {
  plan: [plan: Plan, request: PlanRequest];
  warning: [message: string];
}

export interface PlannerStats {
  readonly plans: {
    readonly settled: number;
    readonly inFlight: number;
    /** Plans that shared the model work of another one. */
    readonly coalesced: number;
    /** Ended by their caller's signal. */
    readonly cancelled: number;
    /** Refused at the bound of plans in flight. */
    readonly refused: number;
    /** Refused because the request broke a rule. */
    readonly invalid: number;
  };
  readonly sources: Readonly<Record<Plan['source'], number>>;
  readonly planningMs: Durations;
  readonly latenessMs: Durations;
  /** False when the cache is off. */
  readonly cache: CacheStats | false;
  readonly calls: CallCounts & { readonly retries: number; readonly byCode: Readonly<Record<string, number>> };
  /** Flights in which model A was asked and gave no decision, so that a lower rung had to. */
  readonly fallbacks: number;
  readonly models: readonly ModelStats[];
  readonly workers: PoolStats;
}

/** Flights cancelled in one turn of the event loop. */
const CANCELS_PER_TURN = 4;
/** A plan that joined a flight goes on after it only if it can wait this much longer. */
const LONGER_MS_MIN = 20;
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;

/** One caller's wait for a flight. */
interface Waiter {
  readonly request: PlanRequest;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** When it is answered at the latest, a little ahead of its deadline. */
  readonly settleMs: number;
  readonly stale: Decision | undefined;
  readonly coalesced: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  boarding: Boarding;
  readonly resolve: (plan: Plan) => void;
  readonly reject: (error: PlannerError) => void;
  timer: Timer | undefined;
}

/** A flight and who waits for it. `key` is undefined where flights are not shared. */
interface Boarding {
  readonly flight: Flight;
  readonly key: string | undefined;
  readonly waiters: Set<Waiter>;
  /** Attempts of the shorter flight before it, for those who could wait longer than that one. */
  readonly before: readonly Attempt[];
  /** Everyone who waited left by their own signal. What was voted until then is too little to be remembered. */
  abandoned: boolean;
  /** Resolves when the flight has ended. */
  done: Promise<void>;
}

export class Planner extends EventEmitter<PlannerEvents> implements AsyncDisposable {
  readonly #parts: FlightParts;
  readonly #counters: PlannerCounters;
  readonly #signer: Signer;
  readonly #imageNames: readonly string[];
  readonly #signature: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #cache: PlanCache | undefined;
  readonly #guard = new DeadlineGuard();
  readonly #release: () => Promise<void>;
  readonly #flights = new Map<string, Boarding>();
  readonly #boardings = new Set<Boarding>();
  /** Flights that nobody waits for and that are not cancelled yet. */
  readonly #unwanted: Flight[] = [];
  #inFlight = 0;
  #nextPlanId = 1;
  #nextFlightId = 1;
  #closed: Promise<void> | undefined;

  /** Use `createPlanner`, which also starts threads and checks models. `release` frees what the parts opened. */
  constructor(parts: FlightParts, release: () => Promise<void>) {
    super();
    this.#parts = parts;
    this.#counters = parts.counters;
    this.#signer = new Signer(parts.options.domain);
    this.#imageNames = Object.entries(parts.options.domain.features)
      .filter(([, feature]) => feature.kind === 'image')
      .map(([name]) => name);
    this.#cache = parts.options.cache === false ? undefined : new PlanCache(parts.options.cache, parts.clock);
    this.#release = release;
  }

  /**
   * Exactly one of `request.actions`, by the deadline. Rejects only with ERR_REQUEST_INVALID, ERR_PLANNER_OVERLOADED,
   * ERR_PLANNER_CLOSED, or ERR_PLAN_CANCELLED when the caller's signal aborts.
   */
  async plan(request: PlanRequest, options: PlanOptions = {}): Promise<Plan> {
    const { clock } = this.#parts;
    const startedAtMs = clock.now();
    const deadlineMs = startedAtMs + this.#admit(request, options);
    const signature = this.#signer.sign(request.observation, request.actions, this.#signature);
    const lookup = this.#cache?.lookup(signature);
    if (lookup?.kind === 'hit') {
      const answer = answerFromMemory(request, lookup.entry.decision, 'cache');
      if (answer !== undefined) return this.#settled(request, answer, startedAtMs, deadlineMs, [], false);
    }
    const stale = lookup?.kind === 'stale' ? lookup.entry.decision : undefined;
    if (deadlineMs - clock.now() < SLICE_MS_MIN) {
      const answer = bestInHand(request, { decision: undefined, votes: [], stale });
      return this.#settled(request, answer, startedAtMs, deadlineMs, [], false);
    }
    return this.#wait(request, signature, startedAtMs, deadlineMs, stale, options.signal);
  }

  /** A fresh cached decision for the request's state, or undefined. Synchronous; counts nothing. */
  peek(request: PlanRequest): Decision | undefined {
    checkRequest(this.#parts.options.domain, request);
    return this.#cache?.peek(this.#signer.sign(request.observation, request.actions, this.#signature));
  }

  /** Forgets every cached decision. */
  clearCache(): void {
    this.#cache?.clear();
  }

  /** The cache's memory: any thread of the process reads it with a `StoreReader`, without a message. */
  get cacheBuffer(): SharedArrayBuffer | undefined {
    return this.#cache?.buffer;
  }

  stats(): PlannerStats {
    const counters = this.#counters;
    return {
      plans: {
        settled: counters.plans,
        inFlight: this.#inFlight,
        coalesced: counters.coalesced,
        cancelled: counters.cancelled,
        refused: counters.refused,
        invalid: counters.invalid,
      },
      sources: { ...counters.sources },
      planningMs: counters.planning.summary(),
      latenessMs: counters.lateness.summary(),
      cache: this.#cache?.stats() ?? false,
      calls: {
        ...counters.calls(),
        retries: counters.callRetries,
        byCode: Object.fromEntries([...counters.codes].sort()),
      },
      fallbacks: counters.fallbacks,
      models: counters.models(),
      workers: this.#parts.pool.stats(),
    };
  }

  /** Settles every plan in flight with its best answer in hand, cancels the model work, and ends the threads. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      // First, so that a listener that plans while the last plans settle is refused.
      const closed = Promise.withResolvers<void>();
      this.#closed = closed.promise;
      this.#close().then(closed.resolve, closed.reject);
    }
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const boardings = [...this.#boardings];
    for (const boarding of boardings) {
      for (const waiter of [...boarding.waiters]) this.#answer(waiter);
    }
    this.#cancelUnwanted(Number.POSITIVE_INFINITY);
    for (const gate of this.#parts.gates.values()) gate.close();
    await this.#release();
    await Promise.all(boardings.map((boarding) => boarding.done));
  }

  /** Checks everything that can be wrong with a call. The plan's time in milliseconds. */
  #admit(request: PlanRequest, options: PlanOptions): number {
    const { signal } = options;
    let { timeoutMs } = options;
    if (this.#closed !== undefined) throw new PlannerError('ERR_PLANNER_CLOSED', 'the planner is closed');
    try {
      checkRequest(this.#parts.options.domain, request);
      timeoutMs ??= this.#defaultTimeoutMs(request);
      if (!(typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
        const rule = `must be a number of milliseconds above 0 and at most ${TIMEOUT_MS_MAX}`;
        throw new PlannerError('ERR_REQUEST_INVALID', `timeoutMs ${rule}, got ${describeValue(timeoutMs)}`);
      }
    } catch (error) {
      this.#counters.invalid++;
      throw error;
    }
    if (signal?.aborted) {
      this.#counters.cancelled++;
      throw cancelled(signal);
    }
    const { maxInFlight } = this.#parts.options;
    if (this.#inFlight >= maxInFlight) {
      this.#counters.refused++;
      throw new PlannerError('ERR_PLANNER_OVERLOADED', `${maxInFlight} plans are in flight (maxInFlight)`, {
        retryable: true,
      });
    }
    return timeoutMs;
  }

  #defaultTimeoutMs({ observation }: PlanRequest): number {
    const hasImage = this.#imageNames.some((name) => observation[name] !== undefined);
    return hasImage ? this.#parts.options.visionTimeoutMs : this.#parts.options.timeoutMs;
  }

  #wait(
    request: PlanRequest,
    signature: Signature,
    startedAtMs: number,
    deadlineMs: number,
    stale: Decision | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Plan> {
    const { clock } = this.#parts;
    // The model work must be done when the plan settles, not when its deadline strikes.
    const settleMs = deadlineMs - this.#guard.ahead(deadlineMs - startedAtMs);
    const key = this.#parts.options.singleFlight ? signatureText(signature) : undefined;
    const joined = key === undefined ? undefined : this.#flights.get(key);
    const kept = keep(request);
    const boarding = joined ?? this.#takeOff(kept, signature.slice(), key, settleMs, []);
    if (joined) this.#counters.coalesced++;
    const { promise, resolve, reject } = Promise.withResolvers<Plan>();
    const onAbort = (): void => this.#abandon(waiter);
    const waiter: Waiter = {
      request: kept,
      startedAtMs,
      deadlineMs,
      settleMs,
      boarding,
      stale,
      coalesced: joined !== undefined,
      signal,
      onAbort,
      resolve,
      reject,
      timer: undefined,
    };
    waiter.timer = clock.setTimer(settleMs - clock.now(), () => {
      this.#guard.observe(clock.now() - settleMs);
      this.#answer(waiter);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    boarding.waiters.add(waiter);
    this.#inFlight++;
    return promise;
  }

  #takeOff(
    request: PlanRequest,
    signature: Signature,
    key: string | undefined,
    settleMs: number,
    before: readonly Attempt[],
  ): Boarding {
    const flight = new Flight(this.#parts, this.#nextFlightId++, request, settleMs);
    const boarding: Boarding = { flight, key, waiters: new Set(), before, abandoned: false, done: Promise.resolve() };
    if (key !== undefined) this.#flights.set(key, boarding);
    this.#boardings.add(boarding);
    boarding.done = this.#fly(boarding, signature);
    return boarding;
  }

  async #fly(boarding: Boarding, signature: Signature): Promise<void> {
    const { flight } = boarding;
    try {
      await flight.run();
      if (flight.decision !== undefined && !boarding.abandoned) this.#cache?.remember(signature, flight.decision);
    } catch (error) {
      // A bug in the flight: its waiters still get the best answer in hand, and the bug is told.
      this.#warn(
        `a plan's model work failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    } finally {
      this.#unshare(boarding);
      this.#flyOn(boarding, signature);
      for (const waiter of [...boarding.waiters]) this.#answer(waiter);
      this.#boardings.delete(boarding);
    }
  }

  /**
   * A flight has the time of the plan it was begun for. When that was too short for a model to decide, those who joined
   * it and can wait longer go on in a flight that has theirs.
   */
  #flyOn(boarding: Boarding, signature: Signature): void {
    const { flight, waiters } = boarding;
    const isDecided = flight.decision !== undefined && flight.decision.source !== 'vote';
    const patient = [...waiters].filter((waiter) => waiter.settleMs > flight.deadlineMs + LONGER_MS_MIN);
    const [first] = patient;
    if (isDecided || first === undefined || this.#closed !== undefined) return;
    const settleMs = Math.max(...patient.map((waiter) => waiter.settleMs));
    const before = [...boarding.before, ...flight.attemptsAt(this.#parts.clock.now())];
    const next = this.#takeOff(first.request, signature, boarding.key, settleMs, before);
    for (const waiter of patient) {
      waiters.delete(waiter);
      next.waiters.add(waiter);
      waiter.boarding = next;
    }
  }

  /** From here on, a request in the same state begins a flight of its own. */
  #unshare(boarding: Boarding): void {
    const { key } = boarding;
    // Another flight may have taken the key since.
    if (key !== undefined && this.#flights.get(key) === boarding) this.#flights.delete(key);
  }

  /** Settles a waiter with the best answer in hand: at the end of its flight, or at its deadline. */
  #answer(waiter: Waiter): void {
    const { boarding, request, startedAtMs, deadlineMs, stale, coalesced } = waiter;
    if (!boarding.waiters.delete(waiter)) return;
    this.#letGo(waiter);
    const { flight, before } = boarding;
    const answer = bestInHand(request, { decision: flight.decision, votes: flight.votes, stale });
    const attempts = [...before, ...flight.attemptsAt(this.#parts.clock.now())];
    waiter.resolve(this.#settled(request, answer, startedAtMs, deadlineMs, attempts, coalesced));
    this.#cancelIfUnwanted(boarding);
  }

  #abandon(waiter: Waiter): void {
    const { boarding } = waiter;
    if (!boarding.waiters.delete(waiter)) return;
    this.#letGo(waiter);
    this.#counters.cancelled++;
    boarding.abandoned = boarding.waiters.size === 0;
    waiter.reject(cancelled(waiter.signal));
    this.#cancelIfUnwanted(boarding);
  }

  #letGo(waiter: Waiter): void {
    this.#inFlight--;
    waiter.timer?.cancel();
    waiter.signal?.removeEventListener('abort', waiter.onAbort);
  }

  #cancelIfUnwanted(boarding: Boarding): void {
    if (boarding.waiters.size > 0) return;
    this.#unshare(boarding);
    // Later in this turn of the event loop: when many deadlines strike at once, every plan settles first.
    if (this.#unwanted.push(boarding.flight) === 1) setImmediate(() => this.#cancelUnwanted());
  }

  /** A few in each turn, as `LoopTurns` begins them; all of them when the planner closes. */
  #cancelUnwanted(flightsMax = CANCELS_PER_TURN): void {
    for (const flight of this.#unwanted.splice(0, flightsMax)) flight.cancel();
    if (this.#unwanted.length > 0) setImmediate(() => this.#cancelUnwanted());
  }

  #settled(
    request: PlanRequest,
    answer: Answer,
    startedAtMs: number,
    deadlineMs: number,
    attempts: readonly Attempt[],
    coalesced: boolean,
  ): Plan {
    const counters = this.#counters;
    const nowMs = this.#parts.clock.now();
    const { decidedAtMs, ...rest } = answer;
    const plan: Plan = {
      id: this.#nextPlanId++,
      agent: request.agent,
      action: rest.action,
      source: rest.source,
      reason: rest.reason,
      ...(rest.model === undefined ? {} : { model: rest.model }),
      attempts,
      coalesced,
      ...(decidedAtMs === undefined ? {} : { ageMs: Math.max(0, this.#parts.clock.wallNow() - decidedAtMs) }),
      latencyMs: nowMs - startedAtMs,
      latenessMs: Math.max(0, nowMs - deadlineMs),
    };
    counters.plans++;
    counters.sources[plan.source]++;
    counters.planning.record(plan.latencyMs);
    counters.lateness.record(plan.latenessMs);
    if (this.listenerCount('plan') > 0) this.#emitPlan(plan, request);
    return plan;
  }

  /** A listener that throws has no say in the plan. */
  #emitPlan(plan: Plan, request: PlanRequest): void {
    try {
      this.emit('plan', plan, request);
    } catch (error) {
      this.#warn(`a listener of "plan" threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #warn(message: string): void {
    try {
      this.emit('warning', message);
    } catch {
      // Told to nobody: the listener for warnings is itself broken.
    }
  }

  /** Tells a warning on the `warning` event. */
  warn(message: string): void {
    this.#warn(message);
  }
}

/** What a plan keeps of its request while it waits. A host may reuse its lists in the next frame. */
function keep(request: PlanRequest): PlanRequest {
  const { agent, observation, actions, qValues } = request;
  return { agent, observation: { ...observation }, actions: [...actions], ...(qValues && { qValues: { ...qValues } }) };
}

function cancelled(signal: AbortSignal | undefined): PlannerError {
  return new PlannerError('ERR_PLAN_CANCELLED', "the plan was ended by its caller's signal", { cause: signal?.reason });
}
