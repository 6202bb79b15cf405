import type { Clock, Timer } from '../../../shared/clock.ts';
import { PlannerError } from '../../../shared/errors.ts';
import { cancelled } from '../chat-call-options.ts';
import type { ChatCounters } from '../chat-counters.ts';
import type { ChatSeat } from './chat-route.ts';
import { outOfTime } from './seat-finder.ts';
import type { TriedInVain } from './tries.ts';

/** When a client asked, and until when it waits. */
export interface Waiting {
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Boarded<E> {
  readonly deadlineMs: number;
  readonly ended: Promise<E>;
  readonly seat: ChatSeat | undefined;
  board(isWhole: boolean): () => void;
}

/** One client of a flight, which others may share. It leaves when its signal is aborted, at its own deadline, or when it reads no more. */
export class FlightClient<E extends { readonly kind: 'answered' } | TriedInVain> {
  /** The end of the flight, or why the client left before it. Counted when it resolves. */
  readonly over: Promise<E | PlannerError>;
  hasLeft = false;
  onLeft: (reason: PlannerError) => void = () => {};
  readonly #left = Promise.withResolvers<PlannerError>();
  readonly #leave: () => void;
  readonly #timer: Timer | undefined;

  /** `isWhole`: it waits for the whole answer, not for its pieces. */
  constructor(
    flight: Boarded<E>,
    { startedAtMs, deadlineMs, signal }: Waiting,
    isWhole: boolean,
    { clock, counters }: { readonly clock: Clock; readonly counters: ChatCounters },
  ) {
    this.#leave = flight.board(isWhole);
    counters.inFlight++;
    const onAbort = (): void => this.leave();
    signal?.addEventListener('abort', onAbort, { once: true });
    // A client with less time than the flight leaves it at its own deadline; the others end with it.
    const isShorter = deadlineMs < flight.deadlineMs;
    const leaveLate = (): void => this.leave(outOfTime(deadlineMs - startedAtMs));
    this.#timer = isShorter ? clock.setTimer(deadlineMs - clock.now(), leaveLate) : undefined;
    this.over = Promise.race([flight.ended, this.left]).then((end) => {
      this.#timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      this.#leave();
      const error = end instanceof PlannerError ? end : end.kind === 'failed' ? end.error : undefined;
      counters.ended(error, clock.now() - startedAtMs, flight.seat?.isFallback);
      return end;
    });
  }

  /** Resolves with the reason when the client leaves; never if it stays. */
  get left(): Promise<PlannerError> {
    return this.#left.promise;
  }

  leave(reason: PlannerError = cancelled()): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.onLeft(reason);
    this.#left.resolve(reason);
    this.#leave();
  }
}
