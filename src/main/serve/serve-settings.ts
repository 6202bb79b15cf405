import type { HttpFaceOptions } from '../faces/http/http-options.ts';
import type { LoadedConfig } from '../options/config-file.ts';
import { DRAIN_MS } from './serve-config.ts';

/** What the command line says about serving. */
export interface ServeChoice {
  readonly http?: number;
  readonly host?: string;
  readonly drainMs?: number;
}

/** What flags, environment and configuration come to, in this order. */
export interface ServeSettings {
  readonly http: HttpFaceOptions | undefined;
  readonly drainMs: number;
  readonly logLevel: string;
}

export function serveSettings(
  flags: ServeChoice,
  loaded: LoadedConfig | undefined,
  given: { readonly logLevel: string | undefined },
): ServeSettings {
  const { serve = {}, log = {} } = loaded ?? {};
  const port = flags.http ?? serve.http?.port;
  const host = flags.host ?? serve.http?.host;
  return {
    http: port === undefined ? undefined : { ...serve.http, port, ...(host === undefined ? {} : { host }) },
    drainMs: flags.drainMs ?? serve.drainMs ?? DRAIN_MS,
    logLevel: given.logLevel ?? log.level ?? 'silent',
  };
}
