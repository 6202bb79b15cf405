import type { Decision } from '../../../shared/decision.ts';
import { defined } from '../../../shared/defined.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Signature } from '../../../shared/signature.ts';
import type { SharedHits } from '../../cache/false-hits.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { Announcements } from '../announcements.ts';
import type { AskedStates } from '../flights/asked-states.ts';
import { Flight } from '../flights/flight.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { Errand, Lessons } from '../lessons.ts';
import { CheckReserve, type ReserveServer } from './check-reserve.ts';
import {
  type ErrandJob,
  ErrandQueue,
  hitsOf,
  isCheckJob,
  isOnlyCheck,
  LOST_REASONS,
  type LostReason,
  servedBy,
} from './errand-queue.ts';
import { LaneTurns } from './lane-turns.ts';
import { LaterVotes } from './later-votes.ts';
import type { StateBook } from './state-book.ts';

/**
 * Asks models questions that no plan waits for: checks and refreshes of answers served from the cache, and states that no model
 * answered in time, for the next time. It delays no plan, but for checks within their reserve: a flight starts only while every
 * endpoint has an idle slot, takes its slots behind all others, and each of its calls gives way to a call that can make a deadline
 * only with its slot. An errand that gave way is asked again later. One flight starts in each turn of the event loop, so that the
 * next one finds its slots taken. Bounded: of too many errands the oldest is dropped and counted; states are asked about later with
 * a budget of calls for each plan, and at most a minute after the last one.
 */
const FLIGHTS_MAX = 4;
/** A check waits this long for an idle server before it takes a slot from plans, within the reserve. */
const PATIENCE_MS = 5_000;
/**
 * While checks have cost plans more than the reserve, one waits this long for further hits of its state, which share its answer. Half the
 * time in which it is to be made.
 */
const SHARING_MS = 60_000;

export interface BackgroundStats {
  readonly queued: number;
  readonly running: number;
  /** Ended with a decision of the models. */
  readonly done: number;
  /** Ended without one: the models failed. */
  readonly failed: number;
  /** Given up because a plan had to wait for a slot, or because the planner closed. The former go back to the queue. */
  readonly cancelled: number;
  /** Not started: the queue was full, or there was no reason any more. */
  readonly dropped: number;
  /**
   * Ended without an answer, with all hits that shared it: the queue was full; the entry was gone; it had waited too long; the models
   * failed; the cache was cleared or the planner closed.
   */
  readonly lost: Readonly<Record<LostReason, number>>;
  /** States to ask about later: those waiting, calls made about them and about what was read where nobody could write in time, and votes that resulted. */
  readonly later: { readonly states: number; readonly asked: number; readonly voted: number };
}

/** Work ahead of plans: after errands, and before states for later. */
export interface AheadWork {
  readonly hasWork: boolean;
  /** Starts a flight, if there is room that it is worth. */
  begin(): boolean;
}

/** A job, its flight, and the time that is set aside for it: 0 for one that gives way. */
interface RunningJob extends ErrandJob {
  readonly flight: Flight;
  readonly reservedMs: number;
  /** Call at its end, with the time that it had slots at each server; undefined within the reserve. */
  readonly ended: ((usedAt: ReadonlyMap<string, number>) => void) | undefined;
}

/** What the background lanes of all domains have in common. */
export interface SharedLanes {
  readonly turns: LaneTurns;
  readonly reserve: CheckReserve;
}

export function sharedLanes({ options, endpoints, clock }: SharedLaneParts): SharedLanes {
  const { cache } = options;
  const servers = new Map([...endpoints].map(([name, endpoint]) => [name, serverOf(endpoint)]));
  const reserve = new CheckReserve(cache === false ? 0 : cache.checkReserve, servers);
  return { turns: new LaneTurns(clock), reserve };
}

function serverOf(endpoint: ModelEndpoint): ReserveServer {
  return {
    workedMs: () => endpoint.gate.ownWorked(),
    isOut: () => endpoint.isResting,
    areSlowed: () => endpoint.profiles.areSlowed,
  };
}

type SharedLaneParts = Pick<FlightParts, 'options' | 'endpoints' | 'clock'>;

export class BackgroundLane {
  readonly #parts: FlightParts;
  readonly #book: StateBook;
  readonly #lessons: LaneLessons;
  readonly #announcements: Pick<Announcements, 'warn'>;
  readonly #later: LaterVotes;
  readonly #queue: ErrandQueue;
  readonly #reserve: CheckReserve;
  readonly #running = new Map<string, RunningJob>();
  /** The ends of all flights in progress, including cancelled ones. */
  readonly #ends = new Set<Promise<void>>();
  readonly #counts = { done: 0, failed: 0, cancelled: 0, dropped: 0 };
  readonly #lost = Object.fromEntries(LOST_REASONS.map((reason) => [reason, 0])) as Record<LostReason, number>;
  #nextId = -1;
  ahead: AheadWork = { hasWork: false, begin: () => false };
  readonly #turns: LaneTurns;
  #isClosed = false;

  constructor(
    parts: FlightParts,
    book: StateBook,
    lessons: LaneLessons,
    asked: Pick<AskedStates, 'has'>,
    announcements: Pick<Announcements, 'warn'>,
    shared?: SharedLanes,
  ) {
    this.#parts = parts;
    this.#book = book;
    this.#lessons = lessons;
    this.#announcements = announcements;
    this.#queue = new ErrandQueue({
      holds: (errand) => lessons.holds(errand),
      onLost: (hits, reason) => {
        if (reason !== 'failed') this.#counts.dropped += countOf(hits);
        this.#lose(hits, reason);
      },
    });
    const { turns, reserve } = shared ?? sharedLanes(parts);
    this.#reserve = reserve;
    this.#turns = turns;
    this.#later = new LaterVotes({
      parts,
      book,
      lessons,
      asked,
      nextId: () => this.#nextId--,
      deadlineMs: () => this.#deadlineMs(),
      warn: (what, error) => this.#warn(what, error),
      onEnd: () => turns.wake(),
    });
    turns.add({ begin: () => this.#begins() });
  }

  #lose(hits: readonly SharedHits[], reason: LostReason): void {
    this.#lost[reason] += countOf(hits);
    this.#lessons.lost(hits);
  }

  /**
   * Notes a state about which too little is known, `known` being what is remembered. Models are asked about it when there is
   * room, urgent states first.
   */
  askLater(request: PlanRequest, signature: Signature, known: Decision | undefined, isUrgent = false): void {
    this.#later.note(request, signature, known, isUrgent);
  }

  /** Asks an expert what the read of a state is worth. */
  prove(request: PlanRequest, signature: Signature, inVain: string | undefined): void {
    this.#later.prove(request, signature, inVain);
  }

  /** The cache was cleared: drops waiting work, and gives up running work. */
  clear(): void {
    this.#book.clear();
    this.#queue.clear();
    this.#giveUpAll();
  }

  /** Starts nothing from now on; running work continues. */
  shut(): void {
    this.#isClosed = true;
    this.#later.shut();
  }

  #giveUpAll(): void {
    for (const [key, { flight, ...job }] of [...this.#running]) {
      this.#running.delete(key);
      this.#lose(hitsOf(job), 'ended');
      flight.cancel();
    }
    this.#later.giveUp();
  }

  /** A plan has settled: there may be room now, and an agent may profit. */
  planSettled(): void {
    this.#later.planSettled();
    this.wake();
  }

  /** Adds an errand, and starts it as soon as there is room. The request and the signature must not change later. */
  add(errand: Errand): void {
    if (this.#isClosed) return;
    this.#queue.add(errand, this.#parts.clock.now(), this.#running);
    this.wake();
  }

  /** Call when there may be room. */
  wake(): void {
    if (!this.#isClosed && this.#hasWork) this.#turns.wake();
  }

  #begins(): boolean {
    if (this.#isClosed || !this.#hasWork) return false;
    return this.#beginErrand() || this.ahead.begin() || this.#later.begin();
  }

  /**
   * Call when a slot has become idle. Checked only in a later turn, because the plan that released it may immediately take one
   * again for its synthesis.
   */
  wakeSoon(): void {
    if (this.#hasWork) this.#turns.wakeSoon();
  }

  get #hasWork(): boolean {
    return this.#queue.size > 0 || this.ahead.hasWork || this.#later.hasWork;
  }

  #beginErrand(): boolean {
    if (this.#running.size >= FLIGHTS_MAX || this.#queue.size === 0) return false;
    const nowMs = this.#parts.clock.now();
    const isPatient = (job: ErrandJob): boolean => isCheckJob(job) && nowMs - job.sinceMs >= PATIENCE_MS;
    const patient = this.#mayReserve ? this.#queue.next(nowMs, isPatient) : undefined;
    const job = patient ?? (this.#isIdleEverywhere() ? this.#nextWhenIdle(nowMs) : undefined);
    if (job === undefined) return false;
    this.#queue.remove(job);
    this.#begin(job, patient === undefined ? 0 : this.#reserve.take());
    return true;
  }

  #nextWhenIdle(nowMs: number): ErrandJob | undefined {
    const { isOwed } = this.#reserve;
    return this.#queue.next(nowMs, (job) => !isOwed || !isOnlyCheck(job) || nowMs - job.sinceMs >= SHARING_MS);
  }

  /** Whether a check need not give way to plans. At any moment, no more of all domains do than their share of the slots, but one may. */
  get #mayReserve(): boolean {
    const slots = [...this.#parts.endpoints.values()].reduce((sum, { gate }) => sum + gate.ownSlots, 0);
    const isRoom = this.#reserve.running < Math.max(1, this.#reserve.share * slots);
    return isRoom && this.#reserve.covers && !this.#isRaisedNext;
  }

  /** Whether the next free slot of a server is for a request of raised priority. */
  get #isRaisedNext(): boolean {
    return [...this.#parts.endpoints.values()].some(({ gate }) => gate.isRaisedNext);
  }

  /** Deadline of a flight that no plan waits for: the default time of a plan, plus `lateMs` with `lateAnswers`. */
  #deadlineMs(): number {
    const { clock, options } = this.#parts;
    return clock.now() + options.timeoutMs;
  }

  #warn(what: string, error: unknown): void {
    this.#announcements.warn(`${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  }

  async close(): Promise<void> {
    this.shut();
    this.#queue.clear();
    this.#giveUpAll();
    await Promise.all([...this.#ends, this.#later.ended()]);
  }

  stats(): BackgroundStats {
    const later = this.#later.stats();
    return { queued: this.#queue.size, running: this.#running.size, ...this.#counts, lost: { ...this.#lost }, later };
  }

  #isIdleEverywhere(): boolean {
    return [...this.#parts.endpoints.values()].every(({ isIdle }) => isIdle);
  }

  #begin(job: ErrandJob, reservedMs: number): void {
    const { key } = job;
    const served = servedBy(job);
    const flight = new Flight(this.#parts, this.#nextId--, job.errand.request, this.#deadlineMs(), {
      lane: reservedMs > 0 ? 'reserved' : 'background',
      reserveMs: reservedMs,
      state: key,
      ...defined({ served }),
    });
    const ended = reservedMs > 0 || !isCheckJob(job) ? undefined : this.#reserve.besidePlans();
    const running = { ...job, flight, reservedMs, ended };
    this.#running.set(key, running);
    if (reservedMs > 0) this.#reserve.running++;
    const end = this.#fly(running).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }

  async #fly(job: RunningJob): Promise<void> {
    const { key, flight, reservedMs } = job;
    try {
      await flight.run();
      this.#landed(job);
    } catch (error) {
      this.#counts.failed++;
      this.#lose(hitsOf(job), 'failed');
      this.#warn('asking models again', error);
    } finally {
      flight.claim?.end(flight.isCutShort ? undefined : flight.decision);
      if (reservedMs > 0) this.#reserve.running--;
      if (this.#running.get(key)?.flight === flight) this.#running.delete(key);
      this.#turns.wake();
    }
  }

  #landed(job: RunningJob): void {
    const { key, flight, errand, others, reservedMs, ended } = job;
    const { decision } = flight;
    // Votes of a flight that was cut short are no second opinion, unless they agree.
    const isCut = flight.isCutShort && (decision === undefined || decision.source === 'vote');
    const { use } = flight;
    const isDone = decision !== undefined && !isCut;
    if (isCheckJob(job)) this.#reserve.settle(reservedMs, use.workedMs, isDone, use.reservedMs, usedAt(flight));
    ended?.(usedAt(flight));
    if (this.#running.get(key)?.flight !== flight) this.#counts.cancelled++;
    else if (isCut || (decision === undefined && use.isStarved)) this.#takeBack(job, false);
    // Within the reserve others wait as well: whoever had too little time there may have more later.
    else if (decision === undefined && (reservedMs > 0 || flight.claim?.isTaken)) this.#takeBack(job, true);
    else if (decision === undefined) {
      this.#counts.failed++;
      this.#lose(hitsOf(job), 'failed');
    } else {
      this.#lessons.checked(errand, decision, others, flight.claim?.made !== undefined);
      this.#counts.done++;
    }
  }

  /** An errand that had to make room, or found none, waits again. */
  #takeBack({ key, errand, sinceMs, others, chars }: RunningJob, hasFailed: boolean): void {
    const job = { key, errand, sinceMs, others, chars };
    this.#counts.cancelled++;
    this.#running.delete(key);
    if (this.#isClosed) this.#lose(hitsOf(job), 'ended');
    else if (hasFailed) this.#queue.putLater(job, this.#parts.clock.now());
    else this.#queue.put(job);
  }
}

type LaneLessons = Pick<Lessons, 'checked' | 'voted' | 'holds' | 'lost'>;

/** The time that the calls of a flight had slots, by endpoint. */
function usedAt({ attempts }: Flight): ReadonlyMap<string, number> {
  const used = new Map<string, number>();
  for (const { endpoint, latencyMs, waitMs } of attempts.ended(0)) {
    used.set(endpoint, (used.get(endpoint) ?? 0) + latencyMs - waitMs);
  }
  return used;
}

function countOf(hits: readonly SharedHits[]): number {
  return hits.reduce((sum, { count }) => sum + count, 0);
}
