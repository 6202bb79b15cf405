import { PlannerError } from '../../shared/errors.ts';
import type { Refusal } from '../../shared/model-client/answer-reader.ts';
import type { CachedChat } from './answers/chat-cache.ts';
import type { LogEvent, LogReader } from './answers/event-log.ts';
import { openAIError } from './chat-error.ts';
import type { FlightEnd } from './chat-flight.ts';
import type { ChatSeat } from './seats/chat-route.ts';
import type { ChatAttempt } from './seats/tries.ts';

/** The origin of an answer. `fallback`: a model other than the one asked for. */
export type ChatSource = 'model' | 'cache' | 'fallback';

/** The model and endpoint that answer. */
export interface ChatOrigin {
  readonly source: ChatSource;
  readonly endpoint: string;
  /** The model's name at the endpoint. */
  readonly model: string;
  /** The tries so far; for a stream, without the try that answers. */
  readonly attempts: readonly ChatAttempt[];
  /** True if it shares the work of another chat. */
  readonly isJoined: boolean;
  /** Age of an answer from the cache, in milliseconds. */
  readonly ageMs?: number;
}

export type ChatReply =
  /** The text of a `chat.completion`. */
  | { readonly kind: 'whole'; readonly origin: ChatOrigin; readonly completion: string }
  /**
   * Server-sent events, framed, as they arrive: `data: …` and an empty line. They end with `[DONE]`, or with one event `{error}` if the answer breaks
   * off. To end the chat before that, call `return()` or abort its signal.
   */
  | { readonly kind: 'stream'; readonly origin: ChatOrigin; readonly frames: AsyncIterableIterator<string> }
  | {
      readonly kind: 'failed';
      readonly error: PlannerError;
      /** The server's own words, if a server refused it. */
      readonly refusal?: Refusal;
      readonly attempts: readonly ChatAttempt[];
    };

export function originOf(
  { seat, attempts }: { readonly seat: ChatSeat | undefined; readonly attempts: readonly ChatAttempt[] },
  isJoined: boolean,
): ChatOrigin {
  const { at, model, isFallback } = seat as ChatSeat;
  const source = isFallback ? 'fallback' : 'model';
  return { source, endpoint: at.name, model, attempts: [...attempts], isJoined };
}

export function originInCache({ endpoint, model, storedAtMs }: CachedChat, nowMs: number): ChatOrigin {
  return { source: 'cache', endpoint, model, attempts: [], isJoined: false, ageMs: nowMs - storedAtMs };
}

const DONE = 'data: [DONE]\n\n';

function frame(data: string): string {
  // An event of several lines is sent in as many fields.
  return data.includes('\n') ? `data: ${data.split('\n').join('\ndata: ')}\n\n` : `data: ${data}\n\n`;
}

export function errorFrame(error: PlannerError, refusal?: Refusal): string {
  return frame(JSON.stringify(openAIError(error, refusal)));
}

/** The events of a whole answer. */
export async function* wholeFrames(
  events: readonly LogEvent[],
  includesUsage: boolean,
): AsyncGenerator<string, void, void> {
  yield framesOf(events, includesUsage) + DONE;
}

function framesOf(events: readonly LogEvent[], includesUsage: boolean): string {
  const told = includesUsage ? events.map(({ data }) => data) : toldWithoutUsage(events);
  return told.map(frame).join('');
}

/**
 * Events for a client that did not ask for token counts. Other members of the usage event join the event before it, where the server would have put
 * them; if that one has already been sent, they become an event of their own.
 */
function toldWithoutUsage(events: readonly LogEvent[]): string[] {
  const told: string[] = [];
  for (const { data, isUsage, withoutUsage } of events) {
    if (!isUsage) told.push(data);
    else if (withoutUsage !== undefined) told.push(...joined(told.pop(), withoutUsage));
  }
  return told;
}

function joined(before: string | undefined, withoutUsage: string): string[] {
  if (before === undefined) return [withoutUsage];
  const event = JSON.parse(before) as { readonly choices?: unknown };
  if (!Array.isArray(event.choices) || event.choices.length === 0) return [before, withoutUsage];
  return [JSON.stringify({ ...(JSON.parse(withoutUsage) as object), ...event })];
}

/** The events of a flight for one client, as they arrive and no faster than the client asks for them. */
export class FlightFrames implements AsyncIterableIterator<string> {
  readonly #reader: LogReader;
  readonly #ended: Promise<FlightEnd>;
  readonly #includesUsage: boolean;
  readonly #leave: () => void;
  #isOver = false;
  /** Why it ends before the flight does. */
  #cut: PlannerError | undefined;

  /** `leave` is called once: when everything has been read, or when nothing more will be. */
  constructor(reader: LogReader, ended: Promise<FlightEnd>, includesUsage: boolean, leave: () => void) {
    this.#reader = reader;
    this.#ended = ended;
    this.#includesUsage = includesUsage;
    this.#leave = leave;
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    while (!this.#isOver) {
      const events = await this.#reader.next();
      if (this.#isOver) break;
      if (this.#cut !== undefined) return this.#last(errorFrame(this.#cut));
      if (events === undefined) return this.#last(errorFrame(TOO_SLOW));
      if (events.length === 0) return this.#last(ending(await this.#ended));
      const value = framesOf(events, this.#includesUsage);
      if (value !== '') return { done: false, value };
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<string, undefined>> {
    this.stop();
    return { done: true, value: undefined };
  }

  /** Drops what has not been read yet; the last event reports why. */
  breakOff(reason: PlannerError): void {
    this.#cut ??= reason;
    this.#reader.leave();
  }

  /** Ends the frames: nobody reads any more. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reader.leave();
    this.#leave();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #last(value: string): IteratorResult<string, undefined> {
    this.stop();
    return { done: false, value };
  }
}

const TOO_SLOW = new PlannerError(
  'ERR_CLIENT_SLOW',
  'the client reads too slowly, and a part of the answer is not kept any more',
);

function ending(end: FlightEnd): string {
  return end.kind === 'answered' ? DONE : errorFrame(end.error, end.refusal);
}
