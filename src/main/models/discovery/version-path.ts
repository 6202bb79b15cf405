import { encodeError } from '../../../shared/errors.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import type { ResolvedEndpoint, ResolvedOptions } from '../../options/planner-options.ts';
import { hasAnswered, troubleIn } from './server-trouble.ts';

/** Adds the version path to base URLs without it, such as `http://localhost:1234` for `http://localhost:1234/v1`. */
const VERSION = /\/v\d\w*\/*$/;

/** Lists the models below a base URL. */
export type ListAt = (baseURL: string) => Promise<readonly string[]>;

export interface ListedAt {
  /** The base URL at which the list was found. */
  readonly baseURL: string;
  readonly models: readonly string[];
}

/**
 * Lists the models of a server. If it answers at its base URL without a list, and the URL has no version path, lists those below
 * `/v1`. Rejects with the error of the base URL itself.
 */
export async function listSomewhere(baseURL: string, list: ListAt): Promise<ListedAt> {
  try {
    return { baseURL, models: await list(baseURL) };
  } catch (error) {
    const failure = encodeError(error);
    const mayBeBelow = !VERSION.test(baseURL) && hasAnswered(failure) && troubleIn(failure) === undefined;
    const below = `${baseURL.replace(/\/+$/, '')}/v1`;
    const models = mayBeBelow ? await list(below).catch(() => undefined) : undefined;
    if (models === undefined) throw error;
    return { baseURL: below, models };
  }
}

export interface Versioned {
  readonly options: ResolvedOptions;
  readonly warnings: readonly string[];
}

/** Adds the version path to base URLs that lack it, where their servers show that it is needed. */
export async function addVersionPaths(
  options: ResolvedOptions,
  list: (endpoint: ResolvedEndpoint) => Promise<readonly string[]>,
): Promise<Versioned> {
  if (options.endpoints.every(({ baseURL }) => VERSION.test(baseURL))) return { options, warnings: [] };
  const endpoints = await Promise.all(
    options.endpoints.map(async (endpoint) => {
      if (VERSION.test(endpoint.baseURL)) return endpoint;
      const found = await listSomewhere(endpoint.baseURL, (baseURL) => list({ ...endpoint, baseURL })).catch(
        () => undefined,
      );
      return found === undefined ? endpoint : { ...endpoint, baseURL: found.baseURL };
    }),
  );
  const warnings = endpoints.flatMap(({ name, baseURL }, index) => {
    const given = options.endpoints[index]?.baseURL as string;
    return given === baseURL ? [] : [`endpoint ${name}: ${lacksVersion(given, baseURL)}`];
  });
  return { options: Object.freeze({ ...options, endpoints }), warnings };
}

function lacksVersion(given: string, baseURL: string): string {
  return `${shownURL(given)} lists no models and ${shownURL(baseURL)} does, so that is used; write it so`;
}
