import type { Clock, Timer } from '../../../shared/clock.ts';
import { encodeError, PlannerError } from '../../../shared/errors.ts';
import {
  type PassCall,
  type PassEnd,
  type PassRelay,
  READ_BYTES_MAX,
} from '../../../shared/model-client/pass-relay.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import { lessSettling, rungEnd, SLICE_MS_MIN } from '../../models/time/time-budget.ts';
import type { ChatPlace, ChatRoute } from '../places/chat-route.ts';
import type { CallLimits, ChatCallEnd, PlaceCaller } from '../places/place-caller.ts';
import { type ChatAttempt, isOfRequest, type TriedInVain, Tries } from '../places/tries.ts';
import { ByteQueue } from './byte-queue.ts';
import { type AskedPass, bytesFor, PASSED_PATHS } from './pass-request.ts';
import type { ServerMemory } from './server-memory.ts';

export interface PassParts {
  readonly clock: Clock;
  readonly caller: PlaceCaller;
  readonly memory: ServerMemory;
  readonly stallMs: number;
  /** Further tries of a call that failed before anything was answered. */
  readonly callRetries: number;
}

export interface PassPurpose {
  readonly asked: AskedPass;
  readonly route: ChatRoute;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
}

export type PassFlightEnd =
  | { readonly kind: 'answered' }
  /** `isInAnswer`: the bytes of the answer tell the client of it. */
  | (TriedInVain & { readonly isInAnswer: boolean });

/** One try. It is dropped with all of its bytes where it fails before anybody was told. */
class Draft {
  readonly place: ChatPlace;
  readonly queue = new ByteQueue();
  isEventStream = false;
  /** Whether it is worth being told. */
  hasBegun = false;
  relay: PassRelay | undefined;
  end: PassEnd | undefined;
  readonly #controller = new AbortController();

  constructor(place: ChatPlace) {
    this.place = place;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  giveUp(): void {
    this.#controller.abort(UNWANTED);
  }
}

/**
 * The work for one request that is passed on: one place after the other, until one answers. As long as the client has been told
 * nothing, the next place may begin anew; after that, a failure is the end. It never rejects.
 */
export class PassFlight {
  readonly #parts: PassParts;
  readonly #purpose: PassPurpose;
  readonly #tries: Tries;
  readonly #begun = Promise.withResolvers<void>();
  #draft: Draft | undefined;
  /** Why it was ended from here. */
  #cut: PlannerError | undefined;
  #isTold = false;
  #slowTimer: Timer | undefined;
  /** Set by `run`, once. */
  #ended: Promise<PassFlightEnd> | undefined;

  constructor(parts: PassParts, purpose: PassPurpose) {
    this.#parts = parts;
    this.#purpose = purpose;
    this.#tries = new Tries(parts.clock, purpose.startedAtMs);
  }

  get attempts(): readonly ChatAttempt[] {
    return this.#tries.attempts;
  }

  /** The place whose answer is told. */
  get place(): ChatPlace | undefined {
    return this.#draft?.place;
  }

  get isEventStream(): boolean {
    return this.#draft?.isEventStream ?? false;
  }

  /** The bytes of the answer, once it has begun or ended. From then on no other place is asked. */
  tell(): ByteQueue {
    this.#isTold = true;
    return (this.#draft as Draft).queue;
  }

  /** Resolves when the answer has begun; never, where it ends without. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  run(): Promise<PassFlightEnd> {
    this.#ended ??= this.#run();
    return this.#ended;
  }

  cancel(reason: PlannerError): void {
    this.#cut ??= reason;
    this.#draft?.giveUp();
  }

  async #run(): Promise<PassFlightEnd> {
    const end = await this.#fly().catch((error: unknown): PassFlightEnd => {
      // A bug: whoever waits is told so.
      const { code, message } = encodeError(error);
      return { kind: 'failed', error: new PlannerError(code, message, { cause: error }), isInAnswer: false };
    });
    this.#slowTimer?.cancel();
    this.#draft?.queue.end();
    return end;
  }

  async #fly(): Promise<PassFlightEnd> {
    const { asked, route, deadlineMs } = this.#purpose;
    const tries = this.#tries;
    let again: ChatPlace | undefined;
    let retries = this.#parts.callRetries;
    while (this.#cut === undefined) {
      const place = again ?? route.next(deadlineMs, (passed) => tries.passedOver(passed));
      again = undefined;
      if (place === undefined || deadlineMs - this.#parts.clock.now() < SLICE_MS_MIN) break;
      const draft = new Draft(place);
      this.#draft = draft;
      const end = await this.#try(draft);
      if (end.failure === undefined) return { kind: 'answered' };
      tries.failed(end);
      if (end.failure.code === 'ERR_METHOD_UNKNOWN') this.#parts.memory.lacks(place.at.name, asked.route);
      if (this.#isTold || isOfRequest(end, place)) break;
      if (end.failure.retryable && retries-- > 0) again = place;
    }
    const isInAnswer = this.#isTold && this.#draft?.end?.isInAnswer === true;
    if (this.#cut !== undefined) return { kind: 'failed', error: this.#cut, isInAnswer };
    return { ...tries.inVain(this.#isTold), isInAnswer };
  }

  async #try(draft: Draft): Promise<ChatCallEnd> {
    const { asked, deadlineMs, route } = this.#purpose;
    const { clock, caller } = this.#parts;
    const { place } = draft;
    const nowMs = clock.now();
    const { hasNext } = route;
    const leftMs = deadlineMs - nowMs;
    draft.queue.onPressure = (isPressed) => this.#pressed(draft, isPressed);
    const end = await caller.call(
      {
        choices: asked.choices,
        isStreamed: asked.isStreamed,
        place,
        rankMs: deadlineMs,
        sliceEndMs: rungEnd(nowMs, deadlineMs, leftMs, { timeSlices: true, hasNext, nextMs: undefined }),
        endMs: nowMs + lessSettling(leftMs),
        hasNext,
        begin: (client, limits, onLife, signal) => {
          draft.relay = client.pass?.(this.#call(draft, limits, onLife), signal);
          return draft.relay?.ended.then((ended) => (draft.end = ended));
        },
      },
      draft.signal,
    );
    this.#slowTimer?.cancel();
    // What was given up here was so for a reason that the call does not know.
    const failure = end.failure?.code === 'ERR_CANCELLED' ? (this.#cut ?? end.failure) : end.failure;
    const told: ChatCallEnd = failure === undefined ? end : { ...end, failure };
    this.#tries.note(place, told, nowMs, false);
    return told;
  }

  #call(draft: Draft, limits: CallLimits, onLife: () => void): PassCall {
    const { asked } = this.#purpose;
    const { place } = draft;
    return {
      path: PASSED_PATHS[asked.route],
      body: bytesFor(asked, place.model),
      isStreamed: asked.isStreamed,
      isSingle: asked.isSingle,
      refersToState: asked.state !== undefined,
      ...limits,
      listener: {
        onBytes: (bytes, isEventStream) => this.#onBytes(draft, bytes, isEventStream),
        onLife: () => {
          onLife();
          this.#begin(draft);
        },
        onId: (id) => {
          if (asked.route !== 'responses') return;
          this.#parts.memory.made(id, { endpoint: place.at.name, model: place.model });
        },
      },
    };
  }

  /** A whole answer that is longer begins to be told before its end, and so does a stream that says nothing for longer. */
  #onBytes(draft: Draft, bytes: Buffer, isEventStream: boolean): void {
    draft.isEventStream = isEventStream;
    draft.queue.push(bytes);
    if (draft.queue.length > READ_BYTES_MAX) this.#begin(draft);
  }

  #begin(draft: Draft): void {
    if (draft.hasBegun) return;
    draft.hasBegun = true;
    // In the next turn: what the same packet tells of a failure lets another place begin anew.
    this.#parts.clock.nextTurn(() => {
      if (draft === this.#draft && draft.end?.failure === undefined) this.#begun.resolve();
    });
  }

  /** The client reads more slowly than the model writes: the model waits, but not for ever, since it keeps its slot. */
  #pressed(draft: Draft, isPressed: boolean): void {
    this.#slowTimer?.cancel();
    this.#slowTimer = undefined;
    if (!isPressed) return draft.relay?.resume();
    draft.relay?.pause();
    const { clock, stallMs } = this.#parts;
    this.#slowTimer = clock.setTimer(stallMs, () =>
      this.cancel(new PlannerError('ERR_CLIENT_SLOW', `the client has read nothing for ${stallMs} ms`)),
    );
  }
}
