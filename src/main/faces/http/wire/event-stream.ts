import type { FastifyReply } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';

/** What may wait for a client that reads slowly; one that has more to read is cut off. */
const BUFFER_BYTES_MAX = 1_048_576;

/**
 * Server-sent events as the answer to a request. From `open` on it is the stream's, and fastify has no part in it. Whoever
 * sends need not wait: what the client has not taken is kept up to a bound, and a client beyond it is cut off.
 */
export class EventStream {
  readonly #reply: FastifyReply;
  #isOpen = false;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  /** Sends the headers, where they are not sent yet. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const { raw } = this.#reply;
    this.#reply.hijack();
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    raw.flushHeaders();
  }

  /** `data` is sent as JSON, on one line. */
  send(event: string, data: object): void {
    this.open();
    const { raw } = this.#reply;
    if (raw.destroyed || raw.writableEnded) return;
    if (raw.writableLength > BUFFER_BYTES_MAX) {
      raw.destroy(new PlannerError('ERR_CLIENT_SLOW', 'the client does not read its events'));
      return;
    }
    raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** The last event. */
  end(event: string, data: object): void {
    this.send(event, data);
    this.#reply.raw.end();
  }
}
