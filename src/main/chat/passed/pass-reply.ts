import type { PlannerError } from '../../../shared/errors.ts';
import type { ChatOrigin, ChatReply } from '../chat-reply.ts';
import { errorFrame } from '../chat-reply.ts';
import type { ByteQueue } from './byte-queue.ts';
import type { PassFlightEnd } from './pass-flight.ts';

export type PassReply =
  /** All bytes of the answer, as the server wrote them. */
  | { readonly kind: 'whole'; readonly origin: ChatOrigin; readonly type: string; readonly bytes: Buffer }
  /**
   * The bytes as they come. Where the answer breaks off, events end with one that tells the error, and all else throws.
   * Whoever stops reading before ends the work, by `return()` or by its signal.
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

/** Behind whatever was cut off: an event of its own, of the name by which clients of the Responses API know it. */
function lastEvent(error: PlannerError): Buffer {
  return Buffer.from(`\n\nevent: error\n${errorFrame(error)}`);
}
