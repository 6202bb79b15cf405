import type { EventEmitter } from 'node:events';
import { createConnection } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { checkOptions } from '../../../../shared/check-options.ts';
import { systemClock } from '../../../../shared/clock.ts';
import type { Decision } from '../../../../shared/decision.ts';
import type { Domain, DomainDefinition, Observation } from '../../../../shared/domain.ts';
import { PlannerError } from '../../../../shared/errors.ts';
import type { ObservationOf } from '../../../../shared/observation.ts';
import type { RequestWith } from '../../../../shared/plan-request.ts';
import type { ChatPlannerStats } from '../../../chat/chat-planner.ts';
import type { DecisionCaller } from '../../../chat/decisions/decide.ts';
import type { FutureTerms } from '../../../plans/expectations/future.ts';
import type { CloseOptions, Plan, PlanOptions } from '../../../plans/plan.ts';
import type { PeerExit } from '../../ipc/peer.ts';
import type { HelloResult } from '../wire.ts';
import { type ClientParts, SocketClient } from './socket-client.ts';

export interface ConnectedPlannerEvents {
  /** A problem that is not the failure of a call, such as a listener that threw. */
  warning: [message: string];
  /** The connection has ended. Emitted once, as the last event. */
  exit: [exit: PeerExit];
}

/**
 * A planner behind a socket or two streams. If the connection ends before it is closed, all pending and later calls reject with ERR_PEER_EXITED, and
 * `exit` is emitted; it does not reconnect.
 */
export type ConnectedPlanner<D extends DomainDefinition = Domain> = ConnectedWith<ObservationOf<D>>;

interface ConnectedWith<O extends Observation>
  extends EventEmitter<ConnectedPlannerEvents>,
    AsyncDisposable,
    DecisionCaller {
  /** The server's answer to `hello`. */
  readonly server: HelloResult;
  /** False once `close` was called or the connection has ended. */
  readonly isOpen: boolean;
  /**
   * Like `Planner.plan`. With a `timeoutMs`, on time even if the server hangs: without an answer `lateGraceMs` after the deadline, the plan is the
   * action with the highest Q-value (`heuristic`, no attempts, id 0). Also rejects with ERR_PEER_EXITED, ERR_MESSAGE_TOO_LARGE, and
   * ERR_PLANNER_OVERLOADED at `callsMax`.
   */
  plan<const A extends string>(request: RequestWith<O, A>, options?: PlanOptions): Promise<Plan<A>>;
  /** Looks into the cache like `Planner.peek`, by a call to the server. */
  peek(request: RequestWith<O>): Promise<Decision | undefined>;
  /** Tells requests that agents are expected to make soon, like `Planner.expect`. Resolves when the server has taken them. */
  expect(futures: readonly (RequestWith<O> & FutureTerms)[]): Promise<void>;
  /** Tells the state that an agent is in now, like `Planner.observe`. Resolves when the server has taken it. */
  observe(state: RequestWith<O>): Promise<void>;
  stats(): Promise<ChatPlannerStats>;
  /** Deletes every cached decision, for all clients of the planner. */
  clearCache(): Promise<void>;
  /** Ends the connection, after at most `drainMs` for pending calls; the planner keeps running. Closing again without `drainMs` ends the wait. */
  close(options?: CloseOptions): Promise<void>;
}

export interface ConnectOptions {
  /** Name of this client in the server's log. Default `node`. */
  readonly client?: string;
  /** Time limit for connecting and the server's answer to `hello`, in milliseconds. Default 3,000. */
  readonly connectTimeoutMs?: number;
  /** How long after a plan's deadline the client answers itself if the server has not, in milliseconds. Default 50. */
  readonly lateGraceMs?: number;
  /** How long a server may be silent while calls are pending before it is pinged, and then again before it is given up, in milliseconds. Default 5,000. */
  readonly silenceMs?: number;
  /** Maximum number of pending calls. Further calls reject with ERR_PLANNER_OVERLOADED. Default 16,384. */
  readonly callsMax?: number;
  /** Maximum size of one answer, in bytes. Default 24 MiB. */
  readonly messageBytesMax?: number;
}

const ms = z.int().positive().max(3_600_000);
const connectSchema = z.strictObject({
  client: z.string().max(200).optional(),
  connectTimeoutMs: ms.optional(),
  lateGraceMs: z.int().min(0).max(3_600_000).optional(),
  silenceMs: ms.optional(),
  callsMax: z.int().positive().max(1_000_000).optional(),
  messageBytesMax: z
    .int()
    .min(1_024)
    .max(2 ** 28)
    .optional(),
});

/** Two streams to a server, connected to its standard input and output. They are destroyed when the connection ends. */
export interface PlannerStreams {
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * Connects to a planner at a Unix socket or named pipe, or behind two streams. Throws ERR_OPTIONS_INVALID, ERR_PEER_EXITED if nothing answers in
 * time, ERR_PROTOCOL_VERSION if the server uses another protocol version, ERR_PROTOCOL if it is not a planner, ERR_CLIENT_LIMIT (`retryable`) if it
 * has its maximum of clients.
 *
 * The server determines the domain: `connectPlanner<typeof rover>(path)` tells the compiler, which then checks observations. The server checks every
 * request in any case; `planner.server.domain` is the name of its domain.
 */
export async function connectPlanner<D extends DomainDefinition = Domain>(
  to: string | PlannerStreams,
  options?: ConnectOptions,
): Promise<ConnectedPlanner<D>>;
export async function connectPlanner(
  to: string | PlannerStreams,
  options: ConnectOptions = {},
): Promise<ConnectedPlanner> {
  const { client: name = 'node', connectTimeoutMs = 3_000, ...given } = checkOptions(connectSchema, options);
  const clock = systemClock;
  const client = new SocketClient({
    clock,
    lateGraceMs: given.lateGraceMs ?? 50,
    silenceMs: given.silenceMs ?? 5_000,
    callsMax: given.callsMax ?? 16_384,
    messageBytesMax: given.messageBytesMax ?? 24 * 2 ** 20,
    ...(typeof to === 'string' ? socketTo(to) : { ...to, address: 'the planner', hold: () => {} }),
  });
  const timer = clock.setTimer(connectTimeoutMs, () => {
    const message = `${typeof to === 'string' ? to : 'the planner'} did not answer in ${connectTimeoutMs} ms (connectTimeoutMs)`;
    client.fail(new PlannerError('ERR_PEER_EXITED', message));
  });
  try {
    await client.hello(name);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  } finally {
    timer.cancel();
  }
}

function socketTo(path: string): Pick<ClientParts, 'input' | 'output' | 'address' | 'hold'> {
  const socket = createConnection(path);
  return {
    input: socket,
    output: socket,
    address: path,
    // Calls that wait for an answer keep the process alive; an idle connection does not.
    hold: (isHeld) => void (isHeld ? socket.ref() : socket.unref()),
  };
}
