import { LRUCache } from 'lru-cache';
import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { AskedStates } from '../flights/asked-states.ts';
import { Flight } from '../flights/flight.ts';
import type { FlightParts, FlightPurpose } from '../flights/flight-parts.ts';
import type { Lessons } from '../lessons.ts';
import type { BookedState, StateBook } from './state-book.ts';

/** Number of calls that each plan allows; at most `SAVED_MAX` are saved up. */
const CALLS_PER_PLAN = 2;
const SAVED_MAX = 240;
/** Share of the calls that goes to states that have not come back yet. */
const OTHERS_SHARE = 0.1;
const FLIGHTS_MAX = 64;
/** Maximum proofs of reads at a time, and maximum states that are remembered as proved. */
const PROOFS_MAX = 2;
const PROVED_MAX = 2_000;
/** Time after the last plan when calls stop, because no agent would profit. */
const SINCE_PLAN_MS_MAX = 60_000;

export interface LaterParts {
  readonly parts: FlightParts;
  readonly book: StateBook;
  readonly lessons: Pick<Lessons, 'voted'>;
  /** States about which plans ask now. */
  readonly asked: Pick<AskedStates, 'has'>;
  readonly nextId: () => number;
  readonly deadlineMs: () => number;
  readonly warn: (what: string, error: unknown) => void;
  /** Called when a flight has ended: there may be room. */
  readonly onEnd: () => void;
}

/**
 * Asks single experts about states of the book, for the next time, and what reads are worth that nobody could confirm in time. Each plan
 * allows so many calls; a call starts only where a server is idle, and gives way to all others.
 */
export class LaterVotes {
  readonly #given: LaterParts;
  readonly #flights = new Map<string, Flight>();
  /** The ends of those flights that show what reads are worth. */
  readonly #proofs = new Set<Promise<void>>();
  /** States that were asked about for this. The next time, much the same would be read and written there. */
  readonly #proved = new LRUCache<string, true>({ max: PROVED_MAX });
  /** The ends of all flights in progress, including cancelled ones. */
  readonly #ends = new Set<Promise<void>>();
  readonly #counts = { asked: 0, voted: 0 };
  #budget = 0;
  #othersBudget = 0;
  #lastPlanAtMs = Number.NEGATIVE_INFINITY;
  #isShut = false;

  constructor(given: LaterParts) {
    this.#given = given;
  }

  get hasWork(): boolean {
    return this.#given.book.size > 0 && Math.max(this.#budget, this.#othersBudget) >= 1;
  }

  /** A plan has settled: an agent may profit. */
  planSettled(): void {
    this.#lastPlanAtMs = this.#given.parts.clock.now();
    this.#budget = Math.min(SAVED_MAX, this.#budget + CALLS_PER_PLAN * (1 - OTHERS_SHARE));
    this.#othersBudget = Math.min(SAVED_MAX * OTHERS_SHARE, this.#othersBudget + CALLS_PER_PLAN * OTHERS_SHARE);
  }

  /** Notes a state, if anybody can be asked about it. */
  note(request: PlanRequest, signature: Signature, known: Decision | undefined, isUrgent: boolean): void {
    const { book, parts } = this.#given;
    if (!this.#isShut && parts.options.experts.length > 0) book.note(request, signature, known, isUrgent);
  }

  /** Starts a call for one more vote for a state of the book. Returns false if there is none, or no room. */
  begin(): boolean {
    const { clock, reads } = this.#given.parts;
    const isOver = clock.now() - this.#lastPlanAtMs > SINCE_PLAN_MS_MAX;
    if (reads?.lone.isOpen || isOver || this.#flights.size >= FLIGHTS_MAX) return false;
    const open = this.#openExperts();
    if (!open.includes(true)) return false;
    const state = this.#choose();
    if (state === undefined) return false;
    void this.#takeOff(state, { oneExpert: nextOpen(open, state.asked) });
    this.#given.book.asked(state.key);
    return true;
  }

  /**
   * Asks an expert what the read of a state is worth: at once, behind all others, and only if a slot is free. Its answer is remembered.
   * States that come back would be no fair choice for this: they do so where the action did not help.
   */
  prove(request: PlanRequest, signature: Signature, inVain: string | undefined): void {
    const key = signatureText(signature);
    const isFull = this.#proofs.size >= PROOFS_MAX;
    if (this.#isShut || isFull || this.#flights.has(key) || this.#proved.has(key)) return;
    const open = this.#openExperts();
    if (!open.includes(true)) return;
    this.#proved.set(key, true);
    const oneExpert = nextOpen(open, this.#counts.asked);
    const end = this.#takeOff({ key, request, signature }, { inVain, isProof: true, oneExpert });
    this.#proofs.add(end);
    void end.then(() => this.#proofs.delete(end));
  }

  /** The cache was cleared: nothing of what is under way is remembered. */
  giveUp(): void {
    const flights = [...this.#flights.values()];
    this.#flights.clear();
    for (const flight of flights) flight.cancel();
  }

  /** Starts nothing from now on, and remembers nothing more. */
  shut(): void {
    this.#isShut = true;
  }

  /** Resolves when all flights have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#ends);
  }

  stats(): { readonly states: number; readonly asked: number; readonly voted: number } {
    return { states: this.#given.book.size, ...this.#counts };
  }

  #takeOff(state: LaterState, purpose: Partial<FlightPurpose>): Promise<void> {
    this.#counts.asked++;
    const { parts, nextId, deadlineMs } = this.#given;
    const whole = { ...purpose, lane: 'background', state: state.key } as const;
    const flight = new Flight(parts, nextId(), state.request, deadlineMs(), whole);
    this.#flights.set(state.key, flight);
    const end = this.#fly(state, flight).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
    return end;
  }

  #choose(): BookedState | undefined {
    const { book, asked } = this.#given;
    const isOpen = ({ key }: BookedState): boolean => !this.#flights.has(key) && !asked.has(key);
    const wanted = this.#budget < 1 ? undefined : book.next(isOpen);
    if (wanted !== undefined) {
      this.#budget--;
      return wanted;
    }
    const other = this.#othersBudget < 1 ? undefined : book.any(isOpen);
    if (other !== undefined) this.#othersBudget--;
    return other;
  }

  async #fly(state: LaterState, flight: Flight): Promise<void> {
    try {
      await flight.run();
      // Given up because the cache was cleared or the planner closes.
      if (this.#flights.get(state.key) === flight && !this.#isShut) this.#landed(state, flight);
    } catch (error) {
      this.#given.warn('asking models for later', error);
    } finally {
      flight.claim?.end(undefined);
      if (this.#flights.get(state.key) === flight) this.#flights.delete(state.key);
      this.#given.onEnd();
    }
  }

  #landed(state: LaterState, { decision, use, claim }: Flight): void {
    const { book, lessons } = this.#given;
    if (decision !== undefined) {
      this.#counts.voted++;
      book.learned(state.key, lessons.voted(state, decision));
    } else if (!use.isStarved && !claim?.isTaken) book.failed(state.key);
  }

  /** Which experts can be asked now. */
  #openExperts(): boolean[] {
    return this.#given.parts.options.experts.map((expert) => this.#hasIdleSeat(expert));
  }

  #hasIdleSeat({ endpoint, alternatives }: ResolvedExpert): boolean {
    const { reads, endpoints } = this.#given.parts;
    // The next read finds its slot free, where there is more than one.
    const keptFree = reads?.lone.isUsed ? 1 : 0;
    return [endpoint, ...alternatives].some((name) => {
      const at = endpoints.get(name);
      return (
        at?.isIdle === true && !at.isResting && at.gate.slots - at.gate.busy > Math.min(keptFree, at.gate.slots - 1)
      );
    });
  }
}

type LaterState = Pick<BookedState, 'key' | 'request' | 'signature'>;

/** The next expert that can be asked: a state takes turns with all of them. At least one can be. */
function nextOpen(open: readonly boolean[], turn: number): number {
  for (let nth = turn; ; nth++) if (open[nth % open.length] === true) return nth % open.length;
}
