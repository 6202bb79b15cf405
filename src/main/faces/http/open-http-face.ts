import { once } from 'node:events';
import { Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../../shared/clock.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { ChatPlanner } from '../../chat/chat-planner.ts';
import { ByteBudget } from '../byte-budget.ts';
import type { Face, FaceParts } from '../face.ts';
import { readToken } from './access/bearer-token.ts';
import { Guard, type GuardSettings } from './access/guard.ts';
import { HostCheck } from './access/host-check.ts';
import { type HttpFaceOptions, largestDomain, type ResolvedHttpOptions, resolveHttpOptions } from './http-options.ts';
import { makeApp } from './make-app.ts';
import { addRoutes } from './routes/routes.ts';
import { Connections } from './wire/connections.ts';
import { takeJsonBodies } from './wire/json-body.ts';

export interface HttpFace extends Face {
  /**
   * Applies the options that may change while the face runs: the token (a file is read again), `allowedHosts`, `rateLimitPerMinute`. Resolves with
   * the keys of other changes, which need a restart. Throws ERR_OPTIONS_INVALID, and then nothing changes.
   */
  reload(options: HttpFaceOptions): Promise<readonly string[]>;
}

/**
 * Serves a planner over HTTP. Throws ERR_OPTIONS_INVALID, or ERR_ADDRESS_IN_USE if the port is taken. The planner still belongs to its owner: drain
 * or close the face before it.
 */
export async function openHttpFace(
  planner: ChatPlanner,
  options: HttpFaceOptions,
  parts: FaceParts,
): Promise<HttpFace> {
  const resolved = resolveHttpOptions(options, largestDomain(planner.domains));
  const settings = await settingsOf(resolved, parts.clock);
  const app = makeApp(resolved, parts.log, parts.clock);
  const draining = new AbortController();
  try {
    const connections = new Connections(app.server, resolved.slowClientMs);
    // A body may be as large as the gateway allows.
    const bytesMax = Math.max(resolved.largeBodiesBytesMax, planner.chats.bodyBytesMax);
    const budget = new ByteBudget(bytesMax, parts.clock, parts.largeBytes);
    takeJsonBodies(app, { budget, longWork: planner.longWork, answerTo: (request) => connections.answerTo(request) });
    const guard = await Guard.create(app, settings, draining.signal);
    app.addHook('onRequest', (request, reply, done) => {
      connections.began(request.raw, reply.raw);
      guard.admit(request, reply, done);
    });
    await addRoutes(app, { ...parts, planner, options: resolved, connections, draining: draining.signal });
    const address = await listen(app, resolved);
    return new OpenFace(address, { app, planner, clock: parts.clock, guard, connections, draining, resolved });
  } catch (error) {
    await app.close();
    throw error;
  }
}

async function settingsOf(resolved: ResolvedHttpOptions, clock: Clock): Promise<GuardSettings> {
  const { rateLimitPerMinute, allowedHosts } = resolved;
  return { token: await readToken(resolved, clock), rateLimitPerMinute, hosts: new HostCheck(allowedHosts) };
}

/** Node's default number of connections that wait to be accepted. */
const BACKLOG_MIN = 511;

async function listen(app: FastifyInstance, { host, port, connectionsMax }: ResolvedHttpOptions): Promise<string> {
  try {
    // All permitted connections may come at one moment, or the system would reset some of them.
    return await app.listen({ host, port, backlog: Math.max(connectionsMax, BACKLOG_MIN) });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      const what = `port ${port} of ${host} is in use: stop what listens there, or choose another one (http.port)`;
      throw new PlannerError('ERR_ADDRESS_IN_USE', what, { cause });
    }
    const rule = 'must be a port of an address of this machine that may be listened at';
    throw new PlannerError('ERR_OPTIONS_INVALID', `http.port ${rule}, got ${port} of ${host} (${message})`, { cause });
  }
}

interface OpenParts {
  readonly app: FastifyInstance;
  readonly planner: ChatPlanner;
  readonly clock: Clock;
  readonly guard: Guard;
  readonly connections: Connections;
  readonly draining: AbortController;
  readonly resolved: ResolvedHttpOptions;
}

class OpenFace implements HttpFace {
  readonly address: string;
  readonly #parts: OpenParts;
  #drained: Promise<void> | undefined;

  constructor(address: string, parts: OpenParts) {
    this.address = address;
    this.#parts = parts;
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  close(): Promise<void> {
    const drained = this.drain();
    this.#parts.app.server.closeAllConnections();
    return drained;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async reload(options: HttpFaceOptions): Promise<readonly string[]> {
    const { planner, guard, resolved, clock } = this.#parts;
    const changed = resolveHttpOptions(options, largestDomain(planner.domains));
    // Uses the current address: an address that changes only with a restart must not lose its token before.
    const here = resolveHttpOptions({ ...options, host: resolved.host }, largestDomain(planner.domains));
    guard.change(await settingsOf(here, clock));
    return (Object.keys(changed) as (keyof ResolvedHttpOptions)[]).filter(
      (key) => !MAY_CHANGE.has(key) && changed[key] !== resolved[key],
    );
  }

  async #drain(): Promise<void> {
    const { app, connections, draining } = this.#parts;
    const ended = once(app.server, 'close');
    draining.abort();
    connections.endAfterAnswers();
    // Stops accepting connections, and closes idle ones. Uses `net`'s method because `http`'s would stop checking for requests that are overdue: half
    // a request would keep the drain waiting indefinitely.
    Server.prototype.close.call(app.server);
    app.server.closeIdleConnections();
    await ended;
    // This one stops the checks.
    app.server.close();
    await app.close();
  }
}

const MAY_CHANGE: ReadonlySet<string> = new Set('token tokenFile allowedHosts rateLimitPerMinute isLocal'.split(' '));
