import type { Decision } from '../../../shared/decision.ts';
import { PlannerError } from '../../../shared/errors.ts';
import { signatureText } from '../../../shared/signature.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { Announcements } from '../announcements.ts';
import { keptRequest } from '../kept-request.ts';
import { StandIns, withoutModel } from '../ladder/stand-ins.ts';
import { UNDECIDED_SOURCES, type Why, type WhyCode } from '../ladder/why.ts';
import { whyNoModel } from '../ladder/why-no-model.ts';
import type { Lessons } from '../lessons.ts';
import type { Plan, PlanOptions } from '../plan.ts';
import type { PlanCall } from '../plan-call.ts';
import type { Settlements } from '../settlements.ts';
import type { AskedStates } from './asked-states.ts';
import { Boarding, type Waiter } from './boarding.ts';
import { DeadlineGuard } from './deadline-guard.ts';
import { EarlySettling } from './early-settling.ts';
import { Flight } from './flight.ts';
import type { FlightParts } from './flight-parts.ts';
import { UnwantedFlights } from './unwanted-flights.ts';

/**
 * Manages which plans wait for which flight. Plans in the same state share one flight (single flight). A waiter settles exactly
 * once, by the first of: the end of its flight, its own deadline, its own signal, `close()`. Settling removes it from its
 * flight's set, and later events for it have no effect. A flight whose last waiter has left is no longer joined. It is cancelled,
 * unless the waiter left at its deadline and models are at work: then it continues late, so that its answers are remembered.
 */

/** A plan that joined a flight continues after it only if it can wait this much longer. */
const LONGER_MS_MIN = 20;
/** Maximum flights that continue after their deadline, so that their answers are remembered. Each holds a slot of an endpoint. */
const LATE_MAX = 1_024;
/** Ids of flights for foreseen states go down from here, those of the rest of the background from -1. */
const FORESEEN_ID = -1_000_000_000;
const FORESEEN = { lane: 'background', isForeseen: true } as const;

/** Model work for a state that an agent is expected to be in. */
export interface Foreseen {
  readonly done: Promise<'decided' | 'gave way' | 'failed'>;
  /** How long models worked on it in calls that have ended, all calls together. */
  readonly workedMs: number;
  /** Its attempts so far, relative to a plan that starts at `originMs`. */
  attemptsFor(originMs: number): readonly Attempt[];
  /** Gives the work up, unless plans wait for it. */
  cancel(): void;
}

export class FlightBoard {
  readonly #parts: FlightParts;
  readonly #settlements: Settlements;
  readonly #lessons: Lessons;
  readonly #asked: AskedStates;
  readonly #announcements: Announcements;
  readonly #standIns: StandIns;
  readonly #guard = new DeadlineGuard();
  readonly #early: EarlySettling<Waiter>;
  /** The flights that can be joined. */
  readonly #flights = new Map<string, Boarding>();
  readonly #boardings = new Set<Boarding>();
  readonly #unwanted: UnwantedFlights;
  /** Flights that continue without waiters. */
  readonly #late = new Set<Boarding>();
  /** The latest waiting plan of each agent. */
  readonly #byAgent = new Map<string, Waiter>();
  #waiting = 0;
  /** Called when no plan waits any more. */
  readonly #onIdle: (() => void)[] = [];
  #nextFlightId = 1;
  #nextForeseenId = FORESEEN_ID;
  #isClosed = false;

  constructor(
    parts: FlightParts,
    settlements: Settlements,
    lessons: Lessons,
    asked: AskedStates,
    announcements: Announcements,
  ) {
    this.#parts = parts;
    this.#settlements = settlements;
    this.#lessons = lessons;
    this.#asked = asked;
    this.#announcements = announcements;
    this.#standIns = new StandIns(parts.clock, parts.late);
    this.#unwanted = new UnwantedFlights(parts.clock);
    this.#early = new EarlySettling(parts.clock, (waiter) => this.#answer(waiter, true));
  }

  /** Number of plans that wait for a flight. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits in the flight of the same state, or in a new one. Rejects only with ERR_PLAN_CANCELLED. The request and the signature
   * are copied: a host may reuse its lists, and the planner its words, as soon as this returns.
   */
  wait(given: PlanCall, { signal, onAttempt }: Pick<PlanOptions, 'signal' | 'onAttempt'>): Promise<Plan> {
    const { clock, options, counters, late, shares } = this.#parts;
    const call: PlanCall = { ...given, request: keptRequest(given.request), signature: given.signature.slice() };
    const { startedAtMs, deadlineMs } = call;
    shares.asked(call.request.agent);
    this.#settlements.waits(call);
    // The model work must be done when the plan settles, before its deadline.
    const settleMs = deadlineMs - this.#guard.ahead(deadlineMs - startedAtMs);
    const key = options.singleFlight ? flightKey(signatureText(call.signature), call.look?.inVain) : undefined;
    const joined = key === undefined ? undefined : this.#flights.get(key);
    const boarding = joined ?? this.#takeOff(call, key, settleMs);
    const coalesced = joined?.join(call, settleMs) === true;
    if (coalesced) counters.plans.coalesced++;
    const { promise, resolve, reject } = Promise.withResolvers<Plan>();
    const onAbort = (): void => this.#abandon(waiter);
    const waiter: Waiter = {
      call,
      settleMs,
      get isAtWork() {
        return waiter.boarding.flight.isAtWork;
      },
      boarding,
      coalesced,
      signal,
      onAbort,
      onAttempt,
      resolve,
      reject,
      timer: undefined,
    };
    waiter.timer = clock.setTimer(settleMs - clock.now(), () => {
      this.#guard.observe(clock.now() - settleMs);
      this.#answer(waiter, true);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    boarding.waiters.add(waiter);
    this.#early.add(waiter);
    this.#waiting++;
    if (onAttempt !== undefined && joined) {
      for (const attempt of joined.flight.attempts.ended(startedAtMs)) this.#tell(onAttempt, attempt);
    }
    if (options.features.newestFirst) this.#supersede(waiter);
    if (late !== undefined) {
      const { request, signature } = call;
      boarding.addWork(late.asked(request, signature, startedAtMs, () => boarding.answer));
    }
    return promise;
  }

  /**
   * Asks models about a state that an agent is expected to be in, behind all others. A plan in that state joins. Undefined if models are
   * asked about it already.
   */
  foresee(call: PlanCall): Foreseen | undefined {
    const state = signatureText(call.signature);
    if (this.#isClosed || this.#asked.has(state)) return undefined;
    const key = this.#parts.options.singleFlight ? flightKey(state) : undefined;
    const id = this.#nextForeseenId--;
    const flight = new Flight(this.#parts, id, call.request, call.deadlineMs, { ...FORESEEN, state });
    const boarding = new Boarding(flight, call, key);
    boarding.foreseen = 'waits';
    this.#board(boarding, state);
    const end = (): Awaited<Foreseen['done']> =>
      flight.isCutShort || flight.use.isStarved || flight.claim?.isTaken ? 'gave way' : 'failed';
    return {
      done: boarding.done.then(() => (flight.decision === undefined ? end() : 'decided')),
      get workedMs() {
        return flight.use.workedMs;
      },
      attemptsFor: (originMs) => boarding.attemptsFor(originMs),
      cancel: () => {
        if (boarding.waiters.size === 0 && this.#boardings.has(boarding)) this.#drop(boarding, false);
      },
    };
  }

  /** Resolves when no plan waits for a flight. */
  async idle(): Promise<void> {
    if (this.#waiting > 0) await new Promise<void>((resolve) => void this.#onIdle.push(resolve));
  }

  /** An agent that asks again has moved on: its older plan, if it still waits for a first slot, is settled with what is in hand. */
  #supersede(waiter: Waiter): void {
    const { agent } = waiter.call.request;
    const older = this.#byAgent.get(agent);
    this.#byAgent.set(agent, waiter);
    if (older === undefined || older.boarding === waiter.boarding) return;
    const { flight, waiters } = older.boarding;
    if (waiters.size > 1 || !waiters.has(older) || !flight.isQueued) return;
    this.#parts.counters.plans.superseded++;
    this.#answer(older, false, 'superseded');
  }

  /** The cache was cleared: decisions of flights already started are not remembered. */
  forget(): void {
    for (const boarding of this.#boardings) {
      boarding.abandoned = true;
      this.#unshare(boarding);
    }
  }

  /** Settles all waiters immediately with the best answer in hand, and cancels the model work. Resolves when the flights have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const boardings = [...this.#boardings];
    for (const boarding of boardings) {
      for (const waiter of [...boarding.waiters]) this.#answer(waiter, false, 'closing');
    }
    for (const boarding of boardings) if (this.#isUnawaited(boarding)) this.#drop(boarding, false);
    this.#unwanted.cancelAll();
    await Promise.all(boardings.map((boarding) => boarding.done));
  }

  /** Starts a flight without waiters. */
  #takeOff(call: PlanCall, key: string | undefined, settleMs: number, before?: Boarding): Boarding {
    const state = signatureText(call.signature);
    const asksAgain = call.look?.tier === 'exact' || before !== undefined;
    const below = (): string => withoutModel(call).action;
    const purpose = { state, inVain: call.look?.inVain, priority: call.priority, asksAgain, below };
    const flight = new Flight(this.#parts, this.#nextFlightId++, call.request, settleMs, purpose);
    const boarding = new Boarding(flight, call, key, before);
    return this.#board(boarding, state);
  }

  #board(boarding: Boarding, state: string): Boarding {
    boarding.flight.attempts.onEnded = (attemptFrom) => {
      for (const { onAttempt, call: waiting } of boarding.waiters) {
        if (onAttempt !== undefined) this.#tell(onAttempt, attemptFrom(waiting.startedAtMs));
      }
    };
    if (boarding.key !== undefined) this.#flights.set(boarding.key, boarding);
    this.#boardings.add(boarding);
    this.#asked.add(state);
    boarding.done = this.#fly(boarding);
    return boarding;
  }

  #isUnawaited(boarding: Boarding): boolean {
    return this.#late.has(boarding) || (boarding.foreseen !== undefined && boarding.waiters.size === 0);
  }

  /** Calls a listener. An error that it throws has no effect on the plan. */
  #tell(onAttempt: (attempt: Attempt) => void, attempt: Attempt): void {
    try {
      onAttempt(attempt);
    } catch (error) {
      this.#announcements.warn(`onAttempt of a plan threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #fly(boarding: Boarding): Promise<void> {
    const { flight, call } = boarding;
    try {
      await flight.run();
      const { lesson } = boarding;
      if (lesson !== undefined) {
        this.#standIns.compare(call, lesson.action, boarding.waiters.size > 0);
        this.#learn(boarding, lesson);
      }
      if (flight.lone?.isProved && !boarding.abandoned && !this.#isClosed) this.#settlements.proves(call);
    } catch (error) {
      // A bug in the flight: its waiters still get the best answer in hand, and the bug is reported.
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#announcements.warn(`a plan's model work failed: ${what}`);
    } finally {
      flight.claim?.end(boarding.lesson);
      this.#unshare(boarding);
      this.#flyOn(boarding);
      for (const waiter of [...boarding.waiters]) this.#answer(waiter);
      this.#boardings.delete(boarding);
      this.#late.delete(boarding);
      this.#asked.delete(signatureText(call.signature));
      boarding.endWorks();
    }
  }

  #learn({ flight, call, foreseen, waiters }: Boarding, decision: Decision): void {
    const others = [...waiters].flatMap((waiter) => (waiter.call === call ? [] : waiter.call));
    if (flight.claim?.made !== undefined) this.#lessons.decidedElsewhere(call, decision, others);
    else if (foreseen === undefined) this.#lessons.decided(call, decision, others);
    else this.#lessons.foreseen(call, decision, others);
  }

  /**
   * A flight has the time of the plan for which it started. If that was too short for a model to decide, plans that joined it and
   * can wait longer continue in a flight with their time.
   */
  #flyOn(boarding: Boarding): void {
    const { flight, waiters, key, foreseen } = boarding;
    // A plan gives foreseen work the time that it needs, but its calls may have been given up before.
    const isCut = flight.decision === undefined || flight.isCutShort;
    const untilMs = foreseen === undefined ? flight.deadlineMs : this.#parts.clock.now();
    const patient = [...waiters].filter((waiter) => waiter.settleMs > untilMs + LONGER_MS_MIN);
    const [first] = patient;
    const isDone = boarding.isSettled || (foreseen !== undefined && !isCut);
    if (isDone || first === undefined || this.#isClosed) return;
    const settleMs = Math.max(...patient.map((waiter) => waiter.settleMs));
    const next = this.#takeOff(first.call, key, settleMs, boarding);
    for (const waiter of patient) {
      waiters.delete(waiter);
      next.waiters.add(waiter);
      waiter.boarding = next;
    }
  }

  /** From now on, a request in the same state starts a flight of its own. */
  #unshare(boarding: Boarding): void {
    const { key } = boarding;
    // Another flight may have taken the key since.
    if (key !== undefined && this.#flights.get(key) === boarding) this.#flights.delete(key);
  }

  /** Settles a waiter with the best answer in hand: at the end of its flight, at its deadline, or earlier by a `cut`. */
  #answer(waiter: Waiter, isOutOfTime = false, cut?: WhyCode): void {
    const { boarding, call, coalesced } = waiter;
    if (!boarding.waiters.delete(waiter)) return;
    this.#letGo(waiter);
    const { flight, votes } = boarding;
    const decision = flight.decision ?? flight.standing();
    const answer = this.#standIns.best(call, { decision, votes, leader: flight.leader });
    const attempts = boarding.attemptsFor(call.startedAtMs);
    const told = UNDECIDED_SOURCES.has(answer.source)
      ? { ...answer, why: this.#whyOf(waiter, attempts, cut) }
      : { ...answer, ...flight.confidenceOf(answer.action), ...flight.claim?.by };
    const isElsewhere = 'node' in told;
    if (isElsewhere && !coalesced) this.#parts.counters.plans.coalesced++;
    waiter.resolve(this.#settlements.landed(call, told, attempts, coalesced || isElsewhere));
    this.#leave(boarding, isOutOfTime);
  }

  #whyOf({ boarding, call }: Waiter, attempts: readonly Attempt[], cut: WhyCode | undefined): Why {
    const { flight } = boarding;
    return whyNoModel({
      attempts,
      timeMs: call.deadlineMs - call.startedAtMs,
      cut,
      unasked: flight.unasked,
      gaveWay: flight.isCutShort,
      usual: (attempt) => flight.usual(attempt),
      silenceAt: (endpoint) => this.#parts.maker.silenceAt(endpoint),
    });
  }

  #abandon(waiter: Waiter): void {
    const { boarding } = waiter;
    if (!boarding.waiters.delete(waiter)) return;
    this.#letGo(waiter);
    boarding.abandoned ||= boarding.waiters.size === 0;
    const { call, coalesced } = waiter;
    this.#settlements.abandoned(call, boarding.attemptsFor(call.startedAtMs), coalesced);
    waiter.reject(planCancelled(waiter.signal));
    this.#leave(boarding, false);
  }

  #letGo(waiter: Waiter): void {
    this.#waiting--;
    this.#early.delete(waiter);
    waiter.timer?.cancel();
    waiter.signal?.removeEventListener('abort', waiter.onAbort);
    const { agent } = waiter.call.request;
    if (this.#byAgent.get(agent) === waiter) this.#byAgent.delete(agent);
    if (this.#waiting === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** A waiter has left a flight. The last one cancels it, unless its time is over and models are at work for it. */
  #leave(boarding: Boarding, isOutOfTime: boolean): void {
    if (boarding.waiters.size > 0) return;
    const mayGoOn = isOutOfTime && this.#late.size < LATE_MAX && !this.#isClosed;
    if (mayGoOn && boarding.flight.goOnLate()) {
      // It is not joined any more: it has no time left, and may hang.
      this.#unshare(boarding);
      this.#late.add(boarding);
    } else this.#drop(boarding, isOutOfTime);
  }

  #drop(boarding: Boarding, isOutOfTime: boolean): void {
    this.#late.delete(boarding);
    this.#unshare(boarding);
    if (!boarding.flight.hasBegun) return boarding.flight.cancel(isOutOfTime);
    this.#unwanted.add(boarding.flight, isOutOfTime);
  }
}

/** Plans with the same key share a flight. Agents that tried an action without effect are advised separately. */
function flightKey(state: string, inVain = ''): string {
  return `${state} ${inVain}`;
}

export function planCancelled(signal: AbortSignal | undefined): PlannerError {
  return new PlannerError('ERR_PLAN_CANCELLED', "the plan was ended by its caller's signal", { cause: signal?.reason });
}
