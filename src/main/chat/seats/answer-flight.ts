import type { Clock, Timer } from '../../../shared/clock.ts';
import { asPlannerError, PlannerError } from '../../../shared/errors.ts';
import type { Relay, RelayEnd } from '../../../shared/model-client/chat-relay.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import { lessSettling, rungEnd, SLICE_MS_MIN } from '../../models/time/time-budget.ts';
import type { ChatRoute, ChatSeat } from './chat-route.ts';
import type { CallOpening, ChatCallEnd, SeatCaller } from './seat-caller.ts';
import { type ChatAttempt, isOfRequest, type TriedInVain, Tries } from './tries.ts';

export interface AnswerFlightParts {
  readonly clock: Clock;
  readonly caller: SeatCaller;
  readonly stallMs: number;
  /** Number of further tries of a call that failed before it answered anything. */
  readonly callRetries: number;
}

export interface AnswerFlightPurpose<A> {
  readonly asked: A;
  readonly route: ChatRoute;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
}

/** One try and its answer so far, which is dropped if the try fails before anything was sent to a client. */
export abstract class Draft<R extends Relay<RelayEnd> = Relay> {
  readonly seat: ChatSeat;
  /** True if the server is asked for events. */
  readonly isStreamed: boolean;
  relay: R | undefined;
  /** Why the gateway gave the try up. */
  failure: PlannerError | undefined;
  readonly #controller = new AbortController();

  constructor(seat: ChatSeat, isStreamed: boolean) {
    this.seat = seat;
    this.isStreamed = isStreamed;
  }

  /** True if its answer is used only if there is no better one. */
  abstract readonly isEmpty: boolean;

  /** Marks the answer as complete. */
  abstract end(): void;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  giveUp(failure: PlannerError): void {
    this.failure ??= failure;
    this.#controller.abort(UNWANTED);
  }

  /** Gives the try up because its answer is too long to be held. */
  flood(bytes: number): void {
    this.giveUp(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${bytes} bytes`));
  }
}

/**
 * The work for one request: asks one seat after the other until one answers. Until a client has been sent something, the next seat may start over;
 * after that, a failure is final. Never rejects.
 */
export abstract class AnswerFlight<A extends { readonly choices: number }, D extends Draft<Relay<RelayEnd>>, E> {
  readonly deadlineMs: number;
  protected readonly clock: Clock;
  protected readonly asked: A;
  protected draft: D | undefined;
  /** True once a client has been sent something. */
  protected isTold = false;
  protected end: E | undefined;
  /** Why the gateway ended it. */
  protected cut: PlannerError | undefined;
  readonly #parts: AnswerFlightParts;
  readonly #purpose: AnswerFlightPurpose<A>;
  readonly #tries: Tries;
  readonly #ended = Promise.withResolvers<E>();
  #slowTimer: Timer | undefined;
  #waiters = 0;
  /** Number of clients that wait for the whole answer. */
  protected wholeWaiters = 0;

  constructor(parts: AnswerFlightParts, purpose: AnswerFlightPurpose<A>) {
    this.#parts = parts;
    this.#purpose = purpose;
    this.clock = parts.clock;
    this.asked = purpose.asked;
    this.deadlineMs = purpose.deadlineMs;
    this.#tries = new Tries(parts.clock, purpose.startedAtMs);
  }

  get attempts(): readonly ChatAttempt[] {
    return this.#tries.attempts;
  }

  get ended(): Promise<E> {
    return this.#ended.promise;
  }

  /** The seat whose answer is sent. */
  get seat(): ChatSeat | undefined {
    return this.draft?.seat;
  }

  /** True if a client that joins now gets all of the answer. */
  get isJoinable(): boolean {
    return this.end === undefined && this.cut === undefined;
  }

  /** Adds a client that waits for the pieces, or for the whole answer. Returns a function to remove it; removing the last one cancels the flight. */
  board(isWhole: boolean): () => void {
    const wholeWaiters = isWhole ? 1 : 0;
    let isAboard = true;
    this.#waiters++;
    this.wholeWaiters += wholeWaiters;
    return () => {
      if (!isAboard) return;
      isAboard = false;
      this.#waiters--;
      this.wholeWaiters -= wholeWaiters;
      this.clientLeft();
      if (this.#waiters === 0) this.cancel(new PlannerError('ERR_CANCELLED', 'nobody waits for this answer any more'));
    };
  }

  async run(): Promise<E> {
    const failed = (thrown: unknown): TriedInVain => ({ kind: 'failed', error: asPlannerError(thrown) });
    // Anything thrown is a bug; waiting clients get it as an error.
    const end = this.land(await this.#fly().catch(failed));
    this.end = end;
    this.#slowTimer?.cancel();
    this.draft?.end();
    this.#ended.resolve(end);
    return end;
  }

  cancel(reason: PlannerError): void {
    if (this.end !== undefined) return;
    this.cut ??= reason;
    this.draft?.giveUp(this.cut);
  }

  protected clientLeft(): void {}

  /** Work to do before any seat is asked, if it takes time. */
  protected prepare(): Promise<void> | undefined {
    return undefined;
  }

  protected abstract begin(seat: ChatSeat): D;

  /** Makes the call of a draft. Returns undefined if the client cannot make it. */
  protected abstract call(draft: D, opening: CallOpening): D['relay'];

  /** Returns true if the same seat should be asked in another way. */
  protected abstract failed(draft: D, end: ChatCallEnd): boolean;

  /** Returns the result of the flight. */
  protected abstract land(result: D | TriedInVain): E;

  /** The client reads more slowly than the model writes: the model waits, but not indefinitely, since it keeps its slot. */
  protected pressed({ relay }: D, isPressed: boolean): void {
    this.#slowTimer?.cancel();
    this.#slowTimer = undefined;
    if (!isPressed) return relay?.resume();
    if (this.end !== undefined) return;
    relay?.pause();
    const { stallMs } = this.#parts;
    this.#slowTimer = this.clock.setTimer(stallMs, () =>
      this.cancel(new PlannerError('ERR_CLIENT_SLOW', `the client has read nothing for ${stallMs} ms`)),
    );
  }

  async #fly(): Promise<D | TriedInVain> {
    const { route, deadlineMs } = this.#purpose;
    const tries = this.#tries;
    let again: ChatSeat | undefined;
    let retries = this.#parts.callRetries;
    let empty: D | undefined;
    const preparing = this.prepare();
    if (preparing !== undefined) await preparing;
    while (this.cut === undefined) {
      const seat = again ?? route.next(deadlineMs, (passed) => tries.passedOver(passed));
      again = undefined;
      if (seat === undefined || deadlineMs - this.clock.now() < SLICE_MS_MIN) break;
      const draft = this.begin(seat);
      this.draft = draft;
      const end = await this.#try(draft);
      if (end.failure === undefined) {
        if (!draft.isEmpty) return draft;
        // Nothing of it has been sent, and nothing of it is worth sending.
        empty ??= draft;
        if (!route.hasNext) break;
        continue;
      }
      if (this.failed(draft, end)) {
        again = seat;
        continue;
      }
      tries.failed(end);
      if (this.isTold || isOfRequest(end, seat)) break;
      if (end.failure.retryable && retries-- > 0) again = seat;
    }
    if (this.cut !== undefined) return { kind: 'failed', error: this.cut };
    if (empty === undefined || this.isTold) return tries.inVain(this.isTold);
    this.draft = empty;
    return empty;
  }

  async #try(draft: D): Promise<ChatCallEnd> {
    const { deadlineMs, route } = this.#purpose;
    const { hasNext } = route;
    const nowMs = this.clock.now();
    const leftMs = deadlineMs - nowMs;
    const end = await this.#parts.caller.call(
      {
        choices: this.asked.choices,
        isStreamed: draft.isStreamed,
        seat: draft.seat,
        rankMs: deadlineMs,
        sliceEndMs: rungEnd(nowMs, deadlineMs, leftMs, { timeSlices: true, hasNext, nextMs: undefined }),
        endMs: nowMs + lessSettling(leftMs),
        hasNext,
        begin: (opening) => {
          draft.relay = this.call(draft, opening);
          return draft.relay?.ended;
        },
      },
      draft.signal,
    );
    this.#slowTimer?.cancel();
    // The call does not know why the gateway gave it up.
    const { failure = end.failure } = end.failure?.code === 'ERR_CANCELLED' ? draft : end;
    const told: ChatCallEnd = failure === undefined ? end : { ...end, failure };
    this.#tries.note(draft.seat, told, nowMs, draft.isEmpty);
    return told;
  }
}
