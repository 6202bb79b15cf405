import type { Socket } from 'node:net';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import type { Clock } from '../../../shared/clock.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { FaceLog } from '../face.ts';
import type { ResolvedHttpOptions } from './http-options.ts';
import { notFound, onError, PROBLEM_TYPE, pathOf, problemOf, sendError } from './problem.ts';
import { PauseWatch } from './wire/pause-watch.ts';

/** Maximum interval between checks of the header and request times of clients. */
const CHECK_MS_MAX = 1_000;

/** Creates fastify with its limits, its log and problem+json for all errors. It has no routes yet. */
export function makeApp(options: ResolvedHttpOptions, log: FaceLog, clock: Clock): FastifyInstance {
  const { headersTimeoutMs, requestTimeoutMs } = options;
  const app = fastify({
    // A request that fastify logs, or might log, costs a third of a cached plan: only a debugging host passes it the log.
    ...(isDebugging(log)
      ? { loggerInstance: log, logController: new RequestLog({ requestIdLogLabel: 'requestId' }) }
      : {}),
    bodyLimit: options.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    clientErrorHandler: (error, socket) => {
      const isSlow = (error as NodeJS.ErrnoException).code === 'ERR_HTTP_REQUEST_TIMEOUT';
      if (isSlow && pauses.isAfterPause) pauses.spare(socket, () => refuseBytes(error, socket));
      else refuseBytes(error, socket);
    },
    frameworkErrors: refusePath,
    http: {
      maxHeaderSize: options.headerBytesMax,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_MS_MAX, headersTimeoutMs),
    },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, strict: false } },
  });
  app.server.maxConnections = options.connectionsMax;
  const pauses = new PauseWatch(clock, app.server, requestTimeoutMs);
  const methods = new Map<string, string[]>();
  app.addHook('onRoute', ({ url, method }) => {
    methods.set(url, [...(methods.get(url) ?? []), ...[method].flat()]);
  });
  app.setNotFoundHandler(notFound((path) => methods.get(path) ?? []));
  app.setErrorHandler(onError(log));
  // Response schemas only document: everything is sent in full.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  return app;
}

/** Logs one line per answered request. Errors are logged where they are answered. */
class RequestLog extends LogController {
  override incomingRequest(): void {}

  override requestCompleted(...[, request, reply]: Parameters<LogController['requestCompleted']>): void {
    const { method, url } = request;
    reply.log.debug({ method, url, status: reply.statusCode, ms: reply.elapsedTime }, 'request answered');
  }

  override routeNotFound(): void {}
}

/** True if the log is a pino that prints at this level. */
function isDebugging(log: FaceLog): log is FaceLog & FastifyBaseLogger {
  const pino = log as FaceLog & { isLevelEnabled?(level: string): boolean };
  return typeof pino.isLevelEnabled === 'function' && pino.isLevelEnabled('debug');
}

/** A path that cannot be decoded reaches no hook and no error handler. */
function refusePath(_: FastifyError, { raw }: FastifyRequest, reply: FastifyReply): void {
  sendError(reply, pathOf(raw.url ?? ''), new PlannerError('ERR_PROTOCOL', 'the path cannot be decoded'), 400);
}

const STATUS_OF_BYTES: Readonly<Record<string, readonly [PlannerError, number]>> = {
  HPE_HEADER_OVERFLOW: [new PlannerError('ERR_MESSAGE_TOO_LARGE', 'the headers are larger than headerBytesMax'), 431],
  ERR_HTTP_REQUEST_TIMEOUT: [new PlannerError('ERR_CLIENT_SLOW', 'the request did not come in its time'), 408],
};

/** Refuses bytes that are not HTTP, or that never become a request: fastify does not see them. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [reason, status] = STATUS_OF_BYTES[error.code ?? ''] ?? [
    new PlannerError('ERR_PROTOCOL', 'this is no HTTP'),
    400,
  ];
  const problem = problemOf(reason, status);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${problem.title}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}
