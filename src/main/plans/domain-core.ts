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
import { SLICE_MS_MIN } from '../models/time/time-budget.ts';
import type { Announcements } from './announcements.ts';
import { BackgroundLane, type BackgroundStats, type SharedLanes } from './background/background-lane.ts';
import { StateBook } from './background/state-book.ts';
import { checkPlanOptions, defaultTimeoutMs } from './check-plan-options.ts';
import type { CallCounts, ModelStats, PlanCounts, PlannerCounters } from './counters.ts';
import { Foresight, type ForesightStats } from './expectations/foresight.ts';
import type { Guess } from './expectations/future.ts';
import { type LandingStats, Landings } from './expectations/landings.ts';
import { AskedStates } from './flights/asked-states.ts';
import { FlightBoard, planCancelled } from './flights/flight-board.ts';
import type { FlightParts } from './flights/flight-parts.ts';
import { type Answer, bestInHand } from './ladder/best-in-hand.ts';
import type { LateStats } from './ladder/late-answers.ts';
import { UNDECIDED_SOURCES, type WhyCode } from './ladder/why.ts';
import { whyOf } from './ladder/why-no-model.ts';
import { Lessons } from './lessons.ts';
import type { Plan, PlanOptions } from './plan.ts';
import type { PlanCall } from './plan-call.ts';
import { readPlanOptions } from './plan-options.ts';
import { callerContext } from './plan-spans.ts';
import type { ReadStats } from './reads/reads.ts';
import { Settlements } from './settlements.ts';

/** The figures of one domain; those of a planner with one domain are the same. */
export interface DomainStats {
  readonly plans: PlanCounts & { readonly inFlight: number };
  readonly sources: Readonly<Record<Plan['source'], number>>;
  /** Plans that no model decided, by the code of their `why`. */
  readonly why: Readonly<Record<WhyCode, number>>;
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
}

/** A domain of a planner, and the parts that plan for it. */
export interface DomainParts {
  readonly name: string;
  readonly parts: FlightParts;
  /** Undefined if nothing is remembered. */
  readonly cache: PlanCache | undefined;
  /** Present in a cluster; the core sets what is to be done when another node has cleared its cache. */
  readonly sharing?: { onCleared: () => void };
}

/** What the cores of a planner have in common, in addition to model servers. */
export interface SharedCore {
  readonly random: Random;
  readonly announcements: Announcements;
  readonly lanes: SharedLanes;
  /** Whether there are other domains: then plans bear the name of theirs. */
  readonly isOneOfSeveral: boolean;
  /** The number of the next plan. */
  readonly ids: { next: number };
  /** Plans in flight, of all domains. */
  readonly waiting: () => number;
  readonly isClosed: () => boolean;
}

/**
 * The planner of one domain: its cache, flights, background lane and foresight, on servers, threads and slots that it shares with
 * those of other domains. This file has the branches of a request; the flight board decides which plans wait for which model work.
 */
export class DomainCore {
  readonly name: string;
  readonly #parts: FlightParts;
  readonly #shared: SharedCore;
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

  constructor({ name, parts, cache, sharing }: DomainParts, shared: SharedCore) {
    const { random, announcements, lanes } = shared;
    this.name = name;
    this.#parts = parts;
    this.#shared = shared;
    this.#counters = parts.counters;
    this.#signer = new Signer(parts.options.domain);
    this.#imageNames = imageFeaturesOf(parts.options.domain);
    this.#cache = cache;
    const book = new StateBook(random);
    const asked = new AskedStates();
    const lessons = new Lessons(cache, book, parts.late);
    this.#lane = new BackgroundLane(parts, book, lessons, asked, announcements, lanes);
    this.#landings = new Landings(parts.options.domain, cache);
    const marks = { ids: shared.ids, ...(shared.isOneOfSeveral ? { domain: name } : {}) };
    this.#settlements = new Settlements(parts, cache, this.#lane, this.#landings, announcements, marks);
    this.#board = new FlightBoard(parts, this.#settlements, lessons, asked, announcements);
    this.#foresight = new Foresight({ parts, cache, board: this.#board, asked, wake: () => this.#lane.wakeSoon() });
    this.#lane.ahead = this.#foresight;
    this.#settlements.experience = this.#foresight.experience;
    if (parts.domainFutures !== undefined) parts.domainFutures.host = this;
    if (sharing !== undefined) sharing.onCleared = () => this.clearCache();
  }

  get domain(): Domain {
    return this.#parts.options.domain;
  }

  get counters(): PlannerCounters {
    return this.#counters;
  }

  get cache(): PlanCache | undefined {
    return this.#cache;
  }

  /** Number of plans that wait for a flight. */
  get waiting(): number {
    return this.#board.waiting;
  }

  planNow(request: PlanRequest, given?: PlanOptions): Plan | Promise<Plan> {
    const { clock } = this.#parts;
    const startedAtMs = (OwnedRequest.is(request) ? request.askedAtMs : undefined) ?? clock.now();
    const options = this.#optionsOf(given);
    const deadlineMs = startedAtMs + this.#admit(request, options);
    const signature = this.#sign(request);
    const look = this.#cache?.look(request, signature, startedAtMs);
    const foreseen = this.#foresight.came(request, signature, look?.kind === 'hit', startedAtMs, deadlineMs);
    const trace = callerContext();
    if (look?.kind === 'hit') {
      return this.#settlements.served({ request, signature, startedAtMs, deadlineMs, trace }, look, foreseen);
    }
    const priority = options.priority ?? priorityOf(this.#parts.options.domain, request.observation);
    const call: PlanCall = { request, signature, look, priority, startedAtMs, deadlineMs, trace };
    if (deadlineMs - clock.now() < SLICE_MS_MIN) {
      this.#settlements.waits(call);
      return this.#settlements.landed(call, this.#atOnce(call), [], false);
    }
    return this.#board.wait(call, options);
  }

  /** Checks a long request and reads it in parts. */
  *ownInParts(request: PlanRequest, askedAtMs: number): InParts<OwnedRequest> {
    yield* checkRequestInParts(this.#parts.options.domain, request);
    const actionsSum = yield* sumOfHashesInParts(request.actions);
    const values = yield* valuesInParts(request);
    return new OwnedRequest(request, { askedAtMs, actionsSum, values });
  }

  peek(request: PlanRequest): Decision | undefined {
    this.#check(request);
    return this.#cache?.peek(request, this.#sign(request));
  }

  observe(state: PlanRequest): void {
    this.#check(state);
    const signature = this.#sign(state);
    this.#landings.observe(state, signature);
    this.#foresight.observed(state, signature);
  }

  /** Takes futures from any source. Their requests are valid, and the planner copies them. */
  take(guesses: readonly Guess[]): void {
    this.#foresight.take(guesses, (guess) => this.#sign(guess));
  }

  /** Emits the event `warning`. */
  warn(message: string): void {
    this.#shared.announcements.warn(message);
  }

  /** A slot has become idle. */
  wake(): void {
    this.#lane.wakeSoon();
  }

  clearCache(): void {
    this.#cache?.clear();
    this.#board.forget();
    this.#foresight.clear();
    this.#lane.clear();
    this.#parts.late?.clear();
  }

  stats(): DomainStats {
    const counters = this.#counters;
    const { settled, ...plans } = counters.plans;
    return {
      plans: { settled, inFlight: this.#board.waiting, ...plans },
      sources: { ...counters.sources },
      why: { ...counters.why },
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
    };
  }

  /** Starts nothing from now on, except for the plans that come. */
  shut(): void {
    this.#foresight.shut();
    this.#lane.shut();
  }

  /** Settles its plans with their best answer in hand, and cancels all model work. */
  async close(): Promise<void> {
    await Promise.all([this.#board.close(), this.#lane.close()]);
  }

  /** Resolves when no plan waits for a flight. */
  idle(): Promise<void> {
    return this.#board.idle();
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

  /** The answer to a call that has too little time for any model. */
  #atOnce({ request, look, startedAtMs, deadlineMs }: PlanCall): Answer {
    const { standing, stale } = look ?? { standing: undefined, stale: undefined };
    const answer = bestInHand(request, { decision: undefined, votes: [], standing, stale });
    if (!UNDECIDED_SOURCES.has(answer.source)) return answer;
    const hasModels = this.#parts.options.experts.length + this.#parts.options.synthesis.models.length > 0;
    return { ...answer, why: whyOf(hasModels ? 'no-time' : 'no-models', deadlineMs - startedAtMs) };
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
    if (this.#shared.isClosed()) throw plannerClosed();
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
    if (this.#shared.waiting() >= maxInFlight) {
      this.#counters.plans.refused++;
      throw new PlannerError('ERR_PLANNER_OVERLOADED', `${maxInFlight} plans are in flight (maxInFlight)`, {
        retryable: true,
      });
    }
    return timeoutMs;
  }
}

export function plannerClosed(): PlannerError {
  return new PlannerError('ERR_PLANNER_CLOSED', 'the planner is closed');
}
