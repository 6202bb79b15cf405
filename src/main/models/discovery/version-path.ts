import { encodeError } from '../../../shared/errors.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import type { ResolvedEndpoint, ResolvedOptions } from '../../options/planner-options.ts';
import { hasAnswered, troubleIn } from './server-trouble.ts';

/** Corrects base URLs such as `http://localhost:1234` or `http://localhost:1234/v1/chat/completions` to `http://localhost:1234/v1`. */
const VERSION = /\/v\d\w*\/*$/;
/** Paths of calls, which tutorials show with the address, and Ollama's own. */
const CALL = /\/(?:(?:chat\/)?completions|models|responses|api(?:\/(?:chat|generate|tags))?)\/*$/;

/** Lists the models below a base URL. */
export type ListAt = (baseURL: string) => Promise<readonly string[]>;

export interface ListedAt {
  /** The base URL at which the list was found. */
  readonly baseURL: string;
  readonly models: readonly string[];
}

/**
 * Lists the models of a server. If it answers at its base URL without a list, and the URL has no version path, lists those below
 * `/v1`, or where a call in the URL would belong. Rejects with the error of the base URL itself.
 */
export async function listSomewhere(baseURL: string, list: ListAt): Promise<ListedAt> {
  try {
    return { baseURL, models: await list(baseURL) };
  } catch (error) {
    const failure = encodeError(error);
    const mayBeBelow = !VERSION.test(baseURL) && hasAnswered(failure) && troubleIn(failure) === undefined;
    for (const other of mayBeBelow ? othersOf(baseURL) : []) {
      const models = await list(other).catch(() => undefined);
      if (models !== undefined) return { baseURL: other, models };
    }
    throw error;
  }
}

/** Returns the base URLs that may have been meant. */
function othersOf(baseURL: string): readonly string[] {
  const given = baseURL.replace(/\/+$/, '');
  const root = given.replace(CALL, '');
  const below = `${given}/v1`;
  if (root === given) return [below];
  return [below, VERSION.test(root) ? root : `${root}/v1`];
}

export interface Versioned {
  readonly options: ResolvedOptions;
  readonly warnings: readonly string[];
}

/** Corrects base URLs without a version path at their end, where their servers show that it is needed. */
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
