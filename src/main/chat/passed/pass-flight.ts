import { asPlannerError, type PlannerError } from '../../../shared/errors.ts';
import { type PassEnd, type PassRelay, READ_BYTES_MAX } from '../../../shared/model-client/pass-relay.ts';
import { keepableDecision } from '../answers/decision-key.ts';
import { type DecisionCall, otherCall } from '../decisions/decision-calls.ts';
import { decisionForm, readQuestionnaire } from '../decisions/decision-forms.ts';
import { startDecision, startTranslated } from '../decisions/decision-relay.ts';
import type { DecisionForm, Questionnaire } from '../decisions/questionnaire.ts';
import { AnswerFlight, type AnswerFlightParts, type AnswerFlightPurpose, Draft } from '../seats/answer-flight.ts';
import type { ChatSeat } from '../seats/chat-route.ts';
import type { CallOpening, ChatCallEnd } from '../seats/seat-caller.ts';
import type { TriedInVain } from '../seats/tries.ts';
import { ByteQueue } from './byte-queue.ts';
import { type AskedPass, bytesFor, PASSED_PATHS } from './pass-request.ts';
import type { ServerMemory } from './server-memory.ts';

export type PassFlightEnd =
  | { readonly kind: 'answered' }
  /** `isInAnswer`: the bytes of the answer tell the client of the failure. */
  | (TriedInVain & { readonly isInAnswer: boolean });

/** Ollama's refusal when one of its models cannot decide; its status blames the request. */
const NO_DECISIONS = /\bdoes not support decisions\b/i;

class PassDraft extends Draft<PassRelay> {
  readonly isEmpty = false;
  readonly queue = new ByteQueue();
  isEventStream = false;
  /** True once the answer is worth sending. */
  hasBegun = false;
  ended: PassEnd | undefined;
  /** Present if the server has no call for decisions and is asked in another way. */
  reading: Questionnaire | undefined;
  /** The call of the other protocol, which the server may have. */
  other: DecisionCall | undefined;

  end(): void {
    this.queue.end();
  }
}

/** The work for one request that is passed on. */
export class PassFlight extends AnswerFlight<AskedPass, PassDraft, PassFlightEnd> {
  readonly #memory: ServerMemory;
  /** The form of a request for decisions. */
  readonly #form: DecisionForm | undefined;
  readonly #isShared: boolean;
  readonly #begun = Promise.withResolvers<void>();
  #whole: Buffer | undefined;

  /** `isShared`: others may join, and the answer may be cached, so it is held until it is whole. */
  constructor(
    parts: AnswerFlightParts,
    purpose: AnswerFlightPurpose<AskedPass>,
    memory: ServerMemory,
    isShared: boolean,
  ) {
    super(parts, purpose);
    this.#memory = memory;
    this.#isShared = isShared;
    this.#form = decisionForm(purpose.asked.route);
  }

  get isEventStream(): boolean {
    return this.draft?.isEventStream ?? false;
  }

  /** The bytes of the answer, once it has begun or ended. From then on no other seat is asked. */
  tell(): ByteQueue {
    this.isTold = true;
    return (this.draft as PassDraft).queue;
  }

  /** All bytes of the answer, once it has ended. */
  get whole(): Buffer {
    this.#whole ??= this.tell().take();
    return this.#whole;
  }

  /** The text of a whole answer to a request for decisions, if it may be given again. */
  get keepable(): string | undefined {
    return this.isEventStream ? undefined : keepableDecision(this.asked, this.whole);
  }

  /** Resolves when the answer has begun; never if it ends without one, or is held until it is whole. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  protected land(result: PassDraft | TriedInVain): PassFlightEnd {
    if (result instanceof Draft) return { kind: 'answered' };
    return { ...result, isInAnswer: this.isTold && this.draft?.ended?.isInAnswer === true };
  }

  protected begin(seat: ChatSeat): PassDraft {
    const draft = new PassDraft(seat, this.asked.isStreamed);
    draft.queue.onPressure = (isPressed) => this.pressed(draft, isPressed);
    if (this.#form !== undefined && this.#memory.isAbsent(seat, this.asked.route)) this.#prepare(draft, this.#form);
    return draft;
  }

  protected call(draft: PassDraft, opening: CallOpening): PassRelay | undefined {
    const { route, isStreamed, isSingle, state } = this.asked;
    const { at, model } = draft.seat;
    if (draft.reading !== undefined) return this.#read(draft, draft.reading, opening);
    const { client, limits, onLife, signal } = opening;
    const listener = {
      onBytes: (bytes: Buffer, isEventStream: boolean) => this.#onBytes(draft, bytes, isEventStream),
      onLife: () => {
        onLife();
        this.#begin(draft);
      },
      onId: (id: string) => {
        if (route === 'responses') this.#memory.made(id, { endpoint: at.name, model });
      },
    };
    const [path, body] = [PASSED_PATHS[route], bytesFor(this.asked, model)];
    const call = { path, body, isStreamed, isSingle, refersToState: state !== undefined, ...limits, listener };
    const relay = client.pass?.(call, signal);
    void relay?.ended.then((end) => {
      draft.ended = end;
    });
    return relay;
  }

  protected failed({ seat, reading, other }: PassDraft, { failure }: ChatCallEnd): boolean {
    const isOfChats = reading !== undefined && other === undefined;
    if (isOfChats || !this.#isAbsence(failure)) return false;
    this.#memory.lacks(seat, other?.route ?? this.asked.route);
    return this.#form !== undefined;
  }

  #isAbsence(failure: PlannerError | undefined): boolean {
    if (failure?.code === 'ERR_METHOD_UNKNOWN') return true;
    return this.#form !== undefined && failure !== undefined && NO_DECISIONS.test(failure.message);
  }

  /** A request that cannot be asked in chats is not asked here; another seat may have the call. */
  #prepare(draft: PassDraft, form: DecisionForm): void {
    try {
      draft.reading = readQuestionnaire(form, this.asked.bytes);
      const other = otherCall(this.asked.route);
      if (!this.#memory.isAbsent(draft.seat, other.route)) draft.other = other;
    } catch (error) {
      draft.giveUp(asPlannerError(error));
    }
  }

  #read(draft: PassDraft, questionnaire: Questionnaire, opening: CallOpening): PassRelay | undefined {
    const onBytes = (bytes: Buffer): void => this.#onBytes(draft, bytes, false);
    const task = { form: this.#form as DecisionForm, questionnaire, seat: draft.seat, onBytes };
    const { other } = draft;
    return other === undefined ? startDecision(this.clock, opening, task) : startTranslated(opening, task, other);
  }

  /** A longer whole answer is sent before its end, and so is a stream that stays silent for longer. */
  #onBytes(draft: PassDraft, bytes: Buffer, isEventStream: boolean): void {
    draft.isEventStream = isEventStream;
    draft.queue.push(bytes);
    const { length } = draft.queue;
    if (length <= READ_BYTES_MAX) return;
    if (this.#isShared) draft.flood(length);
    else this.#begin(draft);
  }

  #begin(draft: PassDraft): void {
    if (draft.hasBegun || this.#isShared) return;
    draft.hasBegun = true;
    // In the next turn: if the same packet reports a failure, another seat can still start over.
    this.clock.nextTurn(() => {
      if (draft === this.draft && draft.ended?.failure === undefined) this.#begun.resolve();
    });
  }
}
