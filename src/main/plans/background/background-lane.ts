import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import type { Hit } from '../../cache/look.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { Announcements } from '../announcements.ts';
import type { AskedStates } from '../flights/asked-states.ts';
import { Flight } from '../flights/flight.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { Errand, Lessons } from '../lessons.ts';
import type { BookedState, StateBook } from './state-book.ts';

/**
 * Asks models questions that no plan waits for: checks and refreshes of answers served from the cache, and states that no model
 * answered in time, for the next time. It delays no plan: a flight starts only while every endpoint has an idle slot, takes its
 * slots behind all others, and each of its calls gives way to a call that can make a deadline only with its slot. One flight
 * starts in each turn of the event loop, so that the next one finds its slots taken. Bounded: beyond `QUEUE_MAX` errands the
 * oldest is dropped and counted; states are asked about later with a budget of calls for each plan, and at most a minute after
 * the last one.
 */
const QUEUE_MAX = 64;
const FLIGHTS_MAX = 4;
/** Maximum further hits of a state that wait for the answer to the first; more are dropped and counted. */
const OTHERS_MAX = 64;
/** Number of calls about states for later that each plan allows; at most `LATER_SAVED_MAX` are saved up. */
const LATER_PER_PLAN = 2;
const LATER_SAVED_MAX = 240;
/** Share of the calls about states for later that goes to states that have not come back yet. */
const OTHERS_SHARE = 0.1;
const LATER_FLIGHTS_MAX = 64;
/** Time after the last plan when calls about states for later stop, because no agent would profit. */
const LATER_MS_MAX = 60_000;

export interface BackgroundStats {
  readonly queued: number;
  readonly running: number;
  /** Ended with a decision of the models. */
  readonly done: number;
  /** Ended without one: the models failed. */
  readonly failed: number;
  /** Given up because a plan had to wait for a slot, or because the planner closed. */
  readonly cancelled: number;
  /** Not started: the queue was full. */
  readonly dropped: number;
  /** States to ask about later: those waiting, calls made about them, and votes that resulted. */
  readonly later: { readonly states: number; readonly asked: number; readonly voted: number };
}

/** An errand that waits or runs. */
interface Job {
  readonly errand: Errand;
  readonly others: Hit[];
}

export class BackgroundLane {
  readonly #parts: FlightParts;
  readonly #book: StateBook;
  readonly #lessons: Pick<Lessons, 'checked' | 'voted'>;
  readonly #asked: Pick<AskedStates, 'has'>;
  readonly #announcements: Pick<Announcements, 'warn'>;
  readonly #later = new Map<string, Flight>();
  readonly #laterCounts = { asked: 0, voted: 0 };
  #laterBudget = 0;
  #othersBudget = 0;
  #lastPlanAtMs = Number.NEGATIVE_INFINITY;
  /** Errands by state: models are asked once, however many hits of it there are. */
  readonly #queue = new Map<string, Job>();
  readonly #running = new Map<string, Job & { readonly flight: Flight }>();
  /** The ends of all flights in progress, including cancelled ones. */
  readonly #ends = new Set<Promise<void>>();
  readonly #counts = { done: 0, failed: 0, cancelled: 0, dropped: 0 };
  #nextId = -1;
  #isWaking = false;
  #isClosed = false;

  constructor(
    parts: FlightParts,
    book: StateBook,
    lessons: Pick<Lessons, 'checked' | 'voted'>,
    asked: Pick<AskedStates, 'has'>,
    announcements: Pick<Announcements, 'warn'>,
  ) {
    this.#parts = parts;
    this.#book = book;
    this.#lessons = lessons;
    this.#asked = asked;
    this.#announcements = announcements;
  }

  /**
   * Notes a state about which too little is known, `known` being what is remembered. Models are asked about it when there is
   * room, urgent states first.
   */
  askLater(request: PlanRequest, signature: Signature, known: Decision | undefined, isUrgent = false): void {
    if (this.#isClosed || this.#parts.options.experts.length === 0) return;
    this.#book.note(request, signature, known, isUrgent);
  }

  /** The cache was cleared: drops waiting work, and gives up running work. */
  clear(): void {
    this.#book.clear();
    this.#counts.dropped += this.#queue.size;
    this.#queue.clear();
    this.#giveUpAll();
  }

  /** Starts nothing from now on; running work continues. */
  shut(): void {
    this.#isClosed = true;
  }

  #giveUpAll(): void {
    for (const [key, { flight }] of [...this.#running]) {
      this.#running.delete(key);
      flight.cancel();
    }
    for (const [key, flight] of [...this.#later]) {
      this.#later.delete(key);
      flight.cancel();
    }
  }

  /** A plan has settled: there may be room now, and an agent may profit. */
  planSettled(): void {
    this.#lastPlanAtMs = this.#parts.clock.now();
    this.#laterBudget = Math.min(LATER_SAVED_MAX, this.#laterBudget + LATER_PER_PLAN * (1 - OTHERS_SHARE));
    this.#othersBudget = Math.min(LATER_SAVED_MAX * OTHERS_SHARE, this.#othersBudget + LATER_PER_PLAN * OTHERS_SHARE);
    this.wake();
  }

  /** Adds an errand, and starts it as soon as there is room. The request and the signature must not change later. */
  add(errand: Errand): void {
    const key = signatureText(errand.signature);
    if (this.#isClosed) return;
    const known = this.#queue.get(key) ?? this.#running.get(key);
    if (known !== undefined) {
      if (known.others.length < OTHERS_MAX) known.others.push(errand.hit);
      else this.#counts.dropped++;
      return;
    }
    this.#queue.set(key, { errand, others: [] });
    if (this.#queue.size > QUEUE_MAX) {
      const [oldest, job] = this.#queue.entries().next().value as [string, Job];
      this.#queue.delete(oldest);
      this.#counts.dropped += 1 + job.others.length;
    }
    this.wake();
  }

  /** Call when there may be room. */
  wake(): void {
    if (this.#isWaking || this.#isClosed || !this.#hasWork) return;
    if ((this.#isIdleEverywhere() && this.#beginErrand()) || this.#beginLater()) this.#wakeNextTurn();
  }

  /**
   * Call when a slot has become idle. Checked only in a later turn, because the plan that released it may immediately take one
   * again for its synthesis.
   */
  wakeSoon(): void {
    if (this.#hasWork && !this.#isWaking) this.#wakeNextTurn();
  }

  get #hasWork(): boolean {
    return this.#queue.size > 0 || (this.#book.size > 0 && Math.max(this.#laterBudget, this.#othersBudget) >= 1);
  }

  #beginErrand(): boolean {
    if (this.#running.size >= FLIGHTS_MAX) return false;
    const next = this.#queue.entries().next().value;
    if (next === undefined) return false;
    this.#queue.delete(next[0]);
    this.#begin(...next);
    return true;
  }

  /** Starts a call for one more vote for a state of the book. */
  #beginLater(): boolean {
    const { clock } = this.#parts;
    const isOver = clock.now() - this.#lastPlanAtMs > LATER_MS_MAX;
    if (isOver || this.#later.size >= LATER_FLIGHTS_MAX) return false;
    const open = this.#parts.options.experts.map((expert) => this.#hasIdleSeat(expert));
    if (!open.includes(true)) return false;
    const state = this.#chooseLater();
    if (state === undefined) return false;
    this.#laterCounts.asked++;
    const flight = new Flight(this.#parts, this.#nextId--, state.request, this.#deadlineMs(), {
      lane: 'background',
      state: state.key,
      oneExpert: nextOpen(open, state.asked),
    });
    this.#book.asked(state.key);
    this.#later.set(state.key, flight);
    const end = this.#flyLater(state, flight).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
    return true;
  }

  #chooseLater(): BookedState | undefined {
    const isOpen = ({ key }: BookedState): boolean => !this.#later.has(key) && !this.#asked.has(key);
    const wanted = this.#laterBudget < 1 ? undefined : this.#book.next(isOpen);
    if (wanted !== undefined) {
      this.#laterBudget--;
      return wanted;
    }
    const other = this.#othersBudget < 1 ? undefined : this.#book.any(isOpen);
    if (other !== undefined) this.#othersBudget--;
    return other;
  }

  async #flyLater(state: BookedState, flight: Flight): Promise<void> {
    try {
      await flight.run();
      // Given up because the cache was cleared or the planner closes.
      if (this.#later.get(state.key) !== flight || this.#isClosed) return;
      if (flight.decision === undefined) return this.#book.failed(state.key);
      this.#laterCounts.voted++;
      this.#book.learned(state.key, this.#lessons.voted(state, flight.decision));
    } catch (error) {
      this.#warn('asking models for later', error);
    } finally {
      if (this.#later.get(state.key) === flight) this.#later.delete(state.key);
      this.wake();
    }
  }

  /** Deadline of a flight that no plan waits for: the default time of a plan, plus `lateMs` with `lateAnswers`. */
  #deadlineMs(): number {
    const { clock, options } = this.#parts;
    return clock.now() + options.timeoutMs;
  }

  #warn(what: string, error: unknown): void {
    this.#announcements.warn(`${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  }

  #wakeNextTurn(): void {
    this.#isWaking = true;
    this.#parts.clock.nextTurn(() => {
      this.#isWaking = false;
      this.wake();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#counts.dropped += this.#queue.size;
    this.#queue.clear();
    this.#giveUpAll();
    await Promise.all(this.#ends);
  }

  stats(): BackgroundStats {
    const later = { states: this.#book.size, ...this.#laterCounts };
    return { queued: this.#queue.size, running: this.#running.size, ...this.#counts, later };
  }

  #hasIdleSeat({ endpoint, alternatives }: ResolvedExpert): boolean {
    return [endpoint, ...alternatives].some((name) => {
      const at = this.#parts.endpoints.get(name);
      return at?.isIdle === true && !at.isResting;
    });
  }

  #isIdleEverywhere(): boolean {
    return [...this.#parts.endpoints.values()].every(({ isIdle }) => isIdle);
  }

  #begin(key: string, job: Job): void {
    const flight = new Flight(this.#parts, this.#nextId--, job.errand.request, this.#deadlineMs(), {
      lane: 'background',
      state: key,
    });
    this.#running.set(key, { ...job, flight });
    const end = this.#fly(key, flight, job).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }

  async #fly(key: string, flight: Flight, { errand, others }: Job): Promise<void> {
    try {
      await flight.run();
      // Votes of a flight that was cut short are no second opinion, unless they agree.
      const isOpinion = flight.decision !== undefined && flight.decision.source !== 'vote';
      if (this.#running.get(key)?.flight !== flight) this.#counts.cancelled++;
      else if (flight.isCutShort && !isOpinion) this.#counts.cancelled++;
      else if (flight.decision === undefined) this.#counts.failed++;
      else {
        this.#lessons.checked(errand, flight.decision, others);
        this.#counts.done++;
      }
    } catch (error) {
      this.#counts.failed++;
      this.#warn('asking models again', error);
    } finally {
      if (this.#running.get(key)?.flight === flight) this.#running.delete(key);
      this.wake();
    }
  }
}

/** The next expert that can be asked: a state takes turns with all of them. At least one can be. */
function nextOpen(open: readonly boolean[], turn: number): number {
  for (let nth = turn; ; nth++) if (open[nth % open.length] === true) return nth % open.length;
}
