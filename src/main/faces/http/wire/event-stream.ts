import type { FastifyReply } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';

/** Maximum size of unread data; a client with more than this is disconnected. */
const BUFFER_BYTES_MAX = 1_048_576;

/**
 * Server-sent events as the answer to a request. From `open` on, fastify no longer handles the response. Senders need not wait: unread data is kept
 * up to a limit, and a client beyond it is disconnected.
 */
export class EventStream {
  readonly #reply: FastifyReply;
  #isOpen = false;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  /** Sends the headers, unless they have been sent. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const { raw } = this.#reply;
    this.#reply.hijack();
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    raw.flushHeaders();
  }

  /** Sends `data` as JSON, on one line. */
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

  /** Sends the last event. */
  end(event: string, data: object): void {
    this.send(event, data);
    this.#reply.raw.end();
  }
}
