import { z } from 'zod';
import { type HttpFaceOptions, httpFaceSchema } from '../../faces/http/http-options.ts';
import { type SocketFaceOptions, socketFaceSchema } from '../../faces/socket/socket-options.ts';
import { LOG_LEVELS, type LogLevel } from '../log/process-log.ts';

export const DRAIN_MS = 10_000;
export const DRAIN_MS_MAX = 60 * 60 * 1_000;

/** The section `serve` of a configuration: the faces of `conclave serve`. Flags override it. */
export interface ServeConfig {
  /** The socket, opened if this or `--socket` gives a path. */
  readonly socket?: Partial<SocketFaceOptions>;
  /** The HTTP server, opened if this or `--http` gives a port. */
  readonly http?: Partial<HttpFaceOptions>;
  /** Time limit from the signal to the exit, in milliseconds. Default 10,000. */
  readonly drainMs?: number;
}

/** The section `log`: the structured log on standard error, for `conclave serve`. */
export interface LogConfig {
  /** Lowest level that is logged. `--log-level` and CONCLAVE_LOG_LEVEL override it. Default `silent`. */
  readonly level?: LogLevel;
}

export const serveSchema = z.strictObject({
  socket: socketFaceSchema.partial({ path: true }).optional(),
  http: httpFaceSchema.partial({ port: true }).optional(),
  drainMs: z.number().int().min(0).max(DRAIN_MS_MAX).optional(),
});

export const logSchema = z.strictObject({ level: z.enum(LOG_LEVELS).optional() });
