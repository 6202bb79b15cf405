import type { Context } from '@opentelemetry/api';
import type { Timer } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import type { Miss } from '../../cache/look.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import { keptRequest } from '../kept-request.ts';
import { type Answer, answerFromLate, answerFromNear, bestInHand } from '../ladder/best-in-hand.ts';
import { kindOfNear, type LateAnswer, type RecentWork } from '../ladder/late-answers.ts';
import { UNDECIDED_SOURCES, type Why, type WhyCode } from '../ladder/why.ts';
import { whyNoModel } from '../ladder/why-no-model.ts';
import type { ExpertVote } from '../panel/tally.ts';
import type { Plan, PlanOptions } from '../plan.ts';
import { DeadlineGuard } from './deadline-guard.ts';
import { type Due, EarlySettling } from './early-settling.ts';
import { Flight } from './flight.ts';
import type { FlightParts } from './flight-parts.ts';

/**
 * Who waits for which flight. Plans in the same state share one flight (single flight). A waiter settles exactly once, by
 * the first of: the end of its flight, its own deadline, its own signal, `close()`. Settling removes it from its flight's
 * set, and whoever finds it gone does nothing. A flight whose last waiter has left is joined no more. It is cancelled, unless
 * that was at the deadline and models are at work for it: then it goes on late, so that what they say is remembered.
 */

/** Flights cancelled in one turn of the event loop. */
const CANCELS_PER_TURN = 4;
/** A plan that joined a flight goes on after it only if it can wait this much longer. */
const LONGER_MS_MIN = 20;
/** Flights that go on after their deadline, so that what they say is remembered. Each holds a slot of an endpoint. */
const LATE_MAX = 1_024;

/** One call of `plan()`: what was asked, when, and by when. */
export interface PlanCall {
  readonly request: PlanRequest;
  readonly signature: Signature;
  /** What the cache had to say; undefined without a cache. */
  readonly look: Miss | undefined;
  /** Higher is served first. */
  readonly priority: number;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** Where its spans belong; undefined where nobody takes them. */
  readonly trace: Context | undefined;
}

/** What the board asks of the planner it belongs to. All of it is called synchronously. */
export interface FlightBoardOwner {
  /**
   * A flight has ended with a decision of its models, and not everyone who waited had left by their own signal. `call` is
   * the one it was begun for.
   */
  onDecided(call: PlanCall, decision: Decision): void;
  /** The same for each of the others who wait for it. */
  onShared(call: PlanCall, decision: Decision): void;
  /** Makes the plan of a waiter that is settled now. */
  settle(call: PlanCall, answer: Answer, attempts: readonly Attempt[], coalesced: boolean): Plan;
  /** A waiter has left by its own signal. */
  onAbandoned(call: PlanCall, attempts: readonly Attempt[], coalesced: boolean): void;
  warn(message: string): void;
}

/** One caller's wait for a flight. It is answered at the latest at `settleMs`, a little ahead of its deadline. */
interface Waiter extends Due {
  readonly call: PlanCall;
  readonly coalesced: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  boarding: Boarding;
  readonly resolve: (plan: Plan) => void;
  readonly reject: (error: PlannerError) => void;
  timer: Timer | undefined;
}

/** What came of a flight that was too short for a decision. */
interface Legacy {
  /** From the start of a plan. */
  readonly attemptsFor: (originMs: number) => readonly Attempt[];
  readonly votes: readonly ExpertVote[];
}

const NO_LEGACY: Legacy = { attemptsFor: () => [], votes: [] };

/** A flight and who waits for it. */
interface Boarding {
  readonly flight: Flight;
  /** What the flight was begun for. */
  readonly call: PlanCall;
  /** Undefined where flights are not shared. */
  readonly key: string | undefined;
  readonly waiters: Set<Waiter>;
  /** What the shorter flight before it left to those who could wait longer than that one. */
  readonly before: Legacy;
  /** What is remembered of it for the agents that asked. */
  readonly works: RecentWork[];
  /**
   * What it decides is not remembered: everyone who waited left by their own signal, and what was voted until then is too
   * little; or the cache was cleared since it began.
   */
  abandoned: boolean;
  /** Resolves when the flight has ended. */
  done: Promise<void>;
}

export class FlightBoard {
  readonly #parts: FlightParts;
  readonly #owner: FlightBoardOwner;
  readonly #guard = new DeadlineGuard();
  readonly #early: EarlySettling<Waiter>;
  /** The flights that can be joined. */
  readonly #flights = new Map<string, Boarding>();
  readonly #boardings = new Set<Boarding>();
  /** The states of all flights, and how many there are of each. */
  readonly #states = new Map<string, number>();
  /** Flights that nobody waits for any more and that are not cancelled yet. */
  readonly #unwanted: { readonly flight: Flight; readonly isOutOfTime: boolean }[] = [];
  /** Flights that go on without anyone who waits. */
  readonly #late = new Set<Boarding>();
  /** The latest plan of each agent that waits. */
  readonly #byAgent = new Map<string, Waiter>();
  #waiting = 0;
  /** Resolve when nobody waits any more. */
  readonly #onIdle: (() => void)[] = [];
  #nextFlightId = 1;
  #isClosed = false;

  constructor(parts: FlightParts, owner: FlightBoardOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#early = new EarlySettling(parts.clock, (waiter) => this.#answer(waiter, true));
  }

  /** Plans that wait for a flight. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits in the flight of the same state, or in one that begins now. Rejects only with ERR_PLAN_CANCELLED. The request
   * and the signature are copied: a host may reuse its lists, and the planner its words, as soon as this returns.
   */
  wait(given: PlanCall, { signal, onAttempt }: Pick<PlanOptions, 'signal' | 'onAttempt'>): Promise<Plan> {
    const { clock, options, counters, late, shares } = this.#parts;
    const call: PlanCall = { ...given, request: keptRequest(given.request), signature: given.signature.slice() };
    const { startedAtMs, deadlineMs } = call;
    shares.asked(call.request.agent);
    // The model work must be done when the plan settles, not when its deadline strikes.
    const settleMs = deadlineMs - this.#guard.ahead(deadlineMs - startedAtMs);
    // Agents that tried something in vain are advised apart from those that did not.
    const key = options.singleFlight ? `${signatureText(call.signature)} ${call.look?.inVain ?? ''}` : undefined;
    const joined = key === undefined ? undefined : this.#flights.get(key);
    const boarding = joined ?? this.#takeOff(call, key, settleMs, NO_LEGACY);
    if (joined) counters.coalesced++;
    const { promise, resolve, reject } = Promise.withResolvers<Plan>();
    const onAbort = (): void => this.#abandon(waiter);
    const waiter: Waiter = {
      call,
      settleMs,
      get isAtWork() {
        return waiter.boarding.flight.isAtWork;
      },
      boarding,
      coalesced: joined !== undefined,
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
      boarding.works.push(late.asked(request, signature, startedAtMs, () => answerOf(boarding)));
    }
    return promise;
  }

  /** Resolves when nobody waits for a plan. */
  async idle(): Promise<void> {
    if (this.#waiting > 0) await new Promise<void>((resolve) => void this.#onIdle.push(resolve));
  }

  /** Whether models are asked about a state now, for somebody or late. */
  isAskedAbout(state: string): boolean {
    return this.#states.has(state);
  }

  /** An agent that asks again has moved on: its older plan, if it still waits for a first slot, has what is in hand. */
  #supersede(waiter: Waiter): void {
    const { agent } = waiter.call.request;
    const older = this.#byAgent.get(agent);
    this.#byAgent.set(agent, waiter);
    if (older === undefined || older.boarding === waiter.boarding) return;
    const { flight, waiters } = older.boarding;
    if (waiters.size > 1 || !waiters.has(older) || !flight.isQueued) return;
    this.#parts.counters.superseded++;
    this.#answer(older, false, 'superseded');
  }

  /** What flights that have begun decide is not remembered: the cache was cleared. */
  forget(): void {
    for (const boarding of this.#boardings) {
      boarding.abandoned = true;
      this.#unshare(boarding);
    }
  }

  /** Settles everyone at once with the best answer in hand and cancels the model work. Resolves when the flights have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const boardings = [...this.#boardings];
    for (const boarding of boardings) {
      for (const waiter of [...boarding.waiters]) this.#answer(waiter, false, 'closing');
    }
    for (const boarding of [...this.#late]) this.#drop(boarding, false);
    this.#cancelUnwanted(Number.POSITIVE_INFINITY);
    await Promise.all(boardings.map((boarding) => boarding.done));
  }

  /** Begins a flight that nobody waits for yet. */
  #takeOff(call: PlanCall, key: string | undefined, settleMs: number, before: Legacy): Boarding {
    const purpose = { inVain: call.look?.inVain, priority: call.priority };
    const flight = new Flight(this.#parts, this.#nextFlightId++, call.request, settleMs, purpose);
    const done = Promise.resolve();
    const boarding: Boarding = { flight, call, key, waiters: new Set(), before, works: [], abandoned: false, done };
    flight.attempts.onEnded = (attemptFrom) => {
      for (const { onAttempt, call: waiting } of boarding.waiters) {
        if (onAttempt !== undefined) this.#tell(onAttempt, attemptFrom(waiting.startedAtMs));
      }
    };
    if (key !== undefined) this.#flights.set(key, boarding);
    this.#boardings.add(boarding);
    const state = signatureText(call.signature);
    this.#states.set(state, (this.#states.get(state) ?? 0) + 1);
    boarding.done = this.#fly(boarding);
    return boarding;
  }

  /** A listener that throws has no say in the plan. */
  #tell(onAttempt: (attempt: Attempt) => void, attempt: Attempt): void {
    try {
      onAttempt(attempt);
    } catch (error) {
      this.#owner.warn(`onAttempt of a plan threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #fly(boarding: Boarding): Promise<void> {
    const { flight, call } = boarding;
    try {
      await flight.run();
      if (flight.decision !== undefined && !boarding.abandoned) {
        this.#compareStandIns(boarding, flight.decision.action);
        this.#owner.onDecided(call, flight.decision);
        for (const waiter of boarding.waiters) {
          if (waiter.call !== call) this.#owner.onShared(waiter.call, flight.decision);
        }
      }
    } catch (error) {
      // A bug in the flight: its waiters still get the best answer in hand, and the bug is told.
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#owner.warn(`a plan's model work failed: ${what}`);
    } finally {
      this.#unshare(boarding);
      this.#flyOn(boarding);
      for (const waiter of [...boarding.waiters]) this.#answer(waiter);
      this.#boardings.delete(boarding);
      this.#late.delete(boarding);
      this.#forgetState(signatureText(call.signature));
      const answer = answerOf(boarding);
      for (const work of boarding.works) {
        work.answer = () => answer;
        work.isEnded = true;
      }
    }
  }

  #forgetState(state: string): void {
    const flights = (this.#states.get(state) ?? 0) - 1;
    if (flights > 0) this.#states.set(state, flights);
    else this.#states.delete(state);
  }

  /** Models have decided: that says what would have been right where they had not, or had not in time. */
  #compareStandIns({ call: { request, signature, look }, waiters }: Boarding, action: string): void {
    const { late } = this.#parts;
    const near = look?.shadow?.near[0];
    const compared = late?.decided(signature, action);
    if (near === undefined || waiters.size === 0 || compared?.has(kindOfNear(near))) return;
    const next = bestInHand(request, { decision: undefined, votes: [], stale: look?.stale });
    late?.compare({ kind: kindOfNear(near), standIn: near.action, next: next.action }, action);
  }

  /**
   * A flight has the time of the plan it was begun for. When that was too short for a model to decide, those who joined
   * it and can wait longer go on in a flight that has theirs.
   */
  #flyOn(boarding: Boarding): void {
    const { flight, waiters, key } = boarding;
    const isDecided = flight.decision !== undefined && flight.decision.source !== 'vote';
    const patient = [...waiters].filter((waiter) => waiter.settleMs > flight.deadlineMs + LONGER_MS_MIN);
    const [first] = patient;
    if (isDecided || first === undefined || this.#isClosed) return;
    const settleMs = Math.max(...patient.map((waiter) => waiter.settleMs));
    const next = this.#takeOff(first.call, key, settleMs, {
      attemptsFor: (originMs) => attemptsOf(boarding, originMs),
      votes: latestVotes(boarding),
    });
    for (const work of boarding.works.splice(0)) {
      work.answer = () => answerOf(next);
      next.works.push(work);
    }
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

  /** Settles a waiter with the best answer in hand: at the end of its flight, or at its deadline, or before by a `cut`. */
  #answer(waiter: Waiter, isOutOfTime = false, cut?: WhyCode): void {
    const { boarding, call, coalesced } = waiter;
    if (!boarding.waiters.delete(waiter)) return;
    this.#letGo(waiter);
    const answer = this.#bestFor(boarding, call);
    const attempts = attemptsOf(boarding, call.startedAtMs);
    const told = UNDECIDED_SOURCES.has(answer.source) ? { ...answer, why: this.#whyOf(waiter, attempts, cut) } : answer;
    waiter.resolve(this.#owner.settle(call, told, attempts, coalesced));
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

  #bestFor(boarding: Boarding, call: PlanCall): Answer {
    const { flight } = boarding;
    const { standing, stale } = call.look ?? { standing: undefined, stale: undefined };
    const inHand = {
      decision: flight.decision ?? flight.standing(),
      votes: latestVotes(boarding),
      leader: flight.leader,
      standing,
      stale,
    };
    const answer = bestInHand(call.request, inHand);
    if (inHand.decision !== undefined || inHand.votes.length > 0 || standing !== undefined) return answer;
    const standIn = this.#standIn(call, answer);
    return standIn === undefined ? answer : bestInHand(call.request, { ...inHand, standIn });
  }

  /** What may be better than the `next` rung: each candidate is compared later, and the first that has earned it serves. */
  #standIn({ request, signature, look }: PlanCall, next: Answer): Answer | undefined {
    const { clock, late } = this.#parts;
    if (late === undefined) return undefined;
    const near = look?.shadow?.near[0];
    const candidate = late.candidate(request, signature, clock.now());
    const candidates = [
      ...(near === undefined ? [] : [{ kind: kindOfNear(near), answer: answerFromNear(near) }]),
      ...(candidate === undefined ? [] : [{ kind: candidate.kind, answer: answerFromLate(candidate) }]),
    ].filter(({ answer }) => answer.action !== look?.inVain);
    for (const { kind, answer } of candidates) {
      late.shadow(signature, { kind, standIn: answer.action, next: next.action });
    }
    return candidates.find(({ kind }) => late.serves(kind))?.answer;
  }

  #abandon(waiter: Waiter): void {
    const { boarding } = waiter;
    if (!boarding.waiters.delete(waiter)) return;
    this.#letGo(waiter);
    this.#parts.counters.cancelled++;
    boarding.abandoned ||= boarding.waiters.size === 0;
    if (waiter.call.trace !== undefined)
      this.#owner.onAbandoned(waiter.call, attemptsOf(boarding, waiter.call.startedAtMs), waiter.coalesced);
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

  /** Somebody has left a flight. The last one cancels it, unless its time is over and models are at work for it. */
  #leave(boarding: Boarding, isOutOfTime: boolean): void {
    if (boarding.waiters.size > 0) return;
    const mayGoOn = isOutOfTime && this.#late.size < LATE_MAX && !this.#isClosed;
    if (mayGoOn && boarding.flight.goOnLate()) {
      // Nobody joins it: it has no time of its own left, and may hang.
      this.#unshare(boarding);
      this.#late.add(boarding);
    } else this.#drop(boarding, isOutOfTime);
  }

  #drop(boarding: Boarding, isOutOfTime: boolean): void {
    this.#late.delete(boarding);
    this.#unshare(boarding);
    if (!boarding.flight.hasBegun) return boarding.flight.cancel(isOutOfTime);
    // Later in this turn of the event loop: when many deadlines strike at once, every plan settles first.
    const isFirst = this.#unwanted.push({ flight: boarding.flight, isOutOfTime }) === 1;
    if (isFirst) this.#parts.clock.nextTurn(() => this.#cancelUnwanted());
  }

  /** A few in each turn, as `LoopTurns` begins them; all of them when the planner closes. */
  #cancelUnwanted(flightsMax = CANCELS_PER_TURN): void {
    for (const { flight, isOutOfTime } of this.#unwanted.splice(0, flightsMax)) flight.cancel(isOutOfTime);
    if (this.#unwanted.length > 0) this.#parts.clock.nextTurn(() => this.#cancelUnwanted());
  }
}

function attemptsOf({ flight, before }: Boarding, originMs: number): Attempt[] {
  return [...before.attemptsFor(originMs), ...flight.attemptsFor(originMs)];
}

/** What the models of a flight say so far. */
function answerOf(boarding: Boarding): LateAnswer | undefined {
  const { decision, leader } = boarding.flight;
  if (decision !== undefined) return decision;
  const voter = boarding.flight.votes.find(({ vote }) => vote.action === leader);
  return voter && { action: voter.vote.action, reason: voter.vote.reason, model: voter.model };
}

/** Those of the flight, or of the one before it while there are none: an expert has one vote. */
function latestVotes({ flight, before }: Boarding): readonly ExpertVote[] {
  return flight.votes.length > 0 ? flight.votes : before.votes;
}

export function planCancelled(signal: AbortSignal | undefined): PlannerError {
  return new PlannerError('ERR_PLAN_CANCELLED', "the plan was ended by its caller's signal", { cause: signal?.reason });
}
