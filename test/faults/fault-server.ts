import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { readPrompt } from '../../src/workers/simulator/prompt-reader.ts';
import { BlackHole } from './server/black-hole.ts';
import { type ChatBody, readChatBody, readReadBody } from './server/chat-body.ts';
import { Exchange, type ServerState } from './server/exchange.ts';
import {
  type AnyFaultName,
  CONNECTION_FAULTS,
  FAULT_NAMES,
  type FaultEpisode,
  type FaultName,
  type FaultShare,
  isReadFault,
  type Mixture,
} from './server/fault-names.ts';
import { FAULT_PLAYERS } from './server/fault-players.ts';
import { READ_FAULT_PLAYERS } from './server/read-players.ts';
import { SlotQueue } from './server/slot-queue.ts';

export {
  FAULT_CODES,
  FAULT_NAMES,
  type FaultEpisode,
  type FaultName,
  type FaultShare,
  READ_FAULT_CODES,
  READ_FAULT_NAMES,
  type ReadFaultName,
} from './server/fault-names.ts';

/**
 * A model server on loopback that speaks the chat API well until it is told to play faults: one, a mixture, or episodes
 * of mixtures. Real sockets, real HTTP. The sequence of fates is the seed's; which request meets which depends on the
 * order in which they arrive.
 */
export interface FaultServerOptions {
  readonly seed: number;
  /** Answers at once; more wait. Default 8. */
  readonly slots?: number;
  /** Between two tokens. 0: the whole answer in one packet. Default 1. */
  readonly tokenMs?: number;
  /** Of the times that real servers take: a load of 60 s takes 0.6 s at 0.01, which is the default. */
  readonly scale?: number;
  /** The length of the answer that does not end. Default 100 MB. */
  readonly hugeBytes?: number;
  /** The feature whose value in the prompt names a cancelled request. Default `location`. */
  readonly labelFeature?: string;
  /** Reads answered before `read-forgotten` sets in. Default 5. */
  readonly readsRemembered?: number;
  /** `clock-jump` is a fault of the planner's clock: who has the clock makes it jump. */
  readonly onClockJump?: () => void;
}

/** A request whose client closed the connection before the answer was whole. Milliseconds of the machine's clock. */
export interface CancelledRequest {
  readonly label: string;
  readonly arrivedAtMs: number;
  readonly closedAtMs: number;
}

export interface FaultServerStats {
  readonly openSockets: number;
  /** Chat requests received. */
  readonly requests: number;
  /** Chat requests whose connection is open and whose answer is not whole. */
  readonly openRequests: number;
  /** What those of them are about. */
  readonly openLabels: readonly string[];
  readonly cancelled: number;
  /** Requests and connections that met a fault. */
  readonly played: Readonly<Partial<Record<AnyFaultName, number>>>;
  readonly slotsRunning: number;
  readonly slotsRunningMax: number;
  readonly slotsWaiting: number;
}

export type Faults = AnyFaultName | Mixture | { readonly episodes: readonly FaultEpisode[] };

/** How long nobody listens when a connection of a mixture is refused, before it is scaled. */
const OUTAGE_MS = 5_000;
const LISTEN_TRIES = 50;
const CANCELLED_KEPT = 10_000;

/** One clock for all processes of the machine. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export async function startFaultServer(options: FaultServerOptions): Promise<FaultServer> {
  const server = new FaultServer(options);
  await server.listen();
  return server;
}

export class FaultServer implements AsyncDisposable {
  readonly #options: Required<FaultServerOptions>;
  readonly #random: Random;
  readonly #http = createHttpServer({ keepAliveTimeout: 5_000 }, (request, response) => this.#route(request, response));
  readonly #state: ServerState;
  readonly #slots: SlotQueue;
  /** Open connections, and the requests that each has carried. */
  readonly #sockets = new Map<Socket, number>();
  /** Connections that are never read. */
  readonly #deaf = new Set<Socket>();
  readonly #open = new Set<Exchange>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #played = new Map<AnyFaultName, number>();
  readonly #cancelledLately: CancelledRequest[] = [];
  #listener: Server | undefined;
  #blackHole: BlackHole | undefined;
  #faults: Faults = [];
  #playingSinceMs = 0;
  #port = 0;
  #requests = 0;
  #cancelled = 0;
  #arrivals: { readonly at: number; readonly tell: () => void }[] = [];
  #shrunkUntilMs = 0;
  /** Reads that have met `read-forgotten` since it was begun. */
  #remembered = 0;
  #isLoaded = true;
  #whenLoaded: (() => void)[] | undefined;

  constructor(options: FaultServerOptions) {
    this.#options = {
      slots: 8,
      tokenMs: 1,
      scale: 0.01,
      hugeBytes: 100_000_000,
      labelFeature: 'location',
      readsRemembered: 5,
      onClockJump: () => {},
      ...options,
    };
    this.#random = seededRandom(options.seed);
    this.#slots = new SlotQueue(this.#options.slots);
    this.#state = this.#makeState();
  }

  get port(): number {
    return this.#port;
  }

  get baseURL(): string {
    return `http://127.0.0.1:${this.#port}/v1`;
  }

  async listen(): Promise<void> {
    for (let tries = 1; this.#listener === undefined; tries++) {
      try {
        this.#listener = await listening(this.#port, (socket) => this.#connected(socket));
      } catch (error) {
        if (tries === LISTEN_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  /** From now on, until `heal`, or until something else is played. Each request and connection draws its own fate. */
  async play(faults: Faults): Promise<void> {
    await this.heal();
    this.#faults = typeof faults === 'string' ? [{ fault: faults, share: 1 }] : faults;
    this.#playingSinceMs = machineNowMs();
    this.#isLoaded = false;
    this.#remembered = 0;
    if (faults !== 'refused' && faults !== 'black-hole') return;
    this.#count(faults);
    this.#stopListening();
    for (const socket of this.#sockets.keys()) socket.destroy();
    if (faults === 'black-hole') this.#blackHole = await BlackHole.open(this.#port);
  }

  /** The server is well. What it left unanswered stays unanswered; its slots are free. */
  async heal(): Promise<void> {
    this.#faults = [];
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#isLoaded = true;
    this.#loaded();
    for (const socket of this.#deaf) socket.destroy();
    this.#slots.forget();
    this.#slots.limit = this.#options.slots;
    await this.#blackHole?.close();
    this.#blackHole = undefined;
    await this.listen();
  }

  stats(): FaultServerStats {
    return {
      openSockets: this.#sockets.size,
      requests: this.#requests,
      openRequests: this.#open.size,
      openLabels: Array.from(this.#open, (exchange) => this.#labelOf(exchange)),
      cancelled: this.#cancelled,
      played: Object.fromEntries(this.#played),
      slotsRunning: this.#slots.running,
      slotsRunningMax: this.#slots.runningMax,
      slotsWaiting: this.#slots.waiting,
    };
  }

  /** The latest requests that their clients gave up, and forgets them. */
  takeCancelled(): CancelledRequest[] {
    return this.#cancelledLately.splice(0);
  }

  /** Resolves when `count` more chat requests have arrived. */
  arrivals(count: number): Promise<void> {
    return new Promise((tell) => this.#arrivals.push({ at: this.#requests + count, tell }));
  }

  async close(): Promise<void> {
    await this.heal();
    this.#stopListening();
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#http.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // Connections -----------------------------------------------------------------------------------------------------

  #connected(socket: Socket): void {
    this.#sockets.set(socket, 0);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#deaf.delete(socket);
    });
    const fault = this.#draw((name) => CONNECTION_FAULTS.has(name));
    if (fault === 'black-hole') this.#deaf.add(socket.pause());
    else if (fault === 'refused') this.#refuse(socket);
    else this.#http.emit('connection', socket);
  }

  /** This connection is reset, and for a while nobody listens. */
  #refuse(socket: Socket): void {
    socket.resetAndDestroy();
    if (this.#listener === undefined) return;
    this.#stopListening();
    this.#later(OUTAGE_MS * this.#options.scale, () => void this.listen());
  }

  #stopListening(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  // Requests --------------------------------------------------------------------------------------------------------

  #route(request: IncomingMessage, response: ServerResponse): void {
    const arrivedAtMs = machineNowMs();
    const path = (request.url ?? '/').split('?', 1)[0] as string;
    const parse = request.method === 'POST' ? PARSERS[path] : undefined;
    if (parse !== undefined) {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () =>
        this.#receive(parse(Buffer.concat(chunks).toString('utf8')), request, response, arrivedAtMs),
      );
      return;
    }
    request.resume();
    const isList = request.method === 'GET' && path === '/v1/models';
    const body = isList
      ? { object: 'list', data: ['m', 'm-a', 'm-b'].map((id) => ({ id, object: 'model', owned_by: 'faults' })) }
      : { error: { code: 404, message: 'File Not Found', type: 'not_found_error' } };
    response.writeHead(isList ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #receive(body: ChatBody | string, { socket }: IncomingMessage, response: ServerResponse, arrivedAtMs: number): void {
    if (typeof body === 'string') {
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message: body } }));
      return;
    }
    const { text: said, ...asked } = body;
    const servedBefore = this.#sockets.get(socket) ?? 0;
    const exchange = new Exchange(
      {
        server: this.#state,
        response,
        socket,
        random: this.#random,
        prompt: readPrompt(said),
        ...asked,
        servedBefore,
      },
      arrivedAtMs,
    );
    this.#sockets.set(socket, servedBefore + 1);
    this.#open.add(exchange);
    response.once('close', () => this.#ended(exchange, response));
    this.#arrived();
    const isRead = exchange.read !== undefined;
    const fault = this.#draw((name) => !CONNECTION_FAULTS.has(name) && (isRead || !isReadFault(name)));
    if (fault === undefined) exchange.answerWell();
    else if (isReadFault(fault)) READ_FAULT_PLAYERS[fault](exchange);
    else FAULT_PLAYERS[fault](exchange);
  }

  #arrived(): void {
    this.#requests++;
    const due = this.#arrivals.filter(({ at }) => at <= this.#requests);
    this.#arrivals = this.#arrivals.filter(({ at }) => at > this.#requests);
    for (const { tell } of due) tell();
  }

  #ended(exchange: Exchange, response: ServerResponse): void {
    this.#open.delete(exchange);
    if (response.writableFinished || exchange.hasBrokenOff) return;
    const cancelled = { label: this.#labelOf(exchange), arrivedAtMs: exchange.arrivedAtMs, closedAtMs: machineNowMs() };
    this.#cancelled++;
    this.#cancelledLately.push(cancelled);
    if (this.#cancelledLately.length > CANCELLED_KEPT) this.#cancelledLately.shift();
  }

  #labelOf(exchange: Exchange): string {
    return exchange.prompt.situation.get(this.#options.labelFeature) ?? '';
  }

  // Fates -----------------------------------------------------------------------------------------------------------

  /** The fault of the present mixture that the next draw falls on, of those that are `meant`. */
  #draw(meant: (name: AnyFaultName) => boolean): AnyFaultName | undefined {
    let left = this.#random.next();
    for (const { fault, share } of this.#mixture()) {
      if (!meant(fault)) continue;
      left -= share;
      if (left >= 0) continue;
      this.#count(fault);
      return fault;
    }
    return undefined;
  }

  #mixture(): Mixture {
    const faults = this.#faults;
    if (typeof faults === 'string') return [{ fault: faults, share: 1 }];
    if (!('episodes' in faults)) return faults;
    const roundMs = faults.episodes.reduce((sum, { forMs }) => sum + forMs, 0);
    let atMs = (machineNowMs() - this.#playingSinceMs) % roundMs;
    for (const episode of faults.episodes) {
      atMs -= episode.forMs;
      if (atMs < 0) return episode.faults;
    }
    return [];
  }

  #count(fault: AnyFaultName): void {
    this.#played.set(fault, (this.#played.get(fault) ?? 0) + 1);
  }

  // The server as faults see it -------------------------------------------------------------------------------------

  #makeState(): ServerState {
    const { scale, tokenMs, hugeBytes, slots } = this.#options;
    return {
      slots: this.#slots,
      tokenMs,
      hugeBytes,
      scaled: (ms) => ms * scale,
      later: (ms, fire) => this.#later(ms, fire),
      shrinkSlots: (ms) => {
        const until = machineNowMs() + ms;
        this.#shrunkUntilMs = until;
        this.#slots.limit = 1;
        this.#later(ms, () => {
          if (this.#shrunkUntilMs === until) this.#slots.limit = slots;
        });
      },
      whenLoaded: (ms, ready) => {
        if (this.#isLoaded) return ready();
        if (this.#whenLoaded) return void this.#whenLoaded.push(ready);
        this.#whenLoaded = [ready];
        this.#later(ms, () => {
          this.#isLoaded = true;
          this.#loaded();
        });
      },
      jumpClock: () => this.#options.onClockJump(),
      hasForgotten: () => this.#remembered++ >= this.#options.readsRemembered,
    };
  }

  #loaded(): void {
    const ready = this.#whenLoaded ?? [];
    this.#whenLoaded = undefined;
    for (const tell of ready) tell();
  }

  #later(ms: number, fire: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      fire();
    }, ms);
    this.#timers.add(timer);
  }
}

const PARSERS: Readonly<Record<string, (json: string) => ChatBody | string>> = {
  '/v1/chat/completions': readChatBody,
  '/v1/systemone': (json) => readReadBody('systemone', json),
  '/v1/decisions': (json) => readReadBody('decisions', json),
};

function listening(port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, onSocket);
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', backlog: 1_024 }, () => resolve(server));
  });
}

/** A mixture of two to five faults, each with a share, and at least a fifth of what is well. */
export function seededMixture(random: Random): FaultShare[] {
  const names = [...FAULT_NAMES];
  const count = 2 + Math.floor(random.next() * 4);
  const faults = Array.from({ length: count }, () => names.splice(Math.floor(random.next() * names.length), 1)[0]);
  const weights = faults.map(() => 0.05 + random.next());
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const sick = 0.3 + random.next() * 0.5;
  return faults.map((fault, i) => ({ fault: fault as FaultName, share: ((weights[i] as number) / sum) * sick }));
}
