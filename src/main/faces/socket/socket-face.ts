import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { PlannerError } from '../../../shared/errors.ts';
import type { ChatPlanner } from '../../chat/chat-planner.ts';
import { ByteBudget } from '../byte-budget.ts';
import type { Face, FaceParts } from '../face.ts';
import { RpcSession, type SessionCounters } from './rpc-session.ts';
import { type ResolvedSocketFace, resolveSocketFace, type SocketFaceOptions } from './socket-options.ts';
import {
  askHolder,
  checkSocketPath,
  type FileMark,
  isCode,
  ownNameBeside,
  publishSocket,
  removeIfSame,
} from './socket-path.ts';

interface SocketFaceCounters extends SessionCounters {
  /** Clients accepted. */
  connections: number;
  /** Clients refused beyond `connectionsMax`. */
  refusedConnections: number;
}

export interface SocketFace extends Face {
  readonly connected: number;
  readonly counters: Readonly<SocketFaceCounters>;
}

/** Read and write for the owner. */
const SOCKET_MODE = 0o600;
/** Node's default: clients beyond the limit should connect and get an error. */
const BACKLOG_MIN = 511;
/** Maximum number of refused clients that are sent the reason at once; others are just closed. */
const TURNED_AWAY_MAX = 512;

/**
 * Serves `planner` at a Unix socket of mode 0600 or a named pipe. Throws ERR_OPTIONS_INVALID, or ERR_ADDRESS_IN_USE if a live server has the path; a
 * path where nothing answers is taken over.
 */
export async function openSocketFace(
  planner: ChatPlanner,
  options: SocketFaceOptions,
  parts: FaceParts,
): Promise<SocketFace> {
  const resolved = resolveSocketFace(options);
  const { path } = resolved;
  checkSocketPath(path);
  const listener = new SocketListener(planner, resolved, parts);
  await (process.platform === 'win32' ? listener.listenAtPipe() : listener.listenAtPath());
  parts.log.info({ path }, 'the socket listens');
  return listener;
}

class SocketListener implements SocketFace {
  readonly address: string;
  readonly counters: SocketFaceCounters = {
    connections: 0,
    refusedConnections: 0,
    calls: 0,
    badMessages: 0,
    ignoredNotifications: 0,
    slowClients: 0,
    waitingBytes: 0,
  };
  readonly #planner: ChatPlanner;
  readonly #options: ResolvedSocketFace;
  readonly #parts: FaceParts;
  readonly #budget: ByteBudget;
  readonly #server: Server;
  readonly #sessions = new Set<RpcSession>();
  /** Sessions of clients that are being refused. */
  readonly #turnedAway = new Set<RpcSession>();
  /** Identifies the socket's file; undefined for a named pipe. */
  #mark: FileMark | undefined;
  #stopped: Promise<void> | undefined;

  constructor(planner: ChatPlanner, options: ResolvedSocketFace, parts: FaceParts) {
    this.address = options.path;
    this.#planner = planner;
    this.#options = options;
    this.#parts = parts;
    this.#budget = new ByteBudget(options.largeMessagesBytesMax, parts.clock, parts.largeBytes);
    // Half open, so that requests sent before the client closed its side are answered before ours is closed.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  get connected(): number {
    return this.#sessions.size;
  }

  async listenAtPath(): Promise<void> {
    const { path } = this.#options;
    const own = ownNameBeside(path);
    try {
      await this.#listen(own);
      chmodSync(own, SOCKET_MODE);
      this.#mark = await publishSocket(own, path, this.#parts.clock);
    } catch (error) {
      await this.close();
      rmSync(own, { force: true });
      throw asCoded(error, path);
    }
  }

  /** Pipes end with their process, and belong to their creator alone unless opened to everybody. */
  async listenAtPipe(): Promise<void> {
    const { path } = this.#options;
    try {
      await this.#listen(path);
    } catch (error) {
      const holder = isCode(error, 'EADDRINUSE') ? await askHolder(path, this.#parts.clock) : undefined;
      if (holder === undefined) throw asCoded(error, path);
      throw new PlannerError('ERR_ADDRESS_IN_USE', `${path} is in use by ${holder}`);
    }
  }

  async drain(): Promise<void> {
    const stopped = this.#stop();
    await Promise.all([...this.#sessions].map((session) => session.drain()));
    await stopped;
  }

  async close(): Promise<void> {
    const stopped = this.#stop();
    await Promise.all([...this.#sessions, ...this.#turnedAway].map((session) => session.close()));
    await stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #listen(path: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.once('listening', () => {
      this.#server.off('error', reject);
      this.#server.on('error', (err) => this.#parts.log.error({ err }, 'the socket failed to let a client in'));
      resolve();
    });
    // Node binds before `listen` returns. Only the main thread may set the mask; elsewhere the socket gets its mode before its path.
    const mask = isMainThread ? process.umask(0o177) : undefined;
    try {
      // All permitted clients may connect at one moment, or the system would refuse some with EAGAIN.
      this.#server.listen({ path, backlog: Math.max(this.#options.connectionsMax, BACKLOG_MIN) });
    } finally {
      if (mask !== undefined) process.umask(mask);
    }
    return promise;
  }

  /** Resolves when no connection is left. */
  #stop(): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      this.#unpublish();
      this.#server.close(() => resolve());
    });
    return this.#stopped;
  }

  /** A path that cannot be removed does not prevent closing. */
  #unpublish(): void {
    const { path } = this.#options;
    try {
      if (this.#mark !== undefined) removeIfSame(path, this.#mark);
    } catch (err) {
      this.#parts.log.warn({ err, path }, 'the socket could not be removed');
    }
  }

  #accept(socket: Socket): void {
    if (this.#sessions.size >= this.#options.connectionsMax) return this.#turnAway(socket);
    this.counters.connections++;
    this.#keep(this.#session(socket, this.counters), this.#sessions);
  }

  #session(socket: Socket, counters: SessionCounters): RpcSession {
    return new RpcSession({
      ...this.#parts,
      input: socket,
      output: socket,
      planner: this.#planner,
      limits: this.#options,
      budget: this.#budget,
      counters,
      atEnd: 'leaves',
      endsOutput: true,
    });
  }

  #keep(session: RpcSession, among: Set<RpcSession>): void {
    among.add(session);
    void session.closed.then(() => among.delete(session));
  }

  #turnAway(socket: Socket): void {
    this.counters.refusedConnections++;
    const { connectionsMax } = this.#options;
    const message = `${connectionsMax} clients are connected (connectionsMax)`;
    this.#parts.log.warn({ code: 'ERR_CLIENT_LIMIT' }, `a client was turned away: ${message}`);
    if (this.#turnedAway.size >= TURNED_AWAY_MAX) return void socket.destroy();
    // Not closed at once: a client that is still writing would only see a broken pipe.
    const session = this.#session(socket, { ...this.counters });
    this.#keep(session, this.#turnedAway);
    session.turnAway(new PlannerError('ERR_CLIENT_LIMIT', message, { retryable: true }));
  }
}

function asCoded(error: unknown, path: string): unknown {
  if (error instanceof PlannerError || !(error instanceof Error)) return error;
  return new PlannerError('ERR_OPTIONS_INVALID', `socket.path cannot be listened at: ${error.message} (${path})`, {
    cause: error,
  });
}
