import { isIP } from 'node:net';
import { shownURL } from '../../../shared/shown-url.ts';
import type { ResolvedEndpoint, ResolvedOptions } from '../../options/planner-options.ts';

/**
 * Finds endpoints that are one server under several names: `localhost`, `127.0.0.1` and the machine's own address, or a name and
 * the address that it resolves to. Otherwise each of them would be given all of the server's slots. Public addresses are left
 * alone: many servers may share one.
 */
export interface NameService {
  /** The addresses of a host; empty if it has none. Never rejects. */
  lookup(host: string): Promise<readonly string[]>;
  /** The addresses of this machine. */
  readonly own: readonly string[];
}

export interface MergedPlaces {
  readonly options: ResolvedOptions;
  readonly warnings: readonly string[];
}

/** The options with one endpoint for each place: the first of those that refer to it. */
export async function mergeSamePlaces(options: ResolvedOptions, names: NameService): Promise<MergedPlaces> {
  const { endpoints } = options;
  if (endpoints.length < 2 || !options.features.oneMachine) return { options, warnings: [] };
  const places = await Promise.all(endpoints.map((endpoint) => placesOf(endpoint, names)));
  const mergedInto = new Map<string, string>();
  const warnings: string[] = [];
  for (const [index, endpoint] of endpoints.entries()) {
    const first = endpoints.findIndex(
      (other, at) =>
        at < index && places[at]?.some((place) => places[index]?.includes(place)) && isAsked(other, endpoint),
    );
    if (first < 0) continue;
    const { name, baseURL } = endpoints[first] as ResolvedEndpoint;
    mergedInto.set(endpoint.name, mergedInto.get(name) ?? name);
    warnings.push(
      `endpoints ${name} (${shownURL(baseURL)}) and ${endpoint.name} (${shownURL(endpoint.baseURL)}) are one server: it is asked as ${mergedInto.get(endpoint.name)}, with one budget of slots`,
    );
  }
  if (mergedInto.size === 0) return { options, warnings };
  const nameOf = (name: string): string => mergedInto.get(name) ?? name;
  const moved = <T extends { readonly endpoint: string; readonly alternatives: readonly string[] }>(seat: T): T => {
    const endpoint = nameOf(seat.endpoint);
    const alternatives = [...new Set(seat.alternatives.map(nameOf))].filter((name) => name !== endpoint);
    return { ...seat, endpoint, alternatives };
  };
  return {
    options: Object.freeze({
      ...options,
      endpoints: endpoints.filter(({ name }) => !mergedInto.has(name)),
      experts: options.experts.map(moved),
      synthesis: { ...options.synthesis, models: options.synthesis.models.map(moved) },
    }),
    warnings,
  };
}

/** Whether calls to both are identical, so that one can replace the other. */
function isAsked(a: ResolvedEndpoint, b: ResolvedEndpoint): boolean {
  return a.apiKey === b.apiKey && JSON.stringify(a.headers ?? {}) === JSON.stringify(b.headers ?? {});
}

const THIS_MACHINE = 'this machine';

/** The places of an endpoint: scheme, address, port and path. */
async function placesOf({ baseURL }: ResolvedEndpoint, { lookup, own }: NameService): Promise<string[]> {
  const { protocol, hostname, port, pathname } = new URL(baseURL);
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const addresses = host === 'localhost' || isIP(host) > 0 ? [host] : await lookup(host);
  const local = addresses.flatMap((address) => {
    if (address === 'localhost' || isLoopback(address) || own.includes(address)) return [THIS_MACHINE];
    return isPrivate(address) ? [address] : [];
  });
  const at = local.length > 0 ? [...new Set(local)] : [host];
  return at.map((place) => `${protocol}//${place}:${port}${pathname.replace(/\/+$/, '')}`);
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

function isPrivate(address: string): boolean {
  return /^(::ffff:)?(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address) || /^f[cde]/i.test(address);
}
