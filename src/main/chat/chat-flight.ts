import type { Clock, Timer } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import { encodeError, PlannerError } from '../../shared/errors.ts';
import { type ChunkEvent, contentOf, isUsageEvent } from '../../shared/model-client/chat-event.ts';
import type { Relay, RestOfBody } from '../../shared/model-client/chat-relay.ts';
import { UNWANTED } from '../../shared/unwanted.ts';
import { lessSettling, rungEnd, SLICE_MS_MIN } from '../models/time/time-budget.ts';
import type { LongWork } from '../plans/long-work.ts';
import { type Completion, CompletionBuilder, eventsOf, isCut, withoutUsage } from './answers/completion.ts';
import { EventLog, type LogReader } from './answers/event-log.ts';
import { type AskedChat, bodyFor, restInParts } from './chat-request.ts';
import type { ChatPlace, ChatRoute } from './places/chat-route.ts';
import type { ChatCallEnd, PlaceCaller } from './places/place-caller.ts';
import { type ChatAttempt, isOfRequest, refusesStream, type TriedInVain, Tries } from './places/tries.ts';

export interface ChatFlightParts {
  readonly clock: Clock;
  readonly caller: PlaceCaller;
  /** Large bodies are written there. */
  readonly longWork: LongWork;
  readonly stallMs: number;
  /** Further tries of a call that failed before anything was answered. */
  readonly callRetries: number;
}

export interface ChatFlightPurpose {
  readonly asked: AskedChat;
  readonly route: ChatRoute;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** Whether others may join it, and its answer may be kept: then it is told in both forms. */
  readonly isShared: boolean;
}

/** A whole answer. */
export interface WholeAnswer {
  readonly place: ChatPlace;
  /** Undefined where nobody needed it, or where it came in a form that cannot be told whole. */
  readonly completion: Completion | undefined;
  /** Of the same as JSON: as the server told it, or else written once, which takes a turn of its own where it is long. */
  readonly json: () => string | Promise<string>;
  /** Whether it is exactly what the server would have told whole. */
  readonly isFaithful: boolean;
}

export type FlightEnd = { readonly kind: 'answered'; readonly answer: WholeAnswer } | TriedInVain;

/** Before the first word of an answer, servers tell its role, their progress and white space; more than this is a flood. */
const PRELUDE_BYTES_MAX = 262_144;
/** What is put together in memory. */
const WHOLE_BYTES_MAX = 16 * 1_048_576;

/** An answer of more bytes is written in a turn of its own. */
const LONG_BYTES = 1_048_576;

/** One try: what came of it so far. It is dropped with all of that where it fails before anybody was told. */
class Draft {
  readonly place: ChatPlace;
  readonly log = new EventLog();
  readonly builder: CompletionBuilder | undefined;
  bytes = 0;
  /** Whether there is something to tell: a word, a thought, a call of a tool. */
  hasContent = false;
  /** The tokens it was given ran out, or a filter ended it: it is as the client asked for, also when it is empty. */
  isCutByServer = false;
  body: { readonly text: string; readonly completion: Completion } | undefined;
  relay: Relay | undefined;
  /** Why it was given up from here. */
  failure: PlannerError | undefined;
  readonly #controller = new AbortController();

  constructor(place: ChatPlace, isBuilt: boolean) {
    this.place = place;
    this.builder = isBuilt ? new CompletionBuilder() : undefined;
  }

  get isEmpty(): boolean {
    return !this.hasContent && !this.isCutByServer;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  giveUp(failure: PlannerError): void {
    this.failure ??= failure;
    this.#controller.abort(UNWANTED);
  }

  answer(clock: Clock): WholeAnswer {
    const completion = this.body?.completion ?? this.builder?.build();
    let json: string | Promise<string> | undefined = this.body?.text;
    const write = (): string => JSON.stringify(completion);
    const writeLater = (): Promise<string> => new Promise((resolve) => clock.nextTurn(() => resolve(write())));
    return {
      place: this.place,
      completion,
      json: () => (json ??= this.bytes > LONG_BYTES ? writeLater() : write()),
      isFaithful: this.body !== undefined || this.builder?.hasUnknown === false,
    };
  }
}

/**
 * The work for one chat, or for several that ask exactly the same: one place after the other, until one answers. As long as no
 * client has been told a word, the next place may begin anew; after that, a failure is the end. It never rejects.
 */
export class ChatFlight {
  readonly deadlineMs: number;
  readonly #parts: ChatFlightParts;
  readonly #purpose: ChatFlightPurpose;
  readonly #tries: Tries;
  readonly #ended = Promise.withResolvers<FlightEnd>();
  /** Of a large body, once it has been written. */
  #rest: RestOfBody | undefined;
  #draft: Draft | undefined;
  /** An answer without a word: given only if nobody has a better one. */
  #empty: Draft | undefined;
  #end: FlightEnd | undefined;
  /** Where a stream was refused that the client did not ask for. */
  #wholeAt: ChatPlace | undefined;
  /** Why it was ended from here. */
  #cut: PlannerError | undefined;
  /** Whether a client has been told something. */
  #isTold = false;
  #waiters = 0;
  #wholeWaiters = 0;
  #onChange: (() => void)[] = [];
  #slowTimer: Timer | undefined;

  constructor(parts: ChatFlightParts, purpose: ChatFlightPurpose) {
    this.#parts = parts;
    this.#purpose = purpose;
    this.deadlineMs = purpose.deadlineMs;
    this.#tries = new Tries(parts.clock, purpose.startedAtMs);
  }

  get attempts(): readonly ChatAttempt[] {
    return this.#tries.attempts;
  }

  get ended(): Promise<FlightEnd> {
    return this.#ended.promise;
  }

  /** Whether a client that comes now gets all of the answer. */
  get isJoinable(): boolean {
    return this.#end === undefined && this.#cut === undefined && (this.#draft?.log.isWhole ?? true);
  }

  /** The place whose answer is told. */
  get place(): ChatPlace | undefined {
    return this.#draft?.place;
  }

  async run(): Promise<FlightEnd> {
    const end = await this.#fly().catch((error: unknown): FlightEnd => {
      // A bug: whoever waits is told so.
      const { code, message } = encodeError(error);
      return { kind: 'failed', error: new PlannerError(code, message, { cause: error }) };
    });
    this.#end = end;
    this.#slowTimer?.cancel();
    this.#draft?.log.end();
    this.#changed();
    this.#ended.resolve(end);
    return end;
  }

  /** Somebody waits for it: for its events, or for the whole answer. The result gives that up; the last one cancels it. */
  board(isWhole: boolean): () => void {
    let isAboard = true;
    this.#waiters++;
    if (isWhole) this.#wholeWaiters++;
    return () => {
      if (!isAboard) return;
      isAboard = false;
      this.#waiters--;
      if (isWhole) this.#wholeWaiters--;
      this.#draft?.log.settle();
      if (this.#waiters === 0) this.cancel(new PlannerError('ERR_CANCELLED', 'nobody waits for this chat any more'));
    };
  }

  cancel(reason: PlannerError): void {
    if (this.#end !== undefined) return;
    this.#cut ??= reason;
    this.#draft?.giveUp(this.#cut);
  }

  /**
   * Resolves when its answer has begun, or when it has ended without one. From then on it may be told: unless `hasLeft` says
   * that whoever waited has gone.
   */
  async begun(hasLeft: () => boolean): Promise<LogReader | undefined> {
    while (this.#end === undefined && !this.#draft?.hasContent) {
      await new Promise<void>((resolve) => this.#onChange.push(resolve));
    }
    if (hasLeft() || this.#draft === undefined || (this.#end?.kind === 'failed' && !this.#isTold)) return undefined;
    this.#isTold = true;
    return this.#draft.log.read();
  }

  async #fly(): Promise<FlightEnd> {
    const { asked, route, deadlineMs } = this.#purpose;
    const { clock, longWork } = this.#parts;
    if (asked.isLarge) this.#rest = await longWork.run(restInParts(asked));
    const tries = this.#tries;
    const rankMs = deadlineMs;
    let again: ChatPlace | undefined;
    let retries = this.#parts.callRetries;
    while (this.#cut === undefined) {
      const place = again ?? route.next(rankMs, (passed) => tries.passedOver(passed));
      again = undefined;
      const leftMs = deadlineMs - clock.now();
      if (place === undefined || leftMs < SLICE_MS_MIN) break;
      const draft = this.#begin(place);
      const end = await this.#try(draft);
      if (end.failure === undefined) {
        if (!draft.isEmpty) return this.#answered(draft);
        // Nobody has been told of it: nothing of it is worth telling.
        this.#empty ??= draft;
        if (!route.hasNext) break;
        continue;
      }
      if (this.#isAskedForStream(place) && refusesStream(end)) {
        this.#wholeAt = again = place;
        continue;
      }
      tries.failed(end);
      if (this.#isTold || isOfRequest(end, place)) break;
      this.#draft = undefined;
      if (end.failure.retryable && retries-- > 0) again = place;
    }
    if (this.#cut !== undefined) return { kind: 'failed', error: this.#cut };
    if (this.#empty !== undefined && !this.#isTold) return this.#answered(this.#empty);
    return tries.inVain(this.#isTold);
  }

  /** Whether it was asked for a stream that no client wants, and nobody has been told a word. */
  #isAskedForStream(place: ChatPlace): boolean {
    const { asked } = this.#purpose;
    return !asked.isStreamed && asked.isAssemblable && this.#wholeAt !== place && !this.#isTold;
  }

  #answered(draft: Draft): FlightEnd {
    this.#draft = draft;
    return { kind: 'answered', answer: draft.answer(this.#parts.clock) };
  }

  #begin(place: ChatPlace): Draft {
    const { asked, isShared } = this.#purpose;
    const draft = new Draft(place, !asked.isStreamed || isShared);
    draft.log.hold();
    draft.log.isDrained = () => this.#wholeWaiters > 0;
    draft.log.onPressure = (isPressed) => this.#pressed(draft, isPressed);
    this.#draft = draft;
    return draft;
  }

  async #try(draft: Draft): Promise<ChatCallEnd> {
    const { asked, deadlineMs, route } = this.#purpose;
    const { clock, caller } = this.#parts;
    const { place } = draft;
    const nowMs = clock.now();
    const { hasNext } = route;
    const leftMs = deadlineMs - nowMs;
    const rule = { timeSlices: true, hasNext, nextMs: undefined };
    const body = bodyFor(asked, place.model, this.#wholeAt === place);
    const end = await caller.call(
      {
        choices: asked.choices,
        isStreamed: body.stream === true,
        place,
        rankMs: deadlineMs,
        sliceEndMs: rungEnd(nowMs, deadlineMs, leftMs, rule),
        endMs: nowMs + lessSettling(leftMs),
        hasNext,
        begin: (client, limits, onLife, signal) => {
          if (client.relay === undefined) return undefined;
          draft.relay = client.relay(
            {
              body,
              ...defined({ rest: this.#rest }),
              ...limits,
              choices: asked.choices,
              listener: {
                onEvent: (data, event) => {
                  onLife();
                  this.#onEvent(draft, data, event);
                },
                onBody: (text, whole) => this.#onBody(draft, text, whole),
              },
            },
            signal,
          );
          return draft.relay.ended;
        },
      },
      draft.signal,
    );
    this.#slowTimer?.cancel();
    // What was given up here was so for a reason that the call does not know.
    const { failure = end.failure } = end.failure?.code === 'ERR_CANCELLED' ? draft : end;
    const told: ChatCallEnd = failure === undefined ? end : { ...end, failure };
    this.#tries.note(place, told, nowMs, draft.isEmpty);
    return told;
  }

  #onEvent(draft: Draft, data: string, event: ChunkEvent): void {
    const { asked, isShared } = this.#purpose;
    draft.bytes += data.length;
    draft.builder?.add(event);
    const isUsage = isUsageEvent(event);
    if (asked.isStreamed || isShared) draft.log.push(data, isUsage, isUsage ? withoutUsage(event) : undefined);
    if (!draft.hasContent) {
      draft.isCutByServer ||= isCut(event);
      if (contentOf(event) === 'content') {
        draft.hasContent = true;
        // In the next turn: what the same packet tells of a failure lets another place begin anew.
        this.#parts.clock.nextTurn(() => this.#told(draft));
      } else if (draft.bytes > PRELUDE_BYTES_MAX) this.#flood(draft);
    }
    if (draft.bytes > WHOLE_BYTES_MAX && draft.builder !== undefined) this.#flood(draft);
  }

  #onBody(draft: Draft, text: string, body: ChunkEvent): void {
    const completion = body as Completion;
    draft.body = { text, completion };
    draft.isCutByServer = isCut(body);
    const { asked, isShared } = this.#purpose;
    if (asked.isStreamed || isShared)
      for (const { data, isUsage } of eventsOf(completion)) draft.log.push(data, isUsage);
    draft.hasContent = contentOf(body) === 'content';
    if (draft.hasContent) this.#told(draft);
  }

  /** Whoever waits for the answer to begin reads it in this turn. */
  #told({ log }: Draft): void {
    this.#changed();
    this.#parts.clock.nextTurn(() => log.release());
  }

  #flood(draft: Draft): void {
    draft.giveUp(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${draft.bytes} bytes`));
  }

  /** The client reads more slowly than the model writes: the model waits, but not for ever, since it keeps its slot. */
  #pressed(draft: Draft, isPressed: boolean): void {
    this.#slowTimer?.cancel();
    this.#slowTimer = undefined;
    if (!isPressed) {
      draft.relay?.resume();
      return;
    }
    if (this.#end !== undefined) return;
    draft.relay?.pause();
    const { clock, stallMs } = this.#parts;
    this.#slowTimer = clock.setTimer(stallMs, () =>
      this.cancel(new PlannerError('ERR_CLIENT_SLOW', `the client has read nothing for ${stallMs} ms`)),
    );
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}
