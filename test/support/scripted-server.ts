import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One request that the server has read whole. */
export interface Exchange {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly response: ServerResponse;
  /** For what HTTP does not allow: resets, half answers, garbage. */
  readonly socket: Socket;
  /** Resolves, with the time, when the connection of this request is closed. */
  readonly closed: Promise<number>;
}

export type Script = (exchange: Exchange) => unknown;

/** A model server on loopback that does to each request what the test says. Counts what it sees. */
export class ScriptedServer implements AsyncDisposable {
  script: Script = ({ response }) => response.writeHead(500).end();
  connections = 0;
  readonly exchanges: Exchange[] = [];
  readonly #arrivals: ((exchange: Exchange) => void)[] = [];
  readonly #server = createServer((request, response) => {
    const { socket } = request;
    // Each exchange waits for the end of the connection that they share.
    socket.setMaxListeners(0);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
      const body = Buffer.concat(chunks).toString('utf8');
      const exchange = { url: request.url ?? '', headers: request.headers, body, response, socket, closed };
      this.exchanges.push(exchange);
      this.#arrivals.shift()?.(exchange);
      this.script(exchange);
    });
  });

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#server.on('connection', () => server.connections++);
    server.#server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get baseURL(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** The next request to arrive. Ask before the request is made. */
  next(): Promise<Exchange> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Events of a stream as bytes: objects as JSON, strings as they are. */
export function events(...all: readonly unknown[]): string {
  return all.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
}

/** One piece of an answer, as a chat stream sends it. */
export function piece(content: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { choices: [{ index: 0, delta: { content }, finish_reason: null }], ...more };
}

export const FINISH = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };

/** The headers of a stream, and with them whatever is already there of it. */
export function streamHead(response: ServerResponse, text = ''): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (text === '') response.flushHeaders();
  else response.write(text);
}

/** The whole answer in one packet, its end included. */
export function streamWhole(response: ServerResponse, content: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(events(piece(content), FINISH, '[DONE]'));
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
