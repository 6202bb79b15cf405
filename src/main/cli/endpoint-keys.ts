import type { EndpointOptions } from '../options/planner-options.ts';
import { UsageError } from './cli-error.ts';

/** Keys of model servers, from flags and the environment: each server has its own, and never gets another one's. */
export type Endpoints = Readonly<Record<string, EndpointOptions>>;

/** Prefix of environment variables with keys of model servers. The prefix alone is the key of the only endpoint. */
export const KEY_VARIABLE = 'CONCLAVE_API_KEY';

interface GivenKeys {
  /** Values of `--api-key`: `KEY` for the only endpoint, `ENDPOINT=KEY` for one of several. */
  readonly flags: readonly string[];
  /** Environment variables, by name. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The parts that must not be shown. */
export function secretsIn({ flags, variables }: GivenKeys): string[] {
  const parts = flags.flatMap((flag) => [flag, flag.slice(flag.indexOf('=') + 1)]);
  return [...parts, ...Object.values(variables)].filter((part) => part !== '');
}

/** The variable for the key of one endpoint: `CONCLAVE_API_KEY_LOCALHOST_1234` for `localhost:1234`. */
export function keyVariableOf(name: string): string {
  return `${KEY_VARIABLE}_${name.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`;
}

/**
 * Adds keys to the endpoints: from a flag first, then from the environment, else as configured. Throws a UsageError if a flag does not name one of
 * several endpoints.
 */
export function withKeys(endpoints: Endpoints, { flags, variables }: GivenKeys): Endpoints {
  const names = Object.keys(endpoints);
  const byName = new Map(flags.map((flag) => flagKey(flag, names)));
  const alone = names.length === 1 ? variables[KEY_VARIABLE] : undefined;
  const keyed = Object.entries(endpoints).map(([name, endpoint]) => {
    const apiKey = byName.get(name) ?? variables[keyVariableOf(name)] ?? alone;
    return [name, apiKey === undefined ? endpoint : { ...endpoint, apiKey }] as const;
  });
  return Object.fromEntries(keyed);
}

function flagKey(flag: string, names: readonly string[]): [name: string, key: string] {
  const named = names.find((name) => flag.startsWith(`${name}=`));
  const key = named === undefined ? flag : flag.slice(named.length + 1);
  const [only] = names;
  if (key === '') throw new UsageError(`--api-key must hold a key for ${named}, got none`);
  if (named !== undefined) return [named, key];
  if (names.length === 1 && only !== undefined) return [only, key];
  if (names.length === 0) throw new UsageError('--api-key is for a model server: add --endpoint URL');
  // The given value is a secret and is not shown.
  throw new UsageError(`--api-key must say whose key it is: NAME=KEY, with one of ${names.join(', ')}`);
}
