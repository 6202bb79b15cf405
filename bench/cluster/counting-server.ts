import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from '../../src/shared/random.ts';

/**
 * A model server that takes whatever it is given at once and counts it: what is at work at any moment is what its clients let
 * through. Each call takes a random time. A call whose client has closed is a ghost until that time has passed, and counted apart.
 */
export class CountingServer {
  readonly #server: Server;
  readonly #random: Random;
  /** Mean time of a call, in milliseconds. */
  serviceMs: number;
  /** Calls at work, by the node that made them (its header `x-node`). */
  readonly atWork = new Map<string, number>();
  /** Calls ever made, by node. */
  readonly made = new Map<string, number>();
  /** Slots times milliseconds that calls of a node were at work. */
  readonly worked = new Map<string, number>();
  ghosts = 0;
  calls = 0;
  /** Called whenever a call begins or ends. */
  onChange: () => void = () => {};

  private constructor(random: Random, serviceMs: number) {
    this.#random = random;
    this.serviceMs = serviceMs;
    this.#server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (req, res) => this.#handle(req, res));
  }

  static async open(random: Random, serviceMs: number): Promise<CountingServer> {
    const server = new CountingServer(random, serviceMs);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get baseURL(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  get busy(): number {
    return [...this.atWork.values()].reduce((sum, each) => sum + each, 0);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    if (req.method === 'GET') {
      const body = req.url === '/v1/models' ? { object: 'list', data: [{ id: 'm', object: 'model' }] } : undefined;
      res.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
      return;
    }
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => this.#answer(String(req.headers['x-node'] ?? '?'), Buffer.concat(chunks).toString(), res));
  }

  #answer(node: string, body: string, res: ServerResponse): void {
    this.calls++;
    const beganMs = performance.now();
    // From half of the mean to one and a half.
    const takesMs = this.serviceMs * (0.5 + this.#random.next());
    add(this.made, node, 1);
    add(this.atWork, node, 1);
    this.onChange();
    let isAtWork = true;
    const leave = (): void => {
      if (!isAtWork) return;
      isAtWork = false;
      add(this.atWork, node, -1);
      add(this.worked, node, performance.now() - beganMs);
      this.onChange();
    };
    res.on('close', () => {
      if (!isAtWork) return;
      leave();
      this.ghosts++;
      setTimeout(() => this.ghosts--, Math.max(0, takesMs - (performance.now() - beganMs)));
    });
    setTimeout(() => {
      if (res.destroyed) return;
      leave();
      send(res, JSON.parse(body) as ChatBody);
    }, takesMs);
  }
}

interface ChatBody {
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
}

function add(to: Map<string, number>, key: string, by: number): void {
  to.set(key, (to.get(key) ?? 0) + by);
}

const ANSWER = '{"choice":2,"reason":"it answers best to what is visible now"}';
const USAGE = { prompt_tokens: 400, completion_tokens: 18, total_tokens: 418 };
const BASE = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'm' };

function send(res: ServerResponse, { stream, stream_options }: ChatBody): void {
  if (stream !== true) {
    const message = { role: 'assistant', content: ANSWER };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }];
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ ...BASE, object: 'chat.completion', choices, usage: USAGE }));
    return;
  }
  const event = (choices: readonly object[], rest: object = {}): string =>
    `data: ${JSON.stringify({ ...BASE, object: 'chat.completion.chunk', choices, ...rest })}\n\n`;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(event([{ index: 0, delta: { role: 'assistant', content: ANSWER }, finish_reason: null }]));
  res.write(event([{ index: 0, delta: {}, finish_reason: 'stop' }]));
  if (stream_options?.include_usage === true) res.write(event([], { usage: USAGE }));
  res.end('data: [DONE]\n\n');
}
