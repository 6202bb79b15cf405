import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Connection {
  /** Made when it is first asked for. */
  ended: AbortController | undefined;
  /** The last answer that was begun. */
  answer: ServerResponse | undefined;
}

/**
 * The connections of a server. A client cancels a request of HTTP/1 only by ending its connection, so one signal a connection
 * serves for all its requests, and a plan costs no listener of its own.
 */
export class Connections {
  readonly #open = new Map<Socket, Connection>();

  /** A client that takes nothing for `slowClientMs` of what waits to be sent to it is cut off. */
  constructor(server: Server, slowClientMs: number) {
    server.on('connection', (socket: Socket) => {
      const connection: Connection = { ended: undefined, answer: undefined };
      this.#open.set(socket, connection);
      socket.once('close', () => {
        this.#open.delete(socket);
        connection.ended?.abort();
      });
    });
    // Nothing was sent or came for so long, or since the last answer for the time of keep-alive. While something waits to be
    // sent, that is the client's doing; while an answer is worked on, it is not. Who hears of these times ends connections
    // itself: node does not then.
    server.timeout = slowClientMs;
    server.on('timeout', (socket: Socket) => {
      if (socket.writableLength > 0 || this.#isIdle(socket)) socket.destroy();
    });
  }

  /** Notes the answer that a connection waits for. */
  began(request: IncomingMessage, answer: ServerResponse): void {
    const connection = this.#open.get(request.socket);
    if (connection !== undefined) connection.answer = answer;
  }

  /** The answer that the last request of its connection waits for. */
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

  /** Whether its last request has been answered. For the first one there is a time of its own. */
  #isIdle(socket: Socket): boolean {
    return this.#open.get(socket)?.answer?.writableFinished === true;
  }

  /** Ends every connection as soon as it has been answered: the server ends only those that wait for nothing now. */
  endAfterAnswers(): void {
    for (const [socket, { answer }] of this.#open) {
      if (answer === undefined || answer.writableFinished) continue;
      if (answer.headersSent) answer.once('finish', () => socket.destroySoon());
      else answer.shouldKeepAlive = false;
    }
  }
}
