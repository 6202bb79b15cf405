import type { Clock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import { type ChunkEvent, contentOf, isUsageEvent } from '../../shared/model-client/chat-event.ts';
import type { Relay, RestOfBody } from '../../shared/model-client/chat-relay.ts';
import type { LongWork } from '../plans/long-work.ts';
import { type Completion, CompletionBuilder, eventsOf, isCut, withoutUsage } from './answers/completion.ts';
import { EventLog, type LogReader } from './answers/event-log.ts';
import { type AskedChat, bodyFor, restInParts } from './chat-request.ts';
import { AnswerFlight, type AnswerFlightParts, type AnswerFlightPurpose, Draft } from './seats/answer-flight.ts';
import type { ChatSeat } from './seats/chat-route.ts';
import type { CallOpening, ChatCallEnd } from './seats/seat-caller.ts';
import { refusesStream, type TriedInVain } from './seats/tries.ts';

interface ChatFlightParts extends AnswerFlightParts {
  /** Serializes large bodies. */
  readonly longWork: LongWork;
}

interface WholeAnswer {
  readonly seat: ChatSeat;
  /** Undefined if nobody needed it, or if its form cannot be converted to a whole answer. */
  readonly completion: Completion | undefined;
  /** The answer as JSON: the server's own, or else serialized here, in a turn of its own if it is long. */
  readonly json: () => string | Promise<string>;
  /** True if it is exactly what the server would have answered without a stream. */
  readonly isFaithful: boolean;
}

export type FlightEnd = { readonly kind: 'answered'; readonly answer: WholeAnswer } | TriedInVain;

/** Limit of what may precede the first word of an answer: servers send its role, their progress and white space. */
const PRELUDE_BYTES_MAX = 262_144;
/** Limit of what is assembled in memory. */
const WHOLE_BYTES_MAX = 16 * 1_048_576;

/** A longer answer is serialized in a turn of its own. */
const LONG_BYTES = 1_048_576;

class ChatDraft extends Draft {
  readonly asked: Readonly<Record<string, unknown>>;
  readonly log = new EventLog();
  readonly builder: CompletionBuilder | undefined;
  bytes = 0;
  /** True if there is something to send: a word, a thought, a tool call. */
  hasContent = false;
  /** True if a token limit or a filter ended it: then it is what the client asked for, even if it is empty. */
  isCutByServer = false;
  body: { readonly text: string; readonly completion: Completion } | undefined;

  constructor(seat: ChatSeat, asked: ChatDraft['asked'], isBuilt: boolean) {
    super(seat, asked.stream === true);
    this.asked = asked;
    this.builder = isBuilt ? new CompletionBuilder() : undefined;
  }

  get isEmpty(): boolean {
    return !this.hasContent && !this.isCutByServer;
  }

  end(): void {
    this.log.end();
  }

  answer(clock: Clock): WholeAnswer {
    const completion = this.body?.completion ?? this.builder?.build();
    let json: string | Promise<string> | undefined = this.body?.text;
    const write = (): string => JSON.stringify(completion);
    const writeLater = (): Promise<string> => new Promise((resolve) => clock.nextTurn(() => resolve(write())));
    return {
      seat: this.seat,
      completion,
      json: () => (json ??= this.bytes > LONG_BYTES ? writeLater() : write()),
      isFaithful: this.body !== undefined || this.builder?.hasUnknown === false,
    };
  }
}

/** The work for one chat, or for several that ask exactly the same. */
export class ChatFlight extends AnswerFlight<AskedChat, ChatDraft, FlightEnd> {
  readonly #longWork: LongWork;
  readonly #isShared: boolean;
  /** The rest of a large body, once it has been serialized. */
  #rest: RestOfBody | undefined;
  /** The seat that refused a stream for which the client did not ask. */
  #wholeAt: ChatSeat | undefined;
  #onChange: (() => void)[] = [];

  /** `isShared`: others may join, and the answer may be cached, so it is built in both forms. */
  constructor(parts: ChatFlightParts, purpose: AnswerFlightPurpose<AskedChat>, isShared: boolean) {
    super(parts, purpose);
    this.#longWork = parts.longWork;
    this.#isShared = isShared;
  }

  override get isJoinable(): boolean {
    return super.isJoinable && (this.draft?.log.isWhole ?? true);
  }

  /**
   * Resolves when its answer has begun, or when it has ended without one. From then on it may be sent, unless `hasLeft` reports that its clients have
   * left.
   */
  async begun(hasLeft: () => boolean): Promise<LogReader | undefined> {
    while (this.end === undefined && !this.draft?.hasContent) {
      await new Promise<void>((resolve) => this.#onChange.push(resolve));
    }
    if (hasLeft() || this.draft === undefined || (this.end?.kind === 'failed' && !this.isTold)) return undefined;
    this.isTold = true;
    return this.draft.log.read();
  }

  protected override clientLeft(): void {
    this.draft?.log.settle();
  }

  protected override prepare(): Promise<void> | undefined {
    return this.asked.isLarge ? this.#writeRest() : undefined;
  }

  protected land(result: ChatDraft | TriedInVain): FlightEnd {
    this.#changed();
    return result instanceof Draft ? { kind: 'answered', answer: result.answer(this.clock) } : result;
  }

  protected begin(seat: ChatSeat): ChatDraft {
    const body = bodyFor(this.asked, seat.model, this.#wholeAt === seat);
    const draft = new ChatDraft(seat, body, !this.asked.isStreamed || this.#isShared);
    draft.log.hold();
    draft.log.isDrained = () => this.wholeWaiters > 0;
    draft.log.onPressure = (isPressed) => this.pressed(draft, isPressed);
    return draft;
  }

  protected call(draft: ChatDraft, { client, limits, onLife, signal }: CallOpening): Relay | undefined {
    const listener = {
      onEvent: (data: string, event: ChunkEvent) => {
        onLife();
        this.#onEvent(draft, data, event);
      },
      onBody: (text: string, whole: ChunkEvent) => this.#onBody(draft, text, whole),
    };
    const body = { body: draft.asked, ...defined({ rest: this.#rest }) };
    return client.relay?.({ ...body, ...limits, choices: this.asked.choices, listener }, signal);
  }

  protected failed({ seat }: ChatDraft, end: ChatCallEnd): boolean {
    if (this.#isAskedForStream(seat) && refusesStream(end)) {
      this.#wholeAt = seat;
      return true;
    }
    if (!this.isTold) this.draft = undefined;
    return false;
  }

  async #writeRest(): Promise<void> {
    this.#rest = await this.#longWork.run(restInParts(this.asked));
  }

  /** True if the seat was asked for a stream that no client wants, and nothing has been sent yet. */
  #isAskedForStream(seat: ChatSeat): boolean {
    const { isStreamed, isAssemblable } = this.asked;
    return !isStreamed && isAssemblable && this.#wholeAt !== seat && !this.isTold;
  }

  #onEvent(draft: ChatDraft, data: string, event: ChunkEvent): void {
    draft.bytes += data.length;
    draft.builder?.add(event);
    const isUsage = isUsageEvent(event);
    if (this.#isLogged) draft.log.push(data, isUsage, isUsage ? withoutUsage(event) : undefined);
    if (!draft.hasContent) {
      draft.isCutByServer ||= isCut(event);
      if (contentOf(event) === 'content') {
        draft.hasContent = true;
        // In the next turn: if the same packet reports a failure, another seat can still start over.
        this.clock.nextTurn(() => this.#told(draft));
      } else if (draft.bytes > PRELUDE_BYTES_MAX) draft.flood(draft.bytes);
    }
    if (draft.bytes > WHOLE_BYTES_MAX && draft.builder !== undefined) draft.flood(draft.bytes);
  }

  #onBody(draft: ChatDraft, text: string, body: ChunkEvent): void {
    const completion = body as Completion;
    draft.body = { text, completion };
    draft.isCutByServer = isCut(body);
    if (this.#isLogged) for (const { data, isUsage } of eventsOf(completion)) draft.log.push(data, isUsage);
    draft.hasContent = contentOf(body) === 'content';
    if (draft.hasContent) this.#told(draft);
  }

  /** True if a client may read its events. */
  get #isLogged(): boolean {
    return this.asked.isStreamed || this.#isShared;
  }

  /** Clients that wait for the answer to begin start reading in this turn. */
  #told({ log }: ChatDraft): void {
    this.#changed();
    this.clock.nextTurn(() => log.release());
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}
