import type { PlannerError } from '../../../shared/errors.ts';
import type { ChatOrigin, ChatReply } from '../chat-reply.ts';
import { errorFrame } from '../chat-reply.ts';
import type { ByteQueue } from './byte-queue.ts';
import type { PassFlightEnd } from './pass-flight.ts';

export type PassReply =
  /** All bytes of the answer, as the server wrote them. */
  | { readonly kind: 'whole'; readonly origin: ChatOrigin; readonly type: string; readonly bytes: Buffer }
  /**
   * The bytes as they arrive. If the answer breaks off, a stream of events ends with one that reports the error, and anything else throws. To end the
   * work early, call `return()` or abort the signal.
   */
  | {
      readonly kind: 'stream';
      readonly origin: ChatOrigin;
      readonly type: string;
      readonly frames: AsyncIterableIterator<Buffer>;
    }
  | Extract<ChatReply, { kind: 'failed' }>;

export const EVENTS_TYPE = 'text/event-stream; charset=utf-8';
export const JSON_TYPE = 'application/json';

/** `onLeft` is called once nobody reads any more. */
export async function* passedFrames(
  queue: ByteQueue,
  ended: Promise<PassFlightEnd>,
  isEventStream: boolean,
  onLeft: () => void,
): AsyncGenerator<Buffer, void, void> {
  try {
    for (let bytes = await queue.next(); bytes !== undefined; bytes = await queue.next()) yield bytes;
    const end = await ended;
    if (end.kind === 'answered' || end.isInAnswer) return;
    if (!isEventStream) throw end.error;
    yield lastEvent(end.error);
  } finally {
    onLeft();
  }
}

/** Follows an answer that was cut off: an event with the name that clients of the Responses API know. */
function lastEvent(error: PlannerError): Buffer {
  return Buffer.from(`\n\nevent: error\n${errorFrame(error)}`);
}
