import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Connection {
  /** Created on first use. */
  ended: AbortController | undefined;
  /** The last answer that was started. */
  answer: ServerResponse | undefined;
}

/**
 * The connections of a server. A client can cancel an HTTP/1 request only by closing its connection, so one signal per connection serves all its
 * requests, and a plan needs no listener of its own.
 */
export class Connections {
  readonly #open = new Map<Socket, Connection>();

  /** A client that reads nothing of its pending data for `slowClientMs` is disconnected. */
  constructor(server: Server, slowClientMs: number) {
    server.on('connection', (socket: Socket) => {
      const connection: Connection = { ended: undefined, answer: undefined };
      this.#open.set(socket, connection);
      socket.once('close', () => {
        this.#open.delete(socket);
        connection.ended?.abort();
      });
    });
    // Nothing was sent or received for this long, or for the keep-alive time since the last answer. If data waits to be sent, the client is at fault;
    // if an answer is still being made, it is not. A listener for these timeouts must close connections itself: node then does not.
    server.timeout = slowClientMs;
    server.on('timeout', (socket: Socket) => {
      if (socket.writableLength > 0 || this.#isIdle(socket)) socket.destroy();
    });
  }

  /** Records the answer that a connection waits for. */
  began(request: IncomingMessage, answer: ServerResponse): void {
    const connection = this.#open.get(request.socket);
    if (connection !== undefined) connection.answer = answer;
  }

  /** The answer to the last request of its connection. */
  answerTo(request: IncomingMessage): ServerResponse | undefined {
    return this.#open.get(request.socket)?.answer;
  }

  /** Aborts when the request's connection ends. */
  signalOf(request: IncomingMessage): AbortSignal | undefined {
    const connection = this.#open.get(request.socket);
    if (connection === undefined) return undefined;
    connection.ended ??= new AbortController();
    return connection.ended.signal;
  }

  /** True if its last request has been answered. The first request has a time limit of its own. */
  #isIdle(socket: Socket): boolean {
    return this.#open.get(socket)?.answer?.writableFinished === true;
  }

  /** Closes every connection once it has been answered: the server closes only those that are idle now. */
  endAfterAnswers(): void {
    for (const [socket, { answer }] of this.#open) {
      if (answer === undefined || answer.writableFinished) continue;
      if (answer.headersSent) answer.once('finish', () => socket.destroySoon());
      else answer.shouldKeepAlive = false;
    }
  }
}
