import bearerAuth, { type verifyBearerAuth, type verifyBearerAuthFactory } from '@fastify/bearer-auth';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';
import type { HostCheck } from './host-check.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token, outside the rate limit, and while the face drains. Default false. */
    readonly isOpen?: boolean;
  }
}

/** Settings that may change while the face is open. */
export interface GuardSettings {
  readonly token: string | undefined;
  readonly rateLimitPerMinute: number | false;
  readonly hosts: HostCheck;
}

/** Maximum number of clients whose requests are counted; the least recently active ones are forgotten. */
const CLIENTS_MAX = 5_000;
const WINDOW_MS = 60_000;

/**
 * Access control. Checks every request before its body is read, even for unknown routes: draining, host and origin, rate, token, in this order, so
 * that the rate limit also slows down guessing tokens.
 */
export class Guard {
  readonly #draining: AbortSignal;
  readonly #limit: ReturnType<FastifyInstance['createRateLimit']>;
  readonly #makeVerify: verifyBearerAuthFactory;
  #hosts: HostCheck;
  #perMinute: number | false;
  #verify: verifyBearerAuth | undefined;

  /** Creates a guard, whose `admit` must be called for every request. */
  static async create(app: FastifyInstance, settings: GuardSettings, draining: AbortSignal): Promise<Guard> {
    await app.register(bearerAuth, { addHook: false, keys: new Set<string>() });
    await app.register(rateLimit, { global: false, cache: CLIENTS_MAX, timeWindow: WINDOW_MS });
    return new Guard(app, settings, draining);
  }

  private constructor(app: FastifyInstance, settings: GuardSettings, draining: AbortSignal) {
    this.#draining = draining;
    this.#makeVerify = app.verifyBearerAuthFactory as verifyBearerAuthFactory;
    this.#limit = app.createRateLimit({ max: () => this.#perMinute || 0 });
    this.#hosts = settings.hosts;
    this.#perMinute = settings.rateLimitPerMinute;
    this.#verify = this.#verifier(settings.token);
  }

  /** Changes the settings from the next request on. */
  change({ token, rateLimitPerMinute, hosts }: GuardSettings): void {
    this.#hosts = hosts;
    this.#perMinute = rateLimitPerMinute;
    this.#verify = this.#verifier(token);
  }

  /** Calls `done`, with an error if the request is refused. */
  admit(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const { headers } = request;
    if (this.#draining.aborted) {
      reply.header('connection', 'close');
      if (!isOpen(request)) return done(new PlannerError('ERR_PLANNER_CLOSED', 'the server is going down'));
    }
    const refusal = this.#hosts.refusal(headers.host, headers.origin);
    if (refusal !== undefined) return done(refusal);
    if (this.#perMinute === false && this.#verify === undefined) return done();
    if (isOpen(request)) return done();
    if (this.#perMinute === false) return this.#authorize(request, reply, done);
    this.#limit(request).then((answer) => {
      if (answer.isAllowed || !answer.isExceeded) return this.#authorize(request, reply, done);
      reply.header('retry-after', answer.ttlInSeconds);
      const message = `at most ${answer.max} requests a minute (rateLimitPerMinute): wait ${answer.ttlInSeconds} s`;
      done(new PlannerError('ERR_CLIENT_LIMIT', message, { retryable: true }));
    }, done);
  }

  #authorize(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    if (this.#verify === undefined) return done();
    this.#verify(request, reply, (error) => {
      if (error === undefined || error === null) return done();
      reply.header('www-authenticate', 'Bearer');
      done(new PlannerError('ERR_UNAUTHORIZED', 'Authorization must be "Bearer " and the token of this server'));
    });
  }

  #verifier(token: string | undefined): verifyBearerAuth | undefined {
    if (token === undefined) return undefined;
    return this.#makeVerify({
      addHook: false,
      keys: new Set([token]),
      specCompliance: 'rfc6749',
      verifyErrorLogLevel: 'debug',
    });
  }
}

function isOpen(request: FastifyRequest): boolean {
  return request.routeOptions.config.isOpen === true;
}
