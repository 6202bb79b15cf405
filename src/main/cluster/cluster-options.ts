import { z } from 'zod';

/** Joins the nodes that plan with the same model servers. */
export interface ClusterOptions {
  /** The engine: `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS. Redis 7 or later, or Valkey. */
  readonly url: string;
  /** Nodes meet those of the same name. Default `default`. */
  readonly name?: string;
}

export interface ResolvedCluster {
  readonly url: string;
  readonly name: string;
}

/** Environment variable with the URL of the engine; a flag takes precedence over it, and it over a configuration. */
export const CLUSTER_VARIABLE = 'CONCLAVE_CLUSTER_URL';

/** Returns why a text is no engine's URL; undefined if it is one. The text may hold a password and is not part of the answer. */
export function engineUrlFault(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
    return 'must be a URL such as redis://localhost:6379, or rediss://host:6380 for TLS';
  }
  if (!/^\/?\d*$/.test(url.pathname))
    return 'must have no path, or the number of a database, such as redis://host:6379/2';
  if (url.search !== '' || url.hash !== '')
    return 'must have nothing after the number of the database; a bare "?" or "#" in a password is written %3F or %23';
  // Clients take it for a password, for a user, or for the default user.
  if (url.username !== '' && url.password === '')
    return 'must have name:password before the "@", or :password without a name; a user that needs no password takes any';
  if (![url.username, url.password].every(isEncoded))
    return 'must have a name and password without a bare "%": it is written %25';
  return undefined;
}

function isEncoded(text: string): boolean {
  try {
    return decodeURIComponent(text) !== undefined;
  } catch {
    return false;
  }
}

export const clusterSchema = z.strictObject({
  url: z.string().superRefine((text, context) => {
    const message = engineUrlFault(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  }),
  name: z
    .string()
    .regex(/^[\w.-]{1,64}$/, 'must have 1 to 64 letters, digits, dots, dashes or underscores')
    .optional(),
});

/** The number of the database that a valid URL names. */
export function databaseOf(url: string): number {
  return Number(new URL(url).pathname.slice(1));
}

export function resolveCluster(given: z.infer<typeof clusterSchema> | undefined): ResolvedCluster | undefined {
  return given && { url: given.url, name: given.name ?? 'default' };
}
