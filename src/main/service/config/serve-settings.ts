import { defined } from '../../../shared/defined.ts';
import type { HttpFaceOptions } from '../../faces/http/http-options.ts';
import type { SocketFaceOptions } from '../../faces/socket/socket-options.ts';
import type { LoadedConfig } from './config-file.ts';
import { DRAIN_MS } from './serve-config.ts';

/** Settings from the command line. */
export interface ServeChoice {
  readonly socket?: string;
  readonly stdio?: boolean;
  readonly http?: number;
  readonly host?: string;
  readonly tokenFile?: string;
  readonly drainMs?: number;
}

/** Settings from the environment; `logLevel` may also come from a flag. */
interface ServeSurroundings {
  readonly token: string | undefined;
  readonly logLevel: string | undefined;
}

/** The settings from flags, environment and configuration, in this order of precedence. */
export interface ServeSettings {
  readonly serve: {
    readonly socket?: SocketFaceOptions;
    /** True if standard input and output are a face. */
    readonly stdio: boolean;
    readonly http?: HttpFaceOptions;
    readonly drainMs: number;
  };
  readonly log: { readonly level: string };
}

/** Keys of `ServeSettings` that can change while in use. */
export const CHANGEABLE: readonly string[] = [
  'log.level',
  'serve.drainMs',
  'serve.http.token',
  'serve.http.tokenFile',
  'serve.http.allowedHosts',
  'serve.http.rateLimitPerMinute',
];

export function serveSettings(
  flags: ServeChoice,
  loaded: LoadedConfig | undefined,
  surroundings: ServeSurroundings,
): ServeSettings {
  const { serve = {}, log = {} } = loaded ?? {};
  const path = flags.socket ?? serve.socket?.path;
  const http = httpOptions(flags, serve.http ?? {}, surroundings.token);
  return {
    serve: {
      ...(path === undefined ? {} : { socket: { ...serve.socket, path } }),
      stdio: flags.stdio ?? false,
      ...defined({ http }),
      drainMs: flags.drainMs ?? serve.drainMs ?? DRAIN_MS,
    },
    log: { level: surroundings.logLevel ?? log.level ?? 'silent' },
  };
}

function httpOptions(
  flags: ServeChoice,
  configured: Partial<HttpFaceOptions>,
  envToken: string | undefined,
): HttpFaceOptions | undefined {
  const { token, tokenFile, ...rest } = configured;
  const port = flags.http ?? rest.port;
  const host = flags.host ?? rest.host;
  if (port === undefined) return undefined;
  return {
    ...rest,
    port,
    ...defined({ host }),
    ...tokenOf(flags.tokenFile, envToken, { token, tokenFile }),
  };
}

/** The token from the first place that names one. */
function tokenOf(
  flag: string | undefined,
  envToken: string | undefined,
  { token, tokenFile }: Pick<HttpFaceOptions, 'token' | 'tokenFile'>,
): Pick<HttpFaceOptions, 'token' | 'tokenFile'> {
  if (flag !== undefined) return { tokenFile: flag };
  if (envToken !== undefined) return { token: envToken };
  return { ...defined({ token, tokenFile }) };
}
