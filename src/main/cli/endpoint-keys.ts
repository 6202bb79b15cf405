import type { EndpointOptions } from '../options/planner-options.ts';
import { UsageError } from './cli-error.ts';

/** Keys of model servers, as flags and the environment give them: each server has its own, and is sent no other one's. */
export type Endpoints = Readonly<Record<string, EndpointOptions>>;

/** The variables of the environment that hold keys begin with this. Alone it is the key of the only endpoint. */
export const KEY_VARIABLE = 'CONCLAVE_API_KEY';

export interface GivenKeys {
  /** Of `--api-key`: `KEY` for the only endpoint, `ENDPOINT=KEY` for one of several. */
  readonly flags: readonly string[];
  /** Of the environment, by the names of the variables. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What of it must not be shown. */
export function secretsIn({ flags, variables }: GivenKeys): string[] {
  const parts = flags.flatMap((flag) => [flag, flag.slice(flag.indexOf('=') + 1)]);
  return [...parts, ...Object.values(variables)].filter((part) => part !== '');
}

/** The variable for the key of one endpoint: `CONCLAVE_API_KEY_LOCALHOST_1234` for `localhost:1234`. */
export function keyVariableOf(name: string): string {
  return `${KEY_VARIABLE}_${name.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`;
}

/**
 * The endpoints with their keys: of a flag first, then of the environment, then as they are configured. Throws a UsageError where a flag
 * does not say for which of several endpoints it is.
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
  // What was given is a secret and is not told.
  throw new UsageError(`--api-key must say whose key it is: NAME=KEY, with one of ${names.join(', ')}`);
}
